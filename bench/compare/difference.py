"""The difference of two methods in one number, with its interval and p-value, for one seed and over several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, variance

import numpy as np
from numpy.typing import NDArray

from ...reports.result.record import Score
from ...reports.statistics.differences import LEVEL, reach
from . import paired_tests
from .trials import Trials


@dataclass(frozen=True)
class Difference:
    """How much larger a number of the first method is than the second's."""

    value: float
    low: float | None
    high: float | None
    """Ends of the interval (95 %); None where there is none."""
    p: float | None
    """Two-sided, of no difference; None where nothing was tested."""
    how: str
    """Which test, or why there was none."""
    trials: NDArray[np.float64] | None = None
    """[N], from -1 to 1, of every pair, which are the same in all seeds; None of probes, which are not."""
    variance: float | None = None
    """Of `value`, by resampling people."""
    spread: float = 1.0
    """How many times the variance of independent pairs that of `trials` is."""


def of_seed(first: Score, second: Score, trials: tuple[Trials | None, Trials | None]) -> Difference:
    """Two runs of one seed compared: on the same trials where both have them, else by their intervals, without a test.

    Pairs are compared by McNemar's test, with the interval of Agresti and Min (Statistics in Medicine 24, 2005); probes
    by a bootstrap over people, which gives interval and p-value.

    Args:
        first: with a value.
        second: likewise, of the same measure on the same.
        trials: of both, where they are kept.
    """
    one, other = trials
    problem = "no trials in the store" if one is None or other is None else paired_tests.unlike(one, other)
    if one is None or other is None or problem:
        return _by_intervals(first, second, f"no test, {problem}")
    steps = one.hit.astype(np.float64) - other.hit
    value = float(steps.mean())
    if one.person is None:
        spread = max(one.spread, other.spread)
        tested = paired_tests.mcnemar(int((steps < 0).sum()), int((steps > 0).sum()), spread=spread)
        middle, half = _smoothed(steps), NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(spread * _variance(steps))
        return Difference(
            value, middle - half, middle + half, tested.p, tested.says.partition(":")[0], steps, spread=spread
        )
    means, people = paired_tests.resampled(steps, one.person), len(np.unique(one.person))
    low, high = paired_tests.percentiles(means, people, LEVEL)
    p, how = paired_tests.two_sided(means, people), f"bootstrap over {people:,} people"
    if (steps == steps[0]).all():  # as is every resample
        apart = _by_intervals(first, second, how)
        return Difference(value, apart.low, apart.high, p, how, variance=0.0)
    return Difference(value, low, high, p, how, variance=float(means.var()) * people / (people - 1))


def _by_intervals(first: Score, second: Score, how: str) -> Difference:
    """The difference of two values with the interval that their own intervals give, as if independent."""
    one, two = first.value or 0.0, second.value or 0.0
    if not first.intervals or not second.intervals:
        return Difference(one - two, None, None, None, how)
    down, up = reach(one, first.intervals[0], two, second.intervals[0])
    return Difference(one - two, one - two - down, one - two + up, None, how)


def _smoothed(steps: NDArray[np.float64]) -> float:
    """The mean difference as if two more pairs had been seen, one lost by half and one won by half."""
    return float(steps.sum()) / (len(steps) + 2)


def _variance(steps: NDArray[np.float64]) -> float:
    """Of the mean difference over pairs, with as many pairs added as `_smoothed` adds, so that it is never zero."""
    n = len(steps) + 2
    return (float((steps**2).sum()) + 1 - float(steps.sum()) ** 2 / n) / n**2


def over_seeds(found: Sequence[Difference]) -> Difference:
    """Several seeds as one: the mean of their differences, with interval and p-value by Student's t.

    The mean varies with the trials and with the seeds, and both are added. The trials' part is, of pairs, that of
    each pair's mean over seeds, since all seeds are put to the same pairs; of probes, the mean of the seeds' own, since
    every seed has people of its own. The seeds' part is the variance between their differences, in which some of the
    trials' is contained once more: the sum is rather too large. Degrees of freedom are one less than seeds: two or
    three that agree by luck say little of the next, and Satterthwaite's, which rise then, call chance a difference.

    Where a seed has no trials, the ends of the intervals are averaged, as if they rose and fell together, and nothing
    is tested: what is told of several seeds does not rest on some of them.

    Args:
        found: one a seed, at least one.
    """
    if len(found) == 1:
        return found[0]
    middle = fmean(each.value for each in found)
    lows = [each.low for each in found if each.low is not None]
    highs = [each.high for each in found if each.high is not None]
    low, high = (fmean(lows), fmean(highs)) if len(lows) == len(highs) == len(found) else (None, None)
    untested = [each.how for each in found if each.p is None]
    if untested:
        some = f", {len(untested)} of {len(found)} seeds" if len(untested) < len(found) else ""
        return Difference(middle, low, high, None, untested[0] + some)
    between = variance([each.value for each in found]) / len(found)
    total = between + _within(found)
    told = f"t over {len(found)} seeds"
    if total <= 0:  # every probe of every seed alike: there is nothing to divide by
        return Difference(middle, low, high, max(each.p for each in found if each.p is not None), told)
    from scipy.stats import t

    freedom = len(found) - 1
    half = float(t.ppf((1 + LEVEL) / 2, freedom)) * math.sqrt(total)
    p = float(2 * t.sf(abs(middle) / math.sqrt(total), freedom))
    return Difference(middle, max(-1.0, middle - half), min(1.0, middle + half), p, told)


def _within(seeds: Sequence[Difference]) -> float:
    """The trials' part of the variance of a mean over seeds."""
    steps = [each.trials for each in seeds if each.trials is not None]
    if len(steps) == len(seeds):
        mean: NDArray[np.float64] = np.mean(steps, axis=0)
        return max(each.spread for each in seeds) * _variance(mean)
    return sum(each.variance or 0.0 for each in seeds) / len(seeds) ** 2
