"""Global unlinkability D_sys: how far the scores of mated pairs can be told from those of non-mated ones.

Source: Gomez-Barrero, Galbally, Rathgeb and Busch, General framework to evaluate unlinkability in biometric template
protection systems, IEEE TIFS 2018, with prior odds of 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_PERMUTATIONS = 5


def d_sys(mated: Floats, non_mated: Floats) -> float:
    """From 0, nothing can be told, to 1, everything.

    A bin whose mated density p_m is below the non-mated p_nm counts nothing, one without non-mated scores fully, and
    between them 2 LR / (1 + LR) - 1 with LR = p_m / p_nm. Densities are histograms of min(n_mated / 10, 100) bins
    over the joint range. Biased upwards where scores are few: read it beside `null`.

    Raises:
        ValueError: fewer than 10 mated scores, no non-mated one, or scores that are not finite.
    """
    if len(mated) < 10 or not len(non_mated) or not (np.isfinite(mated).all() and np.isfinite(non_mated).all()):
        raise ValueError(
            f"D_sys: expected finite scores, 10 mated and 1 non-mated at least, got {len(mated)} and {len(non_mated)}"
        )
    low, high = float(min(mated.min(), non_mated.min())), float(max(mated.max(), non_mated.max()))
    if low == high:  # all pairs are alike: nothing to tell them by
        return 0.0
    bins = np.linspace(low, high, min(len(mated) // 10, 100) + 1)
    p = np.histogram(mated, bins)[0] / len(mated)
    q = np.histogram(non_mated, bins)[0] / len(non_mated)
    # with D = 2 LR / (1 + LR) - 1 = (p - q) / (p + q), which is 1 where q = 0 < p
    told = np.divide(p - q, p + q, out=np.zeros_like(p), where=p > q)
    return float((p * told).sum())


def null(mated: Floats, non_mated: Floats, *, seed: int) -> float:
    """What `d_sys` gives for as many scores whose labels were shuffled: its bias, mean over five shuffles."""
    random, pooled = np.random.default_rng(seed), np.concatenate([mated, non_mated])
    values = []
    for _ in range(_PERMUTATIONS):
        shuffled = random.permutation(pooled)
        values.append(d_sys(shuffled[: len(mated)], shuffled[len(mated) :]))
    return float(np.mean(values))
