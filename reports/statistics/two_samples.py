"""An interval for how well two groups of people are told apart: the people of both are a sample, not of one alone.

Source: the two-sample bootstrap, Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 8.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..result.record import Interval

RESAMPLES = 1000
KIND = "cluster-bootstrap of both groups"

Weights = NDArray[np.int64]


def interval(
    statistic: Callable[[Weights, Weights], float],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    *,
    seed: int,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic, people of each group drawn anew, with replacement and all their photos.

    Args:
        statistic: of how often each photo of the first group, [M], and of the second, [S], was drawn.
        first: [M], whose photos the first group's are.
        second: [S], whose the second's are.
        seed: of the resampling.
        level: of confidence.
    """
    random = np.random.default_rng(seed)
    groups = [np.unique(person, return_inverse=True) for person in (first, second)]

    def drawn() -> list[Weights]:
        counts = [np.bincount(random.integers(len(p), size=len(p)), minlength=len(p)) for p, _ in groups]
        return [count[place] for count, (_, place) in zip(counts, groups, strict=True)]

    values = [statistic(*drawn()) for _ in range(RESAMPLES)]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(low=low, high=high, level=level, kind=KIND)
