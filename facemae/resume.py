"""The state of a training, to go on from after a kill as if there had been none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from .relation import Memory
from .runtime.checkpoint import WeightsError, read, write

STATE = "training.pt"


class State:
    """Where training is, with all that the next step depends on. Chance is not: it follows from the step."""

    def __init__(
        self,
        scratch: Path | None,
        how: object,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        mean: AveragedModel | None,
        memory: Memory,
    ) -> None:
        self.scratch, self.model, self.optimizer, self.mean, self.memory = scratch, model, optimizer, mean, memory
        self._how = repr(how)
        self.step = 0
        """Steps begun."""
        self.epoch = 0
        self.place = 0
        """Batches of the epoch that were taken."""

    def next(self, *, last: bool) -> None:
        """Another step begins, with the epoch's last batch or not."""
        self.step += 1
        self.place += 1
        if last:
            self.next_epoch()

    def next_epoch(self) -> None:
        """An epoch is over."""
        self.epoch, self.place = self.epoch + 1, 0

    def save(self, lines: Sequence[Sequence[float]]) -> None:
        """Keep the state after a step, whole or not at all.

        Raises:
            WeightsError: the folder cannot be written.
        """
        if self.scratch is None:
            return
        content: dict[str, Any] = {
            "how": self._how,
            "at": [self.step, self.epoch, self.place],
            "lines": torch.tensor([list(line) for line in lines], dtype=torch.float64),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "mean": self.mean.state_dict() if self.mean else None,
            "memory": list(self.memory.kept) if self.memory.kept else None,
        }
        write(content, self.scratch / STATE)

    def restore(self) -> list[list[float]]:
        """Take up what was saved, and give its lines; nothing where nothing of this very training was saved."""
        if self.scratch is None or not (self.scratch / STATE).is_file():
            return []
        try:
            content = read(self.scratch / STATE)
            if content["how"] != self._how:
                return []
            self.model.load_state_dict(content["model"])
            self.optimizer.load_state_dict(content["optimizer"])
            if self.mean:
                self.mean.load_state_dict(content["mean"])
            device = next(self.model.parameters()).device
            if content["memory"]:
                rebuilt, original = content["memory"]
                self.memory.kept = rebuilt.to(device), original.to(device)
            self.step, self.epoch, self.place = content["at"]
            found: list[list[float]] = content["lines"].tolist()
        except (WeightsError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise WeightsError(
                f"{self.scratch / STATE}: the state of an unfinished training cannot be used ({str(error)[:200]}); "
                "delete the file to begin anew"
            ) from error
        return found
