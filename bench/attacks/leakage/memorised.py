"""From matched people to memorisation: what the attack keeps for every synthetic face, and the measure made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ....reports.result.record import Curve, Interval, Measure, Score
from ....reports.statistics.differences import newcombe
from ....reports.statistics.intervals import cluster_bootstrap
from ...biometrics.chance import chance_of_identity
from . import arrays
from .leak_at_k import SIZES

FILE = "matches.npz"
LOW_CEILING = 0.5
"""What a perfect copier has to reach, or the note says so."""

MEASURE = Measure(
    name="memorised",
    side="privacy",
    better="lower",
    says="share of synthetic faces that match a person the generator was trained on, less the share that match a "
    "held-out person; another number than leak@1",
    headline=True,
)


@dataclass(frozen=True)
class Matches:
    """Whom each of Q synthetic faces matches."""

    generator: NDArray[np.int64]
    """[Q], people of role G."""
    holdout: NDArray[np.int64]
    """[Q], people of role H."""
    generator_by: NDArray[np.int64]
    """[people], how many of the faces match each person of role G."""
    holdout_by: NDArray[np.int64]
    """[people], likewise of role H."""
    person: NDArray[np.int64]
    """[Q], the synthetic person's label."""
    failed: NDArray[np.bool_]
    """[Q], whether the recognizer failed on the face, which then matches nobody."""
    generator_people: int
    """People of role G who were searched: those of whom one face was drawn and seen, at least."""
    holdout_people: int
    generator_faces: int
    """Their faces that were drawn, failed ones too."""
    holdout_faces: int
    gallery_failures: int
    """Drawn faces of G and H that the recognizer failed on."""
    each: int
    """Faces drawn of one person, at most."""
    threshold: float
    """Similarity above which two faces match; NaN where it could not be set."""
    fmr: float
    """False match rate that it was set for."""
    impostor_pairs: int
    """Pairs of two people of role A that it was set on."""
    unseen_fmr: float
    """Share of the pairs of a face of G and one of H that match; NaN where there is none."""
    seed: int
    note: str
    """Why nothing can be measured; empty where it can."""

    def write(self, out: Path) -> None:
        """Keep it in the folder `out`."""
        arrays.write(self, out / FILE)

    @property
    def gallery(self) -> int:
        """People in a gallery, as many for G as for H."""
        return min(self.generator_people, self.holdout_people)


def read(out: Path) -> Matches:
    """What the attack kept.

    Raises:
        AttackError: it is missing or damaged.
    """
    return arrays.read(Matches, out / FILE)


def shares(found: Matches, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[Q] twice, how probably each face matches somebody among `size` people drawn from G, and from H.

    Of N people, m of whom a face matches, `size` drawn without looking hold one of the m with probability
    1 - C(N - m, size) / C(N, size). This is the mean over all galleries of that size, so none needs to be sampled.
    """
    drawn = []
    for people, matched in ((found.generator_people, found.generator), (found.holdout_people, found.holdout)):
        counts, place = np.unique(matched, return_inverse=True)  # few counts, many faces
        drawn.append(chance_of_identity(people, counts, size)[place])
    return drawn[0], drawn[1]


def memorised(found: Matches, on: str) -> Score:
    """The share of faces that match somebody of G, less the share that match somebody of H, in equal galleries.

    It may be negative, by chance or because H happens to hold more typical faces, and is told as it is. The interval
    is for synthetic people and for people of G and H, both of whom are a sample; the threshold is taken as given.
    `copier` is what a generator reaches each of whose faces copies one person of G. `residual` is (a - c) / (1 - c)
    with a for G and c for H: what is left where large galleries make many faces match somebody by chance.
    `generator_whole` is the share against all people of G that were searched, without a control: a face that copies
    one person of G counts in the headline only in those galleries that hold this person.

    Source: the share of matches in excess of a control, Giomi et al., A unified framework for quantifying privacy
    risk in synthetic data, PoPETs 2023.
    """
    q, detail = len(found.person), _context(found)
    note = found.note
    if not note and found.failed.all():
        note = f"the recognizer failed on all {q:,} faces, so whom they match is not known"
    if note:
        return Score(measure=MEASURE, on=on, value=None, n=q, chance=0.0, detail=detail, note=note)
    generator, holdout = shares(found, found.gallery)
    a, c = float(generator.mean()), float(holdout.mean())
    detail |= {
        "generator": a,
        "holdout": c,
        "generator_whole": float((found.generator > 0).mean()),
        "holdout_whole": float((found.holdout > 0).mean()),
        "residual": (a - c) / (1 - c) if c < 1 else None,
        "copier": (ceiling := found.gallery / found.generator_people),
        "sigma_of_people": math.hypot(_sigma(a, found.generator_by), _sigma(c, found.holdout_by)),
    }
    if ceiling < LOW_CEILING:
        note = (
            f"{found.generator_people:,} people of G are compared with {found.holdout_people:,} of H, so even a "
            f"generator that copies people would be told as {ceiling:.0%}; hold out more people"
        )
    if found.unseen_fmr > 2 * found.fmr:
        note += "; " * bool(note) + (
            f"at this threshold {found.unseen_fmr:.2%} of the pairs of a G and an H face match, not {found.fmr:.2%}: "
            "the judge tells impostors of role A apart better than other people"
        )
    return Score(
        measure=MEASURE,
        on=on,
        value=a - c,
        n=q,
        intervals=_intervals(found, generator, holdout, float(detail["sigma_of_people"] or 0)),
        chance=0.0,
        detail=detail,
        note=note,
    )


def by_gallery_size(found: Matches, on: str) -> Curve | None:
    """Memorisation at smaller galleries; None where it was not measured."""
    if found.note:
        return None
    sizes = [size for size in SIZES if size < found.gallery] + [found.gallery]
    drawn = [shares(found, size) for size in sizes]
    return Curve(
        name="memorised by gallery size",
        on=on,
        x_label="people in a gallery",
        y_label="memorised",
        x=tuple(map(float, sizes)),
        y=tuple(float((generator - holdout).mean()) for generator, holdout in drawn),
    )


def _sigma(share: float, by: NDArray[np.int64]) -> float:
    """The standard deviation of a share of matches over draws of the people who are matched, to first order.

    A few people whom many faces resemble make the share a matter of whether they were drawn.
    """
    return share * float(by.std(ddof=1) / by.mean()) / math.sqrt(len(by)) if len(by) > 1 and by.any() else 0.0


def _intervals(
    found: Matches, generator: NDArray[np.float64], holdout: NDArray[np.float64], sigma: float
) -> tuple[Interval, ...]:
    """For both kinds of people first, Newcombe's for faces beside it.

    Synthetic people are resampled, where there are several; what the others add is propagated.
    """
    difference = generator - holdout
    beside = newcombe(float(generator.sum()), float(holdout.sum()), len(difference))
    value, reach = float(difference.mean()), NormalDist().inv_cdf(0.975) * sigma
    if np.ptp(difference) == 0 or (found.person == found.person[0]).all():
        return (_wider(beside, value, reach), beside) if reach else (beside,)
    # the bootstrap takes values from 0 to 1; a mean moves with its values, so its quantiles can be moved back
    made = cluster_bootstrap(np.clip((difference + 1) / 2, 0, 1), found.person, seed=found.seed)
    moved = made.model_copy(update={"low": 2 * made.low - 1, "high": 2 * made.high - 1})
    return (_wider(moved, value, reach), beside)


def _wider(interval: Interval, value: float, reach: float) -> Interval:
    """An interval with another, independent source of variation."""
    if not reach:
        return interval
    low, high = value - math.hypot(value - interval.low, reach), value + math.hypot(interval.high - value, reach)
    return interval.model_copy(update={"low": max(-1.0, low), "high": min(1.0, high), "kind": "propagated"})


def _context(found: Matches) -> dict[str, float | None]:
    def known(value: float) -> float | None:
        return None if math.isnan(value) else value

    return {
        "gallery": found.gallery,
        "gallery_generator": found.generator_people,
        "gallery_holdout": found.holdout_people,
        "faces_generator": found.generator_faces,
        "faces_holdout": found.holdout_faces,
        "faces_each": found.each,
        "gallery_failures": found.gallery_failures,
        "failure_rate": float(found.failed.mean()),
        "people": len(np.unique(found.person)),
        "threshold": known(found.threshold),
        "fmr": found.fmr,
        "impostor_pairs": found.impostor_pairs,
        "unseen_fmr": known(found.unseen_fmr),
    }
