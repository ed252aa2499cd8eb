"""What is found by drawing from the gallery without looking, and of a rank in a smaller gallery."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def chance_of_identity(gallery: int, mates: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """[Q], chance that k of `gallery` images drawn without looking hold a mate: 1 - C(N - m, k) / C(N, k)."""
    missed = np.ones(len(mates))
    for drawn in range(k):
        missed *= np.maximum(gallery - mates - drawn, 0) / (gallery - drawn)
    return 1 - missed


def keeps_first(n: int, rank: int, size: int) -> float:
    """Chance that the best mate of a rank in a gallery of `n` comes first among `size` of them that hold it."""
    if size == 1:
        return 1.0
    if n - rank < size - 1:
        return 0.0
    log = math.lgamma(n - rank + 1) - math.lgamma(n - rank - size + 2)
    return math.exp(log - math.lgamma(n) + math.lgamma(n - size + 1))
