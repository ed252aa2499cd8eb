"""Two runs on the same trials, or several on others: whether a difference is more than chance.

Source: McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12 (1947),
with Edwards' correction for continuity (1948); for people with several probes, a bootstrap over people, expanded where
they are few (Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69, 2015); for seeds
that differ, Welch, The generalization of 'Student's' problem, Biometrika 34 (1947).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...reports.statistics.intervals import resampled_means
from .trials import Trials

ALPHA = 0.01
"""A difference that chance makes less often than this is one."""
FEW_DISCORDANT = 25
"""With fewer discordant pairs the exact test is used."""
FEW_PEOPLE = 20
"""With fewer people no bootstrap is made."""
RESAMPLES = 10_000


class Tested(NamedTuple):
    """What a test found."""

    significant: bool
    says: str
    """Which test, and its result."""
    p: float | None = None
    """Two-sided; None where there was no test."""


def test(before: Trials, now: Trials) -> Tested | None:
    """Whether two runs differ on the same trials; None where the trials are not the same, or the people too few.

    Pairs, which are independent, are compared by McNemar's test; probes, several of which are of one person, by a
    bootstrap over people.
    """
    if unlike(before, now):
        return None
    if now.person is None:
        lost, won = int((before.hit & ~now.hit).sum()), int((~before.hit & now.hit).sum())
        return mcnemar(lost, won, spread=max(before.spread, now.spread))
    return bootstrap(now.hit.astype(np.float64) - before.hit.astype(np.float64), now.person)


def unlike(one: Trials, other: Trials) -> str:
    """Why trials cannot be compared one by one; empty where they can."""
    if len(one.hit) != len(other.hit) or (one.person is None) != (other.person is None):
        return f"other trials: {len(one.hit):,} and {len(other.hit):,}"
    if one.person is None or other.person is None:
        return ""
    if not np.array_equal(one.person, other.person):
        return "probes of other people"
    people = len(np.unique(one.person))
    return f"too few people to resample: {people}, expected {FEW_PEOPLE}" if people < FEW_PEOPLE else ""


def mcnemar(lost: int, won: int, *, spread: float = 1.0) -> Tested:
    """McNemar's test: exact with fewer than 25 discordant pairs, else chi-square with continuity correction.

    Args:
        lost: trials that came out before and do not now.
        won: trials that come out now and did not before.
        spread: how many times as large as that of independent trials the variance of the difference is; the normal
            quantile of the p-value is divided by its root.
    """
    from scipy.stats import binomtest, chi2, norm

    discordant = lost + won
    if discordant < FEW_DISCORDANT:
        kind, p = "exact", float(binomtest(lost, discordant).pvalue) if discordant else 1.0
    else:
        kind, p = "chi-square", float(chi2.sf((abs(lost - won) - 1) ** 2 / discordant, 1))
    if spread != 1 and p > 0:
        p = min(1.0, 2 * float(norm.sf(norm.isf(p / 2) / math.sqrt(spread))))
    return Tested(p < ALPHA, f"McNemar ({kind}) on {lost} lost and {won} won: p = {p:.2g}", p)


def bootstrap(difference: NDArray[np.float64], person: NDArray[np.int64]) -> Tested:
    """Whether a mean difference per probe is more than chance: its 99 % interval over people does not hold zero.

    Args:
        difference: [N], from -1 to 1.
        person: [N], whose probe it is.
    """
    means, people = resampled(difference, person), len(np.unique(person))
    low, high = percentiles(means, people, 1 - ALPHA)
    says = f"paired bootstrap over {people} people: {100 * low:+.2f} to {100 * high:+.2f} pp (99 %)"
    return Tested(not low <= 0 <= high, says, two_sided(means, people))


def resampled(difference: NDArray[np.float64], person: NDArray[np.int64]) -> NDArray[np.float64]:
    """[10,000], mean differences of people drawn with replacement; the draw is the same each time."""
    return resampled_means(difference, person, seed=0, resamples=RESAMPLES)


def percentiles(means: NDArray[np.float64], people: int, level: float) -> tuple[float, float]:
    """The interval of resampled differences, expanded.

    Resamples of n people vary by (n - 1) / n less than means of n people do, and their variance is itself an estimate.
    So percentiles are taken farther out, where a normal quantile is Student's of n - 1 times the root of n / (n - 1).

    Source: Hesterberg, The American Statistician 69 (2015).

    Args:
        means: what `resampled` gave.
        people: n, two at least.
        level: of confidence.
    """
    from scipy.stats import norm, t

    tail = float(norm.cdf(t.ppf((1 - level) / 2, people - 1) * math.sqrt(people / (people - 1))))
    low, high = np.quantile(means, [tail, 1 - tail]).tolist()
    return float(low), float(high)


def two_sided(means: NDArray[np.float64], people: int) -> float:
    """P-value of no difference, from resampled differences: one minus the level whose expanded interval ends at zero.

    The share of resamples on the other side of zero (or on it), with one added above and below, so it is never zero,
    is expanded as the interval is, and doubled.

    Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), sections 4.4 and 5.4.
    """
    from scipy.stats import norm, t

    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    normal = norm.ppf((beyond + 1) / (len(means) + 1))
    return min(1.0, 2 * float(t.cdf(normal * math.sqrt((people - 1) / people), people - 1)))


def welch(before: Sequence[float], now: Sequence[float]) -> Tested:
    """Whether the values of some seeds and those of others have different means (Welch 1947).

    Args:
        before: one value a seed, at least two.
        now: likewise.
    """
    from scipy.stats import ttest_ind

    told = f"{len(before)} and {len(now)} seeds"
    if len(set(before)) == len(set(now)) == 1:  # no spread to compare a difference with
        return Tested(before[0] != now[0], f"{told} without any spread")
    p = float(ttest_ind(before, now, equal_var=False).pvalue)
    return Tested(p < ALPHA, f"Welch's test over {told}, p = {p:.2g}", p)
