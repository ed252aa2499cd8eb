"""The state of a training of the generator: networks and optimizers, kept in a file and gone on from."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..runtime.checkpoint import WeightsError, fill, read, write
from .augment import Augmentation
from .networks import Discriminator, Encoder, Generator, Shape

Lines = list[tuple[float, ...]]
"""The losses of the steps done."""
_COLUMNS = 8


@dataclass(frozen=True, kw_only=True)
class GanTraining:
    """How to train. The length is counted in steps, so that sets of any size get the same effort."""

    steps: int
    lr: float = 2e-3
    """Of all networks, constant."""
    adversarial_start: float = 0.0
    """Share of the steps, 0..1, that only rebuild faces, before discriminator and recognizer come in."""
    identity_weight: float = 1.0
    rebuild_weight: float = 10.0
    """Of the mean absolute error of rebuilt faces; 0 trains no encoder."""
    divergence_weight: float = 5e-3
    """Of the encoder's divergence from a standard normal, beside the error of rebuilt faces."""
    r1_weight: float = 1.0
    r1_every: int = 16
    """Steps from one computation of R1 to the next; its weight is raised by as much."""
    mix: tuple[float, float] = (0.3, 0.7)
    """Range of the weight of the first of two people in a new one."""
    augment: Sequence[Augmentation] = ("colour", "translation", "cutout")
    average: float = 0.999
    """Decay of the generator's moving average; shorter while there are few steps to average over."""
    clip: float = 100.0
    """Largest norm of the generator's gradient; far above what is usual, against a single wild step."""

    @property
    def rebuilding(self) -> int:
        """How many steps only rebuild; none where nothing is rebuilt."""
        return int(self.adversarial_start * self.steps) if self.rebuild_weight > 0 else 0

    @property
    def keep_every(self) -> int:
        """Steps from one keeping of the state to the next."""
        return max(100, self.steps // 50)


class Networks:
    """Generator, its moving average, discriminator and encoder, with their optimizers."""

    def __init__(self, shape: Shape, how: GanTraining, *, average: Tensor, seed: int, device: torch.device) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.generator = Generator(shape)
            self.discriminator = Discriminator(shape)
            self.encoder = Encoder(shape) if how.rebuild_weight > 0 else None
        self.generator.average.copy_(average)
        for network in self._trained().values():
            network.to(device).train()
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        fused = device.type in ("cpu", "cuda")
        adam: dict[str, Any] = {"lr": how.lr, "eps": 1e-8, "fused": fused}
        # rebuilding is an ordinary regression and gains by momentum; a judge of moving faces does not
        self.generator_optimizer = torch.optim.Adam(self.learners(), betas=(0.5, 0.99), **adam)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), betas=(0.0, 0.99), **adam)

    def learners(self) -> list[nn.Parameter]:
        """The weights that learn from the generator's losses: its own and the encoder's."""
        encoder = [] if self.encoder is None else list(self.encoder.parameters())
        return [*self.generator.parameters(), *encoder]

    @torch.no_grad()
    def follow(self, how: GanTraining, step: int) -> None:
        """Let the average follow the generator; of few steps it forgets the first quickly."""
        decay = min(how.average, 1 - 10 / (step + 10))
        own: list[Tensor] = list(self.average.parameters())
        others: list[Tensor] = list(self.generator.parameters())
        torch._foreach_lerp_(own, others, 1 - decay)

    def _trained(self) -> dict[str, nn.Module]:
        named = {"generator": self.generator, "discriminator": self.discriminator, "encoder": self.encoder}
        return {name: network for name, network in named.items() if network is not None}

    def state(self) -> dict[str, Any]:
        """All that a resumption needs, as tensors in plain containers."""
        return {
            "networks": {name: net.state_dict() for name, net in {**self._trained(), "average": self.average}.items()},
            "optimizers": [self.generator_optimizer.state_dict(), self.discriminator_optimizer.state_dict()],
        }

    def load_state(self, state: dict[str, Any], path: Path) -> None:
        """Take over what `state` gave; raises nearly anything where it is damaged."""
        for name, network in {**self._trained(), "average": self.average}.items():
            fill(network, state["networks"][name], path)
        optimizers = (self.generator_optimizer, self.discriminator_optimizer)
        for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
            own = optimizer.state_dict()["param_groups"]
            if kept["param_groups"] != own:
                raise WeightsError(f"weights {path}: expected the optimizer of this training, got another")
            for index, weight in enumerate(optimizer.param_groups[0]["params"]):
                if not kept["state"]:  # the discriminator's, before its first step
                    break
                for moment in ("exp_avg", "exp_avg_sq"):
                    if kept["state"][index][moment].shape != weight.shape:
                        raise WeightsError(f"weights {path}: expected moments of {list(weight.shape)}, got others")
            optimizer.load_state_dict(kept)


def store(path: Path, networks: Networks, lines: Lines) -> None:
    """Keep the state, whole or not at all.

    Raises:
        WeightsError: the file cannot be written.
    """
    write({"lines": torch.tensor(lines, dtype=torch.float64), **networks.state()}, path)


def restore(
    path: Path | None, shape: Shape, how: GanTraining, *, average: Tensor, seed: int, device: torch.device
) -> tuple[Networks, Lines]:
    """The networks as they were kept, or new ones where nothing is kept or what is kept does not fit.

    A file that does not fit costs the time to train anew, never a wrong result, so that it is not worth an error.
    """
    if path is not None and path.is_file():
        try:
            networks = Networks(shape, how, average=average, seed=seed, device=device)
            state = read(path)
            lines = state["lines"]
            if lines.shape[1:] != (_COLUMNS,) or not torch.isfinite(lines).all():
                raise WeightsError(f"weights {path}: expected finite losses, got others")
            networks.load_state(state, path)
            if 0 < len(lines) < how.steps:
                return networks, [tuple(line) for line in lines.tolist()]
        except Exception:  # noqa: S110 - a file of weights may be damaged in any way
            pass
    return Networks(shape, how, average=average, seed=seed, device=device), []
