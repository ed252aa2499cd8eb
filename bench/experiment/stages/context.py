"""What all stages of a run are made from: opened and built before the first of them is laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....datasets.base import Faces, Pairs
from ....facemae.runtime.device import processor
from ....methods.base import Method
from ...attacks.base import Attack
from ...plan.data import Data
from ...plan.plan import Plan
from ...plugins import name_of, spell
from ...store.store import Store
from .arithmetic import USUAL
from .stage import Stage

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Context:
    """The plan of a run with everything that it names."""

    plan: Plan
    data: Data
    store: Store
    device: str
    """As the command line has it."""
    method: Method
    attacks: Mapping[str, Attack]
    precision: str = USUAL
    """In which arithmetic networks are trained."""
    _decoded: dict[str, Pairs] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The method's name."""
        return name_of(self.method, Method)

    @property
    def method_seed(self) -> int | None:
        """The seed as a part of keys of what the method makes; None where it draws no random numbers."""
        return self.plan.seed if self.method.random else None

    def spelled_method(self) -> dict[str, Any]:
        """The method as records spell it out: with the recipe of its teacher, where the run trains one."""
        taught = {"teacher": spell(self.plan.teacher)} if self.method.needs_teacher else {}
        return {**spell(self.method), **taught}

    def arithmetic(self) -> dict[str, str]:
        """What the key of a stage that trains has of the arithmetic: nothing where it is the usual one."""
        return {} if self.precision == USUAL else {"precision": self.precision}

    def processor(self) -> torch.device:
        """Where to compute.

        Raises:
            DeviceError: CUDA was asked for, and PyTorch cannot use it.
        """
        return processor(self.device)

    def key(self, stage: Stage | None) -> str | None:
        """The key of a stage, as a part of the keys of those that follow it."""
        return self.store.key(stage.name, stage.inputs) if stage else None

    def path(self, stage: Stage) -> Path:
        """Where a stage is or will be."""
        return self.store.path(stage.name, stage.inputs)

    def faces_at(self, indices: NDArray[np.int64]) -> Faces:
        """Some faces of the dataset, people numbered from zero; none where there is no index."""
        from ....datasets.views.subset import Nobody, Subset

        return Subset(self.data.faces, indices) if len(indices) else Nobody()

    def pairs(self, name: str) -> Pairs:
        """A verification set, decoded; the last one is kept, since two stages in a row look at it."""
        if name not in self._decoded:
            self._decoded.clear()
            self._decoded[name] = self.data.pairs[name].open()
        return self._decoded[name]

    def forget(self) -> None:
        """Let go of decoded pairs: half a gigabyte of them, and other runs come after this one."""
        self._decoded.clear()
