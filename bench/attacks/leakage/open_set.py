"""Open-set search: the attacker does not know whether the person behind a private face is in the gallery at all.

Source: ISO/IEC 19795-1; a non-mate search that returns a candidate is a false positive identification (FPIR), a mate
search whose mate is not the first candidate, or not similar enough, a false negative one (FNIR). Detection and
identification rate: DIR = 1 - FNIR at rank 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....reports.result.record import Measure, Score
from ....reports.statistics.intervals import clustered
from ...biometrics.embeddings import Embeddings
from ...biometrics.matching import ERRORS
from ...biometrics.roc import thresholds
from . import arrays
from .control import reason
from .leak_at_k import SearchResult

FILE = "strangers.npz"
WITH_THRESHOLD = "over people, and of the threshold"
RATES = (0.01, 0.1)
"""False positive identification rates at which people are to be found."""


@dataclass(frozen=True)
class NonMateSearches:
    """What a search for hold-out people, who have no mate, returned."""

    similarity: NDArray[np.float32]
    """[S], of the best candidate; NaN where the recognizer failed on the probe, which returns none."""

    def write(self, out: Path) -> None:
        """Keep it in the folder `out`."""
        arrays.write(self, out / FILE)


def strangers(probes: Embeddings, gallery: Embeddings) -> NonMateSearches:
    """Search private faces of hold-out people among the originals of others.

    Args:
        probes: [S], private faces of role H.
        gallery: originals of role P.
    """
    from ...biometrics.nearest import nearest

    return NonMateSearches(nearest(probes, gallery))


def scores(out: Path, found: SearchResult, on: str) -> list[Score]:
    """DIR at an FPIR of 1 % and of 10 %: released faces whose person is the first candidate, above the threshold.

    The threshold is the highest similarity of a stranger that has to be refused, so that no more than the rate lie
    above it; nothing is interpolated. The interval is for the people of the probes, and for the strangers who set the
    threshold, as independent searches. Absent where the rate allows no stranger; fewer than 30 are told.

    Raises:
        AttackError: what was kept is missing or damaged.
    """
    why = reason(out)
    similarity = np.empty(0, np.float32) if why else arrays.read(NonMateSearches, out / FILE).similarity
    return [_at(rate, similarity, why, found, on) for rate in RATES]


def _at(rate: float, strangers: NDArray[np.float32], why: str, found: SearchResult, on: str) -> Score:
    measure = Measure(
        name=f"dir@fpir={rate:g}",
        side="privacy",
        better="lower",
        says=f"share of private faces whose person is detected and identified, when {rate:.0%} of strangers are",
    )
    q, searches = len(found.identity), len(strangers)
    allowed = int(rate * searches + 1e-9)
    detail: dict[str, float | None] = {"non_mate_searches": searches, "false_positives_allowed": allowed}
    if why or allowed < 1:
        why = why or f"FPIR {rate:g} of {searches:,} non-mate searches allows no false positive; hold out more people"
        return Score(measure=measure, on=on, value=None, n=q, detail={} if not searches else detail, note=why)
    ordered = np.sort(np.where(np.isnan(strangers), -np.inf, strangers))[::-1]
    threshold = ordered[allowed]
    with np.errstate(invalid="ignore"):
        hit = (found.identity == 1) & (found.own > threshold)
    few = allowed < ERRORS
    value = float(hit.mean())
    own = clustered(hit, found.person)[0]
    with np.errstate(invalid="ignore"):
        ends = [float(((found.identity == 1) & (found.own > bar)).mean()) for bar in thresholds(ordered[::-1], allowed)]
    interval = own.model_copy(
        update={
            "low": max(0.0, value - math.hypot(value - own.low, value - ends[1])),
            "high": min(1.0, value + math.hypot(own.high - value, ends[0] - value)),
            "kind": WITH_THRESHOLD,
        }
    )
    return Score(
        measure=measure,
        on=on,
        value=value,
        n=q,
        intervals=(interval,),
        detail={**detail, "threshold": float(threshold) if np.isfinite(threshold) else None},
        note=f"the threshold rests on {allowed} false positives; the rule of {ERRORS} asks for {ERRORS}" if few else "",
    )
