"""Intervals for shares: Wilson's, Wilson's over people, and a bootstrap that resamples people."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..result.record import Interval

_FEW = 10
"""With a hit, or a miss, in fewer clusters, the interval is no narrower than Wilson's over trials."""
_LEAST_FREEDOM = 4.0
"""Fewer degrees of freedom are not taken: of one person who is found they would say that everybody may be."""
BY_PEOPLE = "wilson over people"
FEW_HITS = "wilson over people or over trials, the wider"
BY_CLUSTERS = "cluster-bootstrap"
OLDER = frozenset({BY_CLUSTERS, "cluster-bootstrap or wilson, the wider"})
"""Kinds that resample people, which older records have in the place of these."""
_AT_ONCE = 500_000
"""So many draws are held in memory at once."""


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval for a share of independent trials.

    Source: Wilson, Probable inference, JASA 22 (1927).

    Raises:
        ValueError: unless 0 <= successes <= n and n > 0, and 0 < level < 1.
    """
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"wilson: expected 0 <= successes <= n and n > 0, got {successes} of {n}")
    _check(level, "wilson")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, weight = successes / n, z * z / n
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low=low, high=high, level=level, kind="wilson")


def cluster_bootstrap(
    values: NDArray[np.float64],
    clusters: NDArray[np.int64],
    *,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Percentile interval for the mean of values that come in clusters, such as the probes of one person.

    Whole clusters are drawn with replacement and their values pooled, so a person with many probes weighs more,
    as in the mean itself. With fewer than some 20 clusters it is too narrow, as every percentile bootstrap is.

    Args:
        values: [N], in [0, 1].
        clusters: [N], which values belong together.
        seed: of the resampling.
        resamples: how many.
        level: of confidence.

    Raises:
        ValueError: no values, shapes that differ, values outside [0, 1], or a level or count out of range.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values) or np.shape(clusters) != values.shape:
        raise ValueError(
            "cluster bootstrap: expected values [N] and clusters [N], N > 0, "
            f"got {values.shape} and {np.shape(clusters)}"
        )
    if not ((values >= 0) & (values <= 1)).all():  # NaN fails it, too
        raise ValueError("cluster bootstrap: expected values from 0 to 1, got others or NaN")
    _check(level, "cluster bootstrap")
    means = resampled_means(values, clusters, seed=seed, resamples=resamples)
    # sums of floats may leave [0, 1] by a rounding error
    low, high = np.clip(np.quantile(means, [(1 - level) / 2, (1 + level) / 2]), 0, 1).tolist()
    return Interval(low=low, high=high, level=level, kind=BY_CLUSTERS)


def resampled_means(
    values: NDArray[np.float64], clusters: NDArray[np.int64], *, seed: int, resamples: int
) -> NDArray[np.float64]:
    """[resamples], the mean of the values of as many clusters as there are, drawn with replacement.

    Raises:
        ValueError: a count out of range.
    """
    if resamples < 1:
        raise ValueError(f"cluster bootstrap: expected at least 1 resample, got {resamples}")
    _, place = np.unique(clusters, return_inverse=True)
    sums, sizes = np.bincount(place, weights=values), np.bincount(place).astype(np.float64)
    random, people = np.random.default_rng(seed), len(sums)
    means = np.empty(resamples)
    rows = max(1, _AT_ONCE // people)
    for start in range(0, resamples, rows):
        drawn = random.integers(people, size=(min(rows, resamples - start), people))
        means[start : start + rows] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return means


class Spread(NamedTuple):
    """How a mean over clusters varies from sample to sample, to first order."""

    mean: float
    error: float
    """Its standard deviation."""
    people: float
    """How many clusters effectively carry the error: all of them where they are alike, one where a single one does."""
    skewed: float
    """The sign tells on which side a cluster may lie far out: above the mean, or below it."""
    clusters: int


def spread(values: NDArray[np.float64], clusters: NDArray[np.int64]) -> Spread:
    """The linearised error of a mean over all values, which come in clusters of unequal size.

    Of cluster i with n values of the sum h, the residual is e = h - mean * n; the mean of all varies as their sum does.
    A large cluster draws the mean to itself, so its residual is taken to the mean of the others, as the jackknife does.

    Source: Cochran, Sampling Techniques (1977), ratio estimates; the effective number is Simpson's, of the shares of
    the squared residuals.

    Args:
        values: [N], at least one.
        clusters: [N], which belong together.
    """
    _, place = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(place).astype(np.float64)
    mean = float(values.mean())
    residual = (np.bincount(place, weights=values) - mean * sizes) / np.maximum(1 - sizes / len(values), 0.5)
    count, square = len(sizes), float((residual**2).sum())
    if count < 2 or square <= 1e-18 * len(values):
        return Spread(mean, 0.0, float(count), 0.0, count)
    error = math.sqrt(count / (count - 1) * square) / len(values)
    return Spread(mean, error, square**2 / float((residual**4).sum()), float((residual**3).sum()), count)


def over_people(found: Spread, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share with the error that it has over people.

    Wilson's formula takes the number of independent trials that would have the same error, and quantiles of Student's t
    in the place of normal ones, of one degree of freedom less than people. On the side to which the people are skewed
    (above, where few people bring most of the hits) a sample that lacks such people shows too small a mean, and too
    small an error with it: there, degrees of freedom are the effective number of people that carry the error, and not
    fewer than four. So the truth lies above the interval about as seldom as below it.

    Source: Korn and Graubard, Confidence intervals for proportions with small expected number of positive counts,
    Survey Methodology 24 (1998), with Wilson's interval in the place of the exact one; the two quantiles are ours, and
    chosen by simulation (`reports/statistics/coverage.py`).

    Args:
        found: of a mean between 0 and 1, with an error above 0.
        level: of confidence.
    """
    from scipy.special import stdtrit

    tail, mean = (1 + level) / 2, found.mean
    trials = mean * (1 - mean) / found.error**2
    most = found.clusters - 1
    heavy = min(max(found.people, _LEAST_FREEDOM), most)
    ends = []
    for side, freedom in ((-1, heavy if found.skewed < 0 else most), (1, heavy if found.skewed > 0 else most)):
        quantile = float(stdtrit(freedom, tail))
        weight = quantile * quantile / trials
        half = quantile * math.sqrt(mean * (1 - mean) / trials + weight / (4 * trials))
        ends.append((mean + weight / 2 + side * half) / (1 + weight))
    return max(0.0, ends[0]), min(1.0, ends[1])


def clustered(values: NDArray[Any], clusters: NDArray[np.int64], level: float = 0.95) -> tuple[Interval, ...]:
    """Intervals for the mean of values that come in clusters: over clusters; for hits, Wilson's over trials beside it.

    Wilson's stands alone where clusters do not vary: no hit, nothing but hits, or one cluster. Where fewer than ten
    clusters have a hit, or a miss, the first reaches as far as either.

    Args:
        values: [N], at least one, from 0 to 1, or hits.
        clusters: [N], which belong together.
        level: of confidence.
    """
    values = np.asarray(values, np.float64)
    n, total = len(values), float(values.sum())
    plain = (wilson(round(total), n, level),) if np.isin(values, (0, 1)).all() else ()
    found = spread(values, clusters)
    if not found.error or not 0 < found.mean < 1:
        return plain
    low, high = over_people(found, level)
    made = Interval(low=low, high=high, level=level, kind=BY_PEOPLE)
    if plain and min(len(np.unique(clusters[values == one])) for one in (0, 1)) < _FEW:
        low, high = min(low, plain[0].low), max(high, plain[0].high)
        made = made.model_copy(update={"low": low, "high": high, "kind": FEW_HITS})
    return (made, *plain)


def _check(level: float, what: str) -> None:
    if not 0 < level < 1:
        raise ValueError(f"{what}: expected a level between 0 and 1, got {level}")
