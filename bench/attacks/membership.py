"""Membership (T5): whether somebody's photos were used at all, for the release or for training the generator.

Source: membership inference is judged at low false positive rates (LiRA, Carlini et al., arXiv 2112.03570; RMIA, arXiv
2312.03262); that a candidate's greatest similarity to synthetic faces gives members away, Otroshi and Marcel, arXiv
2410.24015.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...datasets.base import Faces
from ...reports.result.record import Curve, Measure, Score
from ...reports.statistics import two_samples
from ...reports.statistics.intervals import clustered
from ..biometrics.embeddings import Embeddings, failed
from ..biometrics.matching import ERRORS
from .base import Attack, Evidence
from .leakage import arrays

RATES = (1e-2, 1e-3)
"""False positive rates at which members are told from others."""
UNLIKE = 1.5
"""Members and others are not of one kind where photos a person differ by more than this factor."""

Floats = NDArray[np.float64]


class Membership(Attack):
    """Tell photos that were used from photos of hold-out people, by how alike the most alike released face is (T5).

    Two questions: whether a person of role P is in the release, and whether one of role G was in the training of the
    method. The second is asked of all methods, and means nothing for one that does not learn. Candidates are originals;
    others than members are those of role H.
    """

    version: ClassVar[int] = 3
    control: ClassVar[bool] = False
    searches: ClassVar[bool] = False
    place: ClassVar[int] = 100

    faces: Annotated[int, Field(ge=2, le=10**6)] = 4000
    """At most so many photos of each role are candidates."""

    def inapplicable(self, *, sourced: bool) -> str:
        """It applies to every set."""
        return ""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Look every candidate up among the released faces.

        Raises:
            AttackError: embeddings that are no unit vectors.
        """
        failed(evidence.private, "private")
        others = self._candidates(evidence.holdout_faces, evidence)
        if evidence.source is not None:
            rows = self._drawn(len(evidence.original.identity), evidence.seed)
            members = Embeddings(evidence.original.vectors[rows], evidence.original.identity[rows])
            arrays.write(_asked(members, others, evidence), out / "release.npz")
        members = self._candidates(evidence.generator_faces, evidence)
        arrays.write(_asked(members, others, evidence), out / "training.npz")

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """The true positive rate at false positive rates of 1 % and 0.1 %, and the area under the curve.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        found: list[Score] = []
        for question in ("release", "training"):
            if (out / f"{question}.npz").exists() or question == "training":
                found += _scores(arrays.read(Candidates, out / f"{question}.npz"), question, name)
        return found, []

    def _candidates(self, faces: Faces, evidence: Evidence) -> Embeddings:
        from ...datasets.views.subset import Subset

        if not len(faces):
            return Embeddings(np.empty((0, evidence.private.vectors.shape[1]), np.float32), np.empty(0, np.int64))
        return evidence.embed(Subset(faces, self._drawn(len(faces), evidence.seed)))

    def _drawn(self, faces: int, seed: int) -> NDArray[np.int64]:
        return np.sort(np.random.default_rng((seed, 10)).permutation(faces)[: self.faces])


@dataclass(frozen=True)
class Candidates:
    """How alike the most alike released face of each candidate is; NaN where the recognizer failed on the candidate."""

    members: NDArray[np.float32]
    """[M], of those who were used."""
    person: NDArray[np.int64]
    """[M], whose photos they are."""
    others: NDArray[np.float32]
    """[S], of hold-out people."""
    other: NDArray[np.int64]
    """[S], whose photos those are."""
    seed: int


def _asked(members: Embeddings, others: Embeddings, evidence: Evidence) -> Candidates:
    from ..biometrics.nearest import nearest

    released = evidence.private
    seen = nearest(members, released), nearest(others, released)
    return Candidates(seen[0], members.identity, seen[1], others.identity, evidence.seed)


def _scores(found: Candidates, question: str, on: str) -> list[Score]:
    members, others = (np.where(np.isnan(seen), -np.inf, seen) for seen in (found.members, found.others))
    n = len(members)
    each = [len(person) / max(1, len(np.unique(person))) for person in (found.person, found.other)]
    detail: dict[str, float | None] = {"members": n, "others": len(others)}
    measures = [_measure(f"tpr@fpr={rate:g} {question}", _SAYS[question]) for rate in RATES]
    area = _measure(f"membership auc {question}", _SAYS[question])
    if not n or not len(others):
        note = f"expected photos of members and of others, got {n} and {len(others)}; give roles G and H a share"
        return [
            Score(measure=measure, on=on, value=None, n=n, detail=detail, note=note) for measure in (*measures, area)
        ]
    detail |= {"photos_each": each[0], "photos_each_other": each[1]}
    unlike = ""
    if max(each) > UNLIKE * min(each):
        unlike = (
            f"members have {each[0]:.1f} photos each and the others {each[1]:.1f}: they are not of one kind, so what "
            "tells them apart need not be that they were used"
        )
    told = []
    for rate, measure in zip(RATES, measures, strict=True):
        allowed = int(rate * len(others) + 1e-9)
        if allowed < 1:
            note = f"FPR {rate:g} of {len(others):,} photos of others allows no false positive; hold out more people"
            told.append(Score(measure=measure, on=on, value=None, n=n, chance=rate, detail=detail, note=note))
            continue
        few = f"the threshold rests on {allowed} false positives; the rule of {ERRORS} asks for {ERRORS}"
        note = "; ".join([few] * (allowed < ERRORS) + [unlike] * bool(unlike))
        told.append(_score(measure, on, _Rate(members, others, rate), found, rate, detail, note))
    return [*told, _score(area, on, _Area(members, others), found, 0.5, detail, unlike)]


class _Rate:
    """The true positive rate at a false positive rate."""

    def __init__(self, members: Floats, others: Floats, rate: float) -> None:
        self.members, self.rate = members, rate
        self.order = np.argsort(-others, kind="stable")
        self.falling = others[self.order]

    def values(self, times: NDArray[np.int64]) -> Floats:
        """[M], which members are above the threshold, where others are there so many times."""
        allowed = int(self.rate * int(times.sum()) + 1e-9)
        place = int(np.searchsorted(np.cumsum(times[self.order]), allowed, side="right"))  # the first to be refused
        above: Floats = (self.members > self.falling[place]).astype(np.float64)
        return above


class _Area:
    """The area under the curve: how probably a member is more alike than one of the others, ties counted half."""

    def __init__(self, members: Floats, others: Floats) -> None:
        self.order = np.argsort(others, kind="stable")
        self.sides = [np.searchsorted(others[self.order], members, side) for side in ("left", "right")]

    def values(self, times: NDArray[np.int64]) -> Floats:
        """[M], the share of others below each member, where others are there so many times."""
        below = np.concatenate([[0], np.cumsum(times[self.order])])
        share: Floats = (below[self.sides[0]] + below[self.sides[1]]) / (2 * below[-1])
        return share


def _score(
    measure: Measure,
    on: str,
    statistic: _Rate | _Area,
    found: Candidates,
    chance: float,
    detail: dict[str, float | None],
    note: str,
) -> Score:
    once = np.ones(len(found.others), np.int64)
    values = statistic.values(once)
    value = float(values.mean())
    # for members alone first, which reaches as far as Wilson's where few of them are found
    bounds = clustered(values, found.person)
    both = two_samples.interval(
        lambda mine, theirs: float(np.average(statistic.values(theirs), weights=mine)),
        found.person, found.other, seed=found.seed,
    )  # fmt: skip
    # none for members alone, where all are of one person
    low, high = min(both.low, value, *(b.low for b in bounds[:1])), max(both.high, value, *(b.high for b in bounds[:1]))
    plain = [each for each in bounds if each.kind == "wilson"]
    return Score(
        measure=measure,
        on=on,
        value=value,
        n=len(values),
        intervals=(both.model_copy(update={"low": low, "high": high}), *plain),
        chance=chance,
        detail=detail,
        note=note,
    )


def _measure(name: str, says: str) -> Measure:
    return Measure(name=name, side="privacy", better="lower", says=says)


_SAYS = {
    "release": "how well photos of released people are told from those of others, by the most alike private face",
    "training": "how well photos of the method's training are told from those of others, by the most alike face",
}
