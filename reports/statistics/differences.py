"""Intervals for two shares compared: their difference, and the ratio of two errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ..result.record import Interval
from .intervals import wilson

LEVEL = 0.95
SEEDS = {"better": 2, "claim": 3}
"""So many seeds a verdict takes: training once more changes accuracy by more than another set of pairs would."""


def needs_more_seeds(seeds: int, verdict: str) -> str:
    """Why so many seeds decide nothing; empty where they are enough.

    Args:
        seeds: that both sides have.
        verdict: which is asked for, one of `SEEDS`.
    """
    least = SEEDS[verdict]
    return "" if seeds >= least else f"needs more seeds: {seeds} of at least {least}"


def newcombe(first: float, second: float, n: int) -> Interval:
    """Interval for the difference of two shares of n trials each, from Wilson's for either, as if independent.

    Shares of the same trials mostly rise and fall together; for them it is rather too wide.

    Source: Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine
    17 (1998), method 10.

    Args:
        first: successes, maybe a mean of several counts; rounded for Wilson's interval.
        second: likewise.
        n: trials.

    Raises:
        ValueError: successes below 0 or above n, or no trial.
    """
    counts = round(first), round(second)
    one, two = (wilson(count, n, LEVEL) for count in counts)
    down, up = reach(counts[0] / n, one, counts[1] / n, two)
    difference = (first - second) / n
    return Interval(low=max(-1.0, difference - down), high=min(1.0, difference + up), level=LEVEL, kind="newcombe")


def reach(first: float, one: Interval, second: float, two: Interval) -> tuple[float, float]:
    """How far below and above the difference of two values its interval reaches, from the interval of either.

    The two are taken for independent; what each reaches on a side is its spread on that side, so neither interval
    need be symmetric. Newcombe's interval is this one with Wilson's.

    Source: Zou and Donner, Construction of confidence limits about effect measures, Statistics in Medicine 27 (2008).
    """
    return math.hypot(first - one.low, two.high - second), math.hypot(one.high - first, second - two.low)


def over_seeds(values: Sequence[float], intervals: Sequence[Interval | None], *, shared: bool) -> Interval | None:
    """The interval (95 %) of a mean over seeds; None where a seed has none.

    Of one seed it is that seed's own. Of several, what seeds differ by (Student's t) and what trials do are added, as
    for independent errors. The trials' part is the mean of the seeds' own; of probes, of which every seed has other
    ones, it is less by the root of seeds.

    Args:
        values: one a seed, at least one.
        intervals: of each.
        shared: whether all seeds are put to the same trials, as to the pairs of a verification set.
    """
    known = [interval for interval in intervals if interval is not None]
    if len(known) < len(values):
        return None
    if len(values) == 1:
        return known[0]
    from scipy.special import stdtrit

    n, mean = len(values), math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
    seeds, root = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * spread, 1.0 if shared else math.sqrt(n)
    down, up = (
        math.hypot(seeds, math.fsum(reached) / n / root)
        for reached in zip(*((v - i.low, i.high - v) for v, i in zip(values, known, strict=True)), strict=True)
    )
    return Interval(low=mean - down, high=mean + up, level=LEVEL, kind=f"trials and t over {n} seeds")


class Errors(NamedTuple):
    """What a recognizer gets wrong on one verification set."""

    shares: tuple[float, ...]
    """One a seed."""
    n: int
    """Pairs in the set."""


def error_ratio(first: Sequence[Errors], second: Sequence[Errors]) -> tuple[float, Interval] | None:
    """How many times the errors of `second` does `first` make, and an interval (95 %); None where one makes none.

    Of several sets it is the ratio of the mean errors over sets; of several seeds, the geometric mean of the seeds'
    ratios. The logarithm of the ratio varies with the pairs and with the seeds, and both are added. The pairs' part
    is that of two independent samples, by the delta method: the same pairs are put to both, and pairs that are hard
    for one are hard for the other, so it is rather too wide. It is not divided by the number of seeds, because all
    seeds are put to the same pairs. The seeds' part is that of paired differences, with Student's t; degrees of
    freedom of the sum are Welch's and Satterthwaite's, and of two seeds one: two that agree by luck would give many,
    and an interval that covers too seldom. With one seed there is the pairs' part alone.

    Source: Katz et al., Obtaining confidence intervals for the risk ratio, Biometrics 34 (1978); Satterthwaite, An
    approximate distribution of estimates of variance components, Biometrics Bulletin 2 (1946).

    Args:
        first: one a verification set, with as many seeds each.
        second: of the same sets and seeds, in the same order.
    """
    from scipy.special import ndtri, stdtrit

    means = [[math.fsum(seed) / len(sets) for seed in zip(*(s.shares for s in sets), strict=True)]
             for sets in (first, second)]  # fmt: skip
    if any(error <= 0 for errors in means for error in errors):
        return None
    logs = [math.log(one / two) for one, two in zip(*means, strict=True)]
    seeds, middle = len(logs), math.fsum(logs) / len(logs)
    pairs = sum(_relative_variance(sets) for sets in (first, second))
    spread = math.fsum((log - middle) ** 2 for log in logs) / (seeds - 1) / seeds if seeds > 1 else 0.0
    tail = (1 + LEVEL) / 2
    if seeds == 2:
        quantile = stdtrit(1, tail)
    else:
        quantile = stdtrit((spread + pairs) ** 2 * (seeds - 1) / spread**2, tail) if spread > 0 else ndtri(tail)
    half = float(quantile) * math.sqrt(spread + pairs)
    kind = "delta method over pairs" + (f", t over {seeds} paired seeds" if seeds > 1 else "")
    return math.exp(middle), Interval(low=math.exp(middle - half), high=math.exp(middle + half), level=LEVEL, kind=kind)


def _relative_variance(sets: Sequence[Errors]) -> float:
    """Variance of the logarithm of a mean error that comes from the pairs of one seed."""
    errors = [math.fsum(s.shares) / len(s.shares) for s in sets]
    variance = math.fsum(e * (1 - e) / s.n for e, s in zip(errors, sets, strict=True)) / len(sets) ** 2
    return variance / (math.fsum(errors) / len(sets)) ** 2
