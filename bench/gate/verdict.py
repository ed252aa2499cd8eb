"""One number against the same number of the baseline: what has become of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from ...reports.result.record import RunRecord, Score
from ..compare import paired_tests
from ..compare.paired_tests import Tested
from ..compare.trials import Trials
from .baseline import BaselineScore, Gated

Verdict = Literal["not-comparable", "not-measured", "regressed", "beyond-limit", "improved", "ok"]
_ROUNDING = 1e-9
_SEEDS = 3
"""So many on either side say what seeds differ by."""
_WIDEN = 3.29 / 1.96
"""From a normal interval of 95 % to one of 99.9 %."""


@dataclass(frozen=True)
class Finding:
    """The verdict on one number, with what it rests on."""

    method: str
    seeds: str
    measure: str
    on: str
    verdict: Verdict
    why: str
    before: float | None = None
    now: float | None = None
    tolerance: float | None = None
    unit: str = "share"

    @property
    def change(self) -> float | None:
        """From the baseline to now."""
        return None if self.before is None or self.now is None else self.now - self.before


def unmeasured(record: RunRecord, score: Score | None, gated: Gated, waived: Sequence[str], on: str) -> str:
    """Why a record has no number that can be relied on; empty where it has one."""
    if score is None:
        return record.not_run.get(on, "") or "the record has no such score"
    if record.unreliable:
        return f"the record was marked as unreliable: {record.unreliable}"
    failed = [
        f"{check.name}: {check.says}"
        for check in record.checks
        if not check.passed and check.name not in waived and check.guards in (gated.side, "run")
    ]
    if failed:
        return "a sanity bound failed, so the number is not to be relied on: " + "; ".join(failed)
    if score.value is None or score.n == 0:
        return score.note or "the score has no value"
    return ""


def verdict_of(
    gated: Gated,
    before: Sequence[BaselineScore],
    now: Sequence[Score],
    trials: tuple[Trials, Trials] | None = None,
    *,
    other_seeds: bool = False,
    trained: Sequence[float] = (),
) -> tuple[Verdict, str]:
    """The verdict on measured numbers and what it rests on.

    A change counts where it is larger than the tolerance and more than chance: by a test on the same trials where
    both sides have them, else where the intervals do not overlap. A measure without intervals is judged by its
    tolerance alone.

    Other seeds are other people and other trainings, which an interval over trials does not hold. Where both sides have
    three seeds or more, what seeds differ by is known, and Welch's test on their values decides, at 1 %. With
    fewer, the means are compared, and the intervals, from the lowest bound of a seed to the highest of another, are
    widened from 95 to 99.9 %.

    Equal seeds are equal people and equal pairs, and the tests know these. What training once more changes they do not
    know: a change that is more than chance has to be more than the baseline's own seeds differ by, too, where it has
    three; where it has fewer, the verdict says that it needs more seeds.

    Args:
        gated: the measure.
        before: of the baseline, one a seed.
        now: of records, measured; one a seed.
        trials: of before and now, where both are one seed and the same.
        other_seeds: whether no seed is in both.
        trained: the baseline's values of all seeds of the method.
    """
    change = _mean(now) - fmean(kept.value for kept in before)
    worse = -change if gated.better == "higher" else change
    if abs(worse) <= gated.tolerance + _ROUNDING:
        return "ok", "within the tolerance"
    if other_seeds and min(len(before), len(now)) >= _SEEDS:
        tested = paired_tests.welch([kept.value for kept in before], [s.value for s in now if s.value is not None])
    else:
        tested = (trials and paired_tests.test(*trials)) or _apart(before, now, widen=_WIDEN if other_seeds else 1.0)
    if not tested.significant:
        return "ok", f"no more than chance: {tested.says}"
    says = tested.says
    if not other_seeds:
        reach = training(trained)
        if reach is not None and abs(change) <= reach:
            return "ok", f"no more than {len(trained)} seeds of the baseline differ by (99 %): {100 * reach:.1f} pp"
        if reach is None:
            says += f"; needs more seeds: of {max(1, len(trained))} nothing tells what training once more would change"
    return ("regressed" if worse > 0 else "improved"), says


def training(values: Sequence[float]) -> float | None:
    """How far two trainings differ, 99 % of the time, by what some seeds differ by; None of fewer than three.

    Seeds differ by their people, too, which equal seeds do not, so it is rather too far.
    """
    if len(values) < _SEEDS:
        return None
    from scipy.special import stdtrit

    return float(stdtrit(len(values) - 1, 1 - paired_tests.ALPHA / 2)) * math.sqrt(2) * stdev(values)


def _mean(scores: Sequence[Score]) -> float:
    return fmean(score.value for score in scores if score.value is not None)


def _apart(before: Sequence[BaselineScore], now: Sequence[Score], *, widen: float) -> Tested:
    """Whether intervals, each widened around its value, do not overlap."""
    old = [_wider(kept.value, kept.interval, widen) for kept in before if kept.interval]
    new = [
        _wider(score.value, (score.intervals[0].low, score.intervals[0].high), widen)
        for score in now
        if score.intervals and score.value is not None
    ]
    if len(old) < len(before) or len(new) < len(now):
        return Tested(True, "there are no intervals, so by the tolerance alone")
    (low, high), (lowest, highest) = (_hull(old), _hull(new))
    apart = highest < low or high < lowest
    says = f"[{low:.3g}, {high:.3g}] and [{lowest:.3g}, {highest:.3g}] " + ("are apart" if apart else "overlap")
    return Tested(apart, f"unpaired: the intervals {says}")


def _wider(value: float, bounds: tuple[float, float], widen: float) -> tuple[float, float]:
    return value - widen * (value - bounds[0]), value + widen * (bounds[1] - value)


def _hull(bounds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return min(low for low, _ in bounds), max(high for _, high in bounds)
