"""Two runs on the same trials, or several on others: whether a difference is more than chance.

Source: McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12 (1947),
with Edwards' correction for continuity (1948); for people with several probes, a bootstrap over people; for seeds that
differ, Welch, The generalization of 'Student's' problem, Biometrika 34 (1947).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..reports.intervals import cluster_bootstrap
from .samples import Trials

ALPHA = 0.01
"""A difference that chance makes less often than this is one."""
FEW_DISCORDANT = 25
"""With fewer discordant pairs the exact test is used."""
FEW_PEOPLE = 20
"""With fewer people a bootstrap over them is too narrow, and none is made."""
_RESAMPLES = 10_000


class Tested(NamedTuple):
    """What a test found."""

    significant: bool
    says: str
    """Which test, and its result."""


def test(before: Trials, now: Trials) -> Tested | None:
    """Whether two runs differ on the same trials; None where the trials are not the same, or the people too few.

    Pairs, which are independent, are compared by McNemar's test; probes, several of which are of one person, by a
    bootstrap over people.
    """
    if len(before.hit) != len(now.hit) or (before.person is None) != (now.person is None):
        return None
    if before.person is None or now.person is None:
        return mcnemar(int((before.hit & ~now.hit).sum()), int((~before.hit & now.hit).sum()))
    if not np.array_equal(before.person, now.person) or len(np.unique(now.person)) < FEW_PEOPLE:
        return None
    return bootstrap(now.hit.astype(np.float64) - before.hit.astype(np.float64), now.person)


def mcnemar(lost: int, won: int) -> Tested:
    """McNemar's test: exact with fewer than 25 discordant pairs, else chi-square with continuity correction.

    Args:
        lost: trials that came out before and do not now.
        won: trials that come out now and did not before.
    """
    from scipy.stats import binomtest, chi2

    discordant = lost + won
    if discordant < FEW_DISCORDANT:
        kind, p = "exact", float(binomtest(lost, discordant).pvalue) if discordant else 1.0
    else:
        kind, p = "chi-square", float(chi2.sf((abs(lost - won) - 1) ** 2 / discordant, 1))
    return Tested(p < ALPHA, f"McNemar ({kind}) on {lost} lost and {won} won: p = {p:.2g}")


def bootstrap(difference: NDArray[np.float64], person: NDArray[np.int64]) -> Tested:
    """Whether a mean difference per probe is more than chance: its 99 % interval over people does not hold zero.

    Args:
        difference: [N], from -1 to 1.
        person: [N], whose probe it is.
    """
    # the bootstrap takes values from 0 to 1; a mean moves with its values, so its quantiles can be moved back
    moved = cluster_bootstrap((difference + 1) / 2, person, seed=0, resamples=_RESAMPLES, level=1 - ALPHA)
    low, high = 2 * moved.low - 1, 2 * moved.high - 1
    people = len(np.unique(person))
    says = f"paired bootstrap over {people} people: {100 * low:+.2f} to {100 * high:+.2f} pp (99 %)"
    return Tested(not low <= 0 <= high, says)


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
    return Tested(p < ALPHA, f"Welch's test over {told}, p = {p:.2g}")
