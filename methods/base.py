"""The contract of this folder: what a way to make faces private is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict

from ..datasets.base import Faces, Progress, silent

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Privatizer: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""(faces, seeds) to private faces: uint8 [B, 3, SIZE, SIZE] and int64 [B] to uint8 [B, 3, SIZE, SIZE].

Order and identities are kept. A face's seed is all the randomness there is for it: a private face depends
on the face, its seed and the fitted method, never on the batch it came in.
"""


class MethodError(ValueError):
    """A method that cannot do its work; the message says what, expected, got and what to do."""


@dataclass(frozen=True)
class Fit:
    """How and with what a method is to be fitted, beside its own parameters."""

    seed: int
    device: torch.device
    teacher: Path | None = None
    """A recognizer trained on the same people (`facemae.embedder.load` reads it), where `needs_teacher`."""
    progress: Progress = silent


class Method(BaseModel, ABC):
    """Plug-in: a way to make faces private. Frozen and closed; the fields are its parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    version: ClassVar[int] = 1
    """Raise it when equal parameters give other images: what was made before then expires."""
    random: ClassVar[bool] = True
    """False where the seed changes nothing, so that all seeds share one fit and one release."""
    learns: ClassVar[bool] = False
    """Whether `fit` does anything."""

    @property
    def needs_teacher(self) -> bool:
        """Whether the run shall train a recognizer on the fitting people and hand it to `fit`."""
        return False

    def fit(self, faces: Faces, out: Path, how: Fit) -> None:
        """Learn from people who are not in the release, and write what was learned into the folder `out`.

        Raises:
            MethodError: nothing can be learned from these faces, or training diverged.
        """

    @abstractmethod
    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        """Make the method live.

        Args:
            fitted: the folder that `fit` wrote; empty for a method that learns nothing.
            device: where to compute; faces come and go on this device.
        """
