"""Consistency: whether the faces that a method says are one synthetic person look like one person.

No attack, but the question that comes with synthetic people: a set whose labels mean nothing hides everybody and
teaches a recognizer nothing. So its measure belongs to utility. It is no headline, because the judge is the
attacker's recognizer; what a set is worth is told by the recognizer trained on it.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from ...reports.result.files import why
from ...reports.result.record import Curve, Measure, Score
from ...reports.statistics.intervals import clustered
from ..biometrics.embeddings import AttackError, Embeddings
from ..biometrics.matching import draw, genuine_pairs, threshold
from .base import Attack, Evidence
from .leakage.validation import SOURCED, synthetic

FILE = "pairs.npz"


class Consistency(Attack):
    """Verify synthetic people among themselves, in the judge's eyes: not an attack, but a look at the labels.

    Does not apply where faces were made from originals: there, that faces of one person can still be linked is
    a question of leakage, and has another answer.
    """

    version: ClassVar[int] = 2
    control: ClassVar[bool] = False
    searches: ClassVar[bool] = False
    default: ClassVar[bool] = True
    place: ClassVar[int] = 120

    far: Annotated[float, Field(gt=0, lt=1)] = 1e-2
    """False acceptance rate, over pairs of two synthetic people, at which faces of one are accepted."""
    faces: Annotated[int, Field(ge=4, le=20_000)] = 2000
    """At most so many released faces are compared."""
    each: Annotated[int, Field(ge=2, le=10**6)] = 10
    """At most so many of one person."""

    def inapplicable(self, *, sourced: bool) -> str:
        """Why this look does not apply: people of the originals are themselves."""
        return SOURCED if sourced else ""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Compare the faces of every synthetic person, and faces of two.

        Raises:
            AttackError: private faces with sources, or embeddings that are no unit vectors.
        """
        private = evidence.private
        synthetic(evidence)
        typical = int(np.median(np.unique(private.identity, return_counts=True)[1]))
        each = min(self.each, max(2, typical), self.faces // 2)  # so that there are two people at least
        drawn = draw(private.identity, people=self.faces // each, each=each, seed=(evidence.seed, 3))
        chosen = Embeddings(private.vectors[drawn], private.identity[drawn])
        similarity, person = genuine_pairs(chosen)
        at = threshold(chosen, self.far)
        lost = np.isnan(chosen.vectors).any(axis=1)
        note = "" if at.value is not None else at.told(self.far, "FAR")
        if not len(similarity):
            note = "expected a synthetic person with two faces, got none"
        elif lost.all():
            note = f"the recognizer failed on all {len(drawn):,} faces"
        np.savez(
            out / FILE,
            similarity=similarity,
            person=person,
            threshold=np.nan if at.value is None else at.value,
            impostor_pairs=at.pairs,
            faces=len(drawn),
            people=len(np.unique(chosen.identity)),
            failure_rate=float(lost.mean()),
            seed=evidence.seed,
            note=note,
        )
        evidence.progress(len(drawn), len(drawn))

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """The true acceptance rate at `far`; a pair with a face the recognizer failed on is not accepted.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        try:
            # opened here, because np.load leaves a damaged file open
            with (out / FILE).open("rb") as file, np.load(file, allow_pickle=False) as kept:
                similarity, person = kept["similarity"].astype(np.float64), kept["person"].astype(np.int64)
                found = {key: kept[key].item() for key in kept.files if key not in ("similarity", "person")}
            if similarity.shape != person.shape or similarity.ndim != 1:
                raise ValueError(f"shapes {similarity.shape} and {person.shape}")
            at, note = float(found.pop("threshold")), str(found.pop("note"))
            del found["seed"]
            detail: dict[str, float | None] = {key: float(value) for key, value in found.items()}
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise AttackError(
                f"pairs {out / FILE}: expected what the attack kept, cannot read it ({why(error)}); run with --force "
                "attack"
            ) from error
        n, measure = len(similarity), self._measure()
        if note:
            return [Score(measure=measure, on=name, value=None, n=n, chance=self.far, detail=detail, note=note)], []
        accepted = similarity > at  # NaN compares false
        score = Score(
            measure=measure,
            on=name,
            value=float(accepted.mean()),
            n=n,
            intervals=clustered(accepted, person),
            chance=self.far,
            detail={"threshold": at, **detail},
        )
        return [score], []

    def _measure(self) -> Measure:
        return Measure(
            name=f"same-person tar@far={self.far:g}",
            side="utility",
            better="higher",
            says=f"share of pairs of one synthetic person accepted when {self.far:g} of the pairs of two are",
        )
