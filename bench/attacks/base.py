"""The contract of this folder: what an attack is given, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ...datasets.base import Faces, Progress, silent
from ...reports.record import Curve, Score

if TYPE_CHECKING:
    import torch


class AttackError(ValueError):
    """An attack that cannot be measured; the message says what, expected, got and what to do."""


class NotApplicableError(AttackError):
    """An attack that turns out not to apply to this method; the message is the reason, and names no file."""


class Embeddings(NamedTuple):
    """Faces as a recognizer sees them."""

    vectors: NDArray[np.float32]
    """[N, D], unit length; a row of NaN is a face the recognizer failed on."""
    identity: NDArray[np.int64]
    """[N], labels shared by private and original faces."""


@dataclass(frozen=True)
class Evidence:
    """What an attacker holds: the released faces, the originals, and people of their own to train on."""

    private: Embeddings
    """The released faces of role P, seen by the judge."""
    original: Embeddings
    """The original faces of role P, seen by the judge."""
    source: NDArray[np.int64] | None
    """[Q], the index in `original` that each private face was made from; None where none was made from one."""
    seed: int
    device: torch.device
    private_faces: Faces
    original_faces: Faces
    attacker_faces: Faces
    """Originals of role A: other people, whom the attacker may train on."""
    privatize: Callable[[Faces], Faces]
    """The published method, applied to faces of the attacker's."""
    generator_faces: Faces
    """Originals of role G: the people whom the method learned from."""
    holdout_faces: Faces
    """Originals of role H: people whom nothing was learned from or made of, the control."""
    embed: Callable[[Faces], Embeddings]
    """The judge, on any faces."""
    progress: Progress = silent


class Attack(BaseModel, ABC):
    """Plug-in: a way to find people of the originals behind private faces. Frozen and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    version: ClassVar[int] = 1
    """Raise it when equal parameters give other results."""
    adaptive: ClassVar[bool] = False
    """Whether the attacker knows the method and learns from it: one that finds clearly less than the ignorant attacker
    is broken, and fails a sanity bound."""

    def inapplicable(self, *, sourced: bool) -> str:
        """Why this attack does not apply; empty where it does.

        Args:
            sourced: whether private faces were made from originals.
        """
        return "" if sourced else "does not apply: no private face was made from an original, so there is none to find"

    @abstractmethod
    def run(self, evidence: Evidence, out: Path) -> None:
        """Attack, and write the result for every single probe into the folder `out`.

        Raises:
            NotApplicableError: the method does not allow this attack; the run goes on, and the record says so.
            AttackError: the evidence does not allow this attack.
        """

    @abstractmethod
    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """Measures from what `run` wrote; no model, no image and no run is needed for it.

        Args:
            out: the folder that `run` wrote.
            name: what this attack is called in the run; it becomes `Score.on`.
        """
