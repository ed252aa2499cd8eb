"""Pairs of a private face and an original, as verification sees them: EER, AUC, TAR at a FAR, D_sys.

None of them is a headline. An equal error rate hardly moves while a few people are found every time (Vauquier et al.,
Interspeech 2025); they stand here because other studies of privacy report them. Ties are counted as searches count them
(`retrieval.py`): against the defender.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....reports.result.record import Interval, Measure, Score
from ...biometrics.d_sys import d_sys, null
from ...biometrics.embeddings import Embeddings
from ...biometrics.matching import ERRORS
from ...biometrics.ranks import TIE
from ...biometrics.roc import PairScores, equal_error, roc
from . import arrays, pair_intervals
from .leak_at_k import SearchResult
from .pair_intervals import Scored

FILE = "pairs.npz"
MOST = 200_000
"""At most so many pairs of either kind are looked at."""
RATES = (1e-2, 1e-3)
"""False acceptance rates at which true acceptance is told."""
_FEWEST = 10
"""Genuine pairs below which nothing is told."""


@dataclass(frozen=True)
class PairSimilarities:
    """How alike the two faces of each drawn pair are; pairs with a face the recognizer failed on are left out."""

    genuine: NDArray[np.float32]
    """[G], a private face and an original of its person."""
    person: NDArray[np.int64]
    """[G], whose they are."""
    impostor: NDArray[np.float32]
    """[I], a private face and an original of another person."""
    failures: int
    """Drawn genuine pairs that were left out."""
    seed: int
    people: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))
    """[I, 2], whose the two faces of the impostor pairs are; empty where that is not known, as if all were others."""

    def write(self, out: Path) -> None:
        """Keep it in the folder `out`."""
        arrays.write(self, out / FILE)


def draw(
    probes: Embeddings, gallery: Embeddings, source: NDArray[np.int64] | None, *, seed: int, within: bool = False
) -> PairSimilarities:
    """Every genuine pair where there are no more than 200,000, else so many by chance, and as many impostor pairs.

    Args:
        probes: [Q], private faces.
        gallery: [N], originals.
        source: [Q], the original of each that is in no pair with it; None where it may be.
        seed: of the draw.
        within: probes are among the gallery, at `source`: two faces are one pair, whichever is the probe.
    """
    random = np.random.default_rng((seed, 8))
    order = np.argsort(gallery.identity, kind="stable")
    label = gallery.identity[order]
    start = np.searchsorted(label, probes.identity, side="left")
    mates = np.searchsorted(label, probes.identity, side="right") - start
    total = int(mates.sum())
    nth = np.arange(total) if total <= MOST else np.sort(random.choice(total, MOST, replace=False))
    ends = mates.cumsum()
    row = np.searchsorted(ends, nth, side="right")
    column = order[start[row] + nth - (ends - mates)[row]]
    if source is not None:
        other = column != source[row]
        row, column = row[other], column[other]
        if within:
            row, column = _once(row, column, source)
    genuine = _similarity(probes, gallery, row, column)
    lost = np.isnan(genuine)
    cells = len(probes.identity) * len(gallery.identity)
    # without replacement where pairs could repeat often; each counts once, or the rule of 30 would be deceived
    drawn = random.permutation(cells)[:MOST] if cells <= 8 * MOST else random.integers(cells, size=MOST)
    strange = np.divmod(drawn, len(gallery.identity))
    apart = probes.identity[strange[0]] != gallery.identity[strange[1]]
    strange = strange[0][apart], strange[1][apart]
    if within and source is not None:
        strange = _once(*strange, source)
    impostor = _similarity(probes, gallery, *strange)
    seen = ~np.isnan(impostor)
    people = np.stack([probes.identity[strange[0]], gallery.identity[strange[1]]], axis=1)[seen]
    return PairSimilarities(genuine[~lost], probes.identity[row][~lost], impostor[seen], int(lost.sum()), seed, people)


def _once(
    row: NDArray[np.int64], column: NDArray[np.int64], source: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of pairs that are there both ways round, the one whose second face comes later."""
    later = column > source[row]
    return row[later], column[later]


def scores(out: Path, found: SearchResult, on: str) -> list[Score]:
    """EER, AUC, TAR at FAR 1 % and 0.1 %, and D_sys with its value for shuffled labels.

    A genuine pair passes every impostor pair that is as alike, but for rounding.

    Intervals are for people, those of the impostor pairs, too, who set the threshold.

    Raises:
        AttackError: what was kept is missing or damaged.
    """
    drawn = arrays.read(PairSimilarities, out / FILE)
    n = len(drawn.genuine)
    if n < _FEWEST or len(drawn.impostor) < _FEWEST:
        note = f"expected {_FEWEST} pairs of either kind, got {n} genuine and {len(drawn.impostor)} impostor"
        measures = [_EER, _AUC, *map(_tar, RATES), _D_SYS]
        return [Score(measure=measure, on=on, value=None, n=n, note=note) for measure in measures]
    order = np.argsort(drawn.impostor, kind="stable")
    genuine, impostor = drawn.genuine.astype(np.float64), drawn.impostor[order].astype(np.float64)
    alike = d_sys(genuine, impostor), null(genuine, impostor, seed=drawn.seed)
    # as in searches: an impostor that is as alike as a genuine face, but for rounding, counts against the defender
    genuine = genuine + TIE
    people = drawn.people if len(drawn.people) else -1 - np.arange(2 * len(order)).reshape(-1, 2)
    scored = Scored(genuine, drawn.person, impostor, people[order])
    counts = {"n_genuine": float(n), "n_impostor": float(len(impostor)), "failures": float(drawn.failures)}
    pooled = PairScores(np.concatenate([genuine, impostor]), np.arange(n + len(impostor)) < n)
    eer, threshold = equal_error(roc(pooled))
    auc = float((np.searchsorted(impostor, genuine, "left") / len(impostor)).mean())
    equal = None if threshold is None else pair_intervals.equal(scored, threshold, eer)
    told = [
        _score(_EER, on, eer, n, equal, {**counts, "threshold": threshold}, chance=0.5),
        _score(_AUC, on, auc, n, pair_intervals.area(scored), dict(counts), chance=0.5),
    ]
    for rate in RATES:
        allowed = int(rate * len(impostor) + 1e-9)
        if allowed < ERRORS:
            note = (
                f"FAR {rate:g} of {len(impostor):,} impostor pairs is {allowed}; the rule of {ERRORS} asks for {ERRORS}"
            )
            told.append(Score(measure=_tar(rate), on=on, value=None, n=n, chance=rate, note=note))
            continue
        bar = float(impostor[len(impostor) - 1 - allowed])
        hit, bounds = float((genuine > bar).mean()), pair_intervals.accepted(scored, bar, rate)
        told.append(_score(_tar(rate), on, hit, n, bounds, {**counts, "threshold": bar}, chance=rate))
    value, shuffled = alike
    note = "biased upwards: read it beside what shuffled labels give (`null`); it has no interval"
    told.append(
        Score(measure=_D_SYS, on=on, value=value, n=n, chance=shuffled, detail={**counts, "null": shuffled}, note=note)
    )
    return told


def _score(
    measure: Measure,
    on: str,
    value: float,
    n: int,
    interval: Interval | None,
    detail: dict[str, float | None],
    *,
    chance: float,
) -> Score:
    bounds = () if interval is None else (interval,)
    return Score(measure=measure, on=on, value=value, n=n, intervals=bounds, chance=chance, detail=detail)


def _similarity(
    probes: Embeddings, gallery: Embeddings, row: NDArray[np.int64], column: NDArray[np.int64]
) -> NDArray[np.float32]:
    made = np.empty(len(row), np.float32)
    for at in range(0, len(row), 10_000):
        part = slice(at, at + 10_000)
        made[part] = np.einsum("nd,nd->n", probes.vectors[row[part]], gallery.vectors[column[part]])
    return made


def _tar(rate: float) -> Measure:
    says = f"share of pairs of a private face and its person's originals accepted, when {rate:g} of impostor ones are"
    return Measure(name=f"tar@far={rate:g}", side="privacy", better="lower", says=says)


_EER = Measure(
    name="eer",
    side="privacy",
    better="higher",
    says="equal error rate of an attacker who verifies pairs of a private face and an original",
)
_AUC = Measure(
    name="auc",
    side="privacy",
    better="lower",
    says="chance that a genuine pair of private face and original is more alike than an impostor one",
)
_D_SYS = Measure(
    name="d_sys",
    side="privacy",
    better="lower",
    says="global unlinkability: how far mated scores can be told from non-mated ones, 0 to 1",
)
