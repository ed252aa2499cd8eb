"""Intervals for shares: Wilson's, and a bootstrap that resamples people."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .record import Interval

_FEW = 10
"""With a hit, or a miss, in fewer clusters the bootstrap alone is not relied on."""
BY_CLUSTERS = "cluster-bootstrap"
FEW_HITS = "cluster-bootstrap or wilson, the wider"
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


def clustered(values: NDArray[Any], clusters: NDArray[np.int64], *, seed: int) -> tuple[Interval, ...]:
    """Intervals for the mean of values that come in clusters: by clusters first, Wilson's beside it for hits.

    Wilson's stands alone where every resample would be the same: no hit, nothing but hits, or one cluster. Where fewer
    than ten clusters have a hit, or a miss, the first reaches as far as either: the bootstrap knows no clusters but
    those that it saw, and of rare hits its upper end lies below the truth far more often than it says.

    Args:
        values: [N], at least one, from 0 to 1, or hits.
        clusters: [N], which belong together.
        seed: of the resampling.
    """
    values = np.asarray(values, np.float64)
    n, total = len(values), float(values.sum())
    plain = (wilson(round(total), n),) if np.isin(values, (0, 1)).all() else ()
    if total in (0, n) or (clusters == clusters[0]).all():
        return plain
    made = cluster_bootstrap(values, clusters, seed=seed)
    if plain and min(len(np.unique(clusters[values == one])) for one in (0, 1)) < _FEW:
        low, high = min(made.low, plain[0].low), max(made.high, plain[0].high)
        made = made.model_copy(update={"low": low, "high": high, "kind": FEW_HITS})
    return (made, *plain)


def _check(level: float, what: str) -> None:
    if not 0 < level < 1:
        raise ValueError(f"{what}: expected a level between 0 and 1, got {level}")
