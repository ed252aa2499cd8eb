"""The contract of this folder: what an attack is given, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from ...datasets.base import Faces, Progress, silent
from ...reports.result.record import KNOWLEDGE, AttackTraits, Curve, Score
from ..biometrics.embeddings import AttackError, Embeddings

if TYPE_CHECKING:
    import torch

__all__ = ["Again", "Attack", "AttackError", "Embed", "Embeddings", "Evidence", "NotApplicableError", "Paired"]
"""What a plug-in needs, two of them from below."""


class NotApplicableError(AttackError):
    """An attack that turns out not to apply to this method; the message is the reason, and names no file."""


Embed = Callable[[Faces], Embeddings]
"""A recognizer, on any faces."""
Again = Callable[[NDArray[np.int64]], Faces]


@dataclass(frozen=True, eq=False)
class Paired:
    """Faces of some people both ways: as they are, and as the published method makes them private."""

    private: Embeddings
    """[Q], the private faces, seen by the judge."""
    original: Embeddings
    """[N], the originals, seen by the judge."""
    source: NDArray[np.int64]
    """[Q], the index in `original` that each private face was made from."""
    private_faces: Faces
    original_faces: Faces
    again: Again
    """Makes some of the originals private once more, by their rows, with other random numbers than before.

    Raises:
        NotApplicableError: the method cannot be applied to these people by the attacker.
    """


def nobody() -> Paired:
    """A role without people.

    Raises:
        NotApplicableError: always.
    """
    raise NotApplicableError("not measured: there are no such people; give the role a share")


def untold(rows: NDArray[np.int64]) -> Faces:
    """A method that the attacker cannot apply.

    Raises:
        NotApplicableError: always.
    """
    raise NotApplicableError("does not apply: the method cannot be applied by the attacker")


def untrained(faces: Faces, progress: Progress = silent) -> Embed:
    """What learns where nothing can be learned.

    Raises:
        NotApplicableError: always.
    """
    raise NotApplicableError("not measured: the run has no recipe for a recognizer of the attacker's")


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
    generator_faces: Faces
    """Originals of role G: the people whom the method learned from."""
    holdout_faces: Faces
    """Originals of role H: people whom nothing was learned from or made of, the control."""
    embed: Embed
    """The judge, on any faces."""
    missed: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """The originals of which the method should have made a private face, and made none: nobody finds them."""
    attacker: Callable[[], Paired] = nobody
    """People of role A both ways, since the method is public.

    Raises:
        NotApplicableError: the method works for its own people only, or there is nobody in A.
    """
    holdout: Callable[[], Paired] = nobody
    """People of role H both ways, likewise."""
    again: Again = untold
    """The originals of P made private once more, see `Paired.again`."""
    deterministic: bool = False
    """Whether the method draws no random numbers, so that equal originals give equal private faces."""
    judges: tuple[Embed, ...] = ()
    """Other recognizers than the judge."""
    learn: Callable[[Faces, Progress], Embed] = untrained
    """Train a recognizer on labelled faces, by the recipe of the in-house judge."""
    progress: Progress = silent

    @cached_property
    def released(self) -> Paired:
        """People of role P both ways; always the same object, by which what was seen of it can be remembered.

        Raises:
            AttackError: private faces were made from no originals.
        """
        if self.source is None:
            raise AttackError("released faces: expected a source of each, got faces that were made from no originals")
        return Paired(self.private, self.original, self.source, self.private_faces, self.original_faces, self.again)


class Attack(BaseModel, ABC):
    """Plug-in: a way to find people of the originals behind private faces. Frozen and closed.

    What it takes of `Evidence` beyond the released faces has to be declared: `adaptive` for `attacker`, `again` and
    `learn`, `applies` for `again` alone, `control` for `holdout`, `several` for `judges`. The rest is not there, and
    not part of the stage's key.

    What boards and sanity bounds have to know of it is declared, too, and kept in the record (`traits`): `adaptive`,
    `applies`, `searches`, `without_photo`, `reference` and `place`. Nobody looks an attack up by its name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    version: ClassVar[int] = 1
    """Raise it when equal parameters give other results."""
    adaptive: ClassVar[bool] = False
    """Whether the attacker knows the method and learns from what it makes of people of role A: one that finds clearly
    less than the ignorant attacker is broken, and fails a sanity bound."""
    unit: ClassVar[str] = "probes"
    """What its progress counts."""
    control: ClassVar[bool] = True
    """Whether it looks at what the method makes of the hold-out people."""
    several: ClassVar[bool] = False
    """Whether it uses other recognizers beside the judge."""
    applies: ClassVar[bool] = False
    """Whether it applies the method to the originals of P with keys of its own, without learning from that."""

    searches: ClassVar[bool] = True
    """Whether it looks for the person behind a private face, so that a board says where it was not run."""
    without_photo: ClassVar[bool] = False
    """Whether the photo that was made private is left out of what is searched."""
    reference: ClassVar[bool] = False
    """Whether it is a search that every attacker who knows the method must equal, or be broken."""
    default: ClassVar[bool] = False
    """Whether it is run where a recipe names no attacks; asked of the suite's own attacks alone, since what is
    installed beside it may change no recipe."""
    place: ClassVar[int] = 1000
    """Where it stands in lists and among columns, the lowest first; attacks of one place by name."""

    @classmethod
    def traits(cls) -> AttackTraits:
        """What readers of a record have to know of this attack."""
        return AttackTraits(**{name: getattr(cls, name) for name in AttackTraits.model_fields})

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Refuse a class whose traits are none, long before a record is to be made of them.

        Raises:
            TypeError: one is of another type, or out of range.
        """
        super().__pydantic_init_subclass__(**kwargs)
        try:
            cls.traits()
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise TypeError(f"{cls.__name__}.{first['loc'][0]}: {first['msg']}, got {first['input']!r:.80}") from None

    @property
    def knows(self) -> str:
        """What the attacker holds beside the release, a judge and the originals; boards name the strongest."""
        return KNOWLEDGE[self.traits().strength]

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
