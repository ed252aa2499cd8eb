"""Intervals for shares: Wilson's, and a bootstrap that resamples people."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from .record import Interval


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval for a share of independent trials.

    Source: Wilson, Probable inference, JASA 22 (1927).

    Raises:
        ValueError: unless 0 <= successes <= n and n > 0.
    """
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"wilson: expected 0 <= successes <= n and n > 0, got {successes} of {n}")
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

    Args:
        values: [N], in [0, 1].
        clusters: [N], which values belong together; whole clusters are resampled with replacement.
        seed: of the resampling.
        resamples: how many.
        level: of confidence.
    """
    _, place = np.unique(clusters, return_inverse=True)
    sums = np.bincount(place, weights=np.asarray(values, dtype=np.float64))
    sizes = np.bincount(place).astype(np.float64)
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    for start in range(0, resamples, 100):  # bounds memory at 100 rows
        rows = min(100, resamples - start)
        drawn = random.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=rows)
        means[start : start + rows] = (drawn @ sums) / (drawn @ sizes)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(
        low=float(np.clip(low, 0, 1)), high=float(np.clip(high, 0, 1)), level=level, kind="cluster-bootstrap"
    )
