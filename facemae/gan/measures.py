"""Measures of generated faces: how much they differ, whether people stay themselves, how near they are to real ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

FAR = 0.01
"""False accept rate at which consistency is stated."""
_SIDE = 28


class Variety(NamedTuple):
    """How much pictures differ: mean distance of two, in grey levels (root mean square over pixels, at 28 pixels)."""

    within: float
    """Of one person."""
    between: float
    """Of two people."""


def variety(images: Tensor, people: NDArray[np.int64]) -> Variety:
    """Measure variety in pixels, where a recognizer that learned to overlook pose and light cannot hide it.

    Args:
        images: uint8 [N, 3, H, W].
        people: [N], who is shown.

    Returns:
        NaN where no person, or no two people, are shown twice.
    """
    small = avg_pool2d(images.float(), images.shape[2] // _SIDE).flatten(1)
    distance = (torch.cdist(small, small, compute_mode="donot_use_mm_for_euclid_dist") / small.shape[1] ** 0.5).numpy()
    same, upper = _pairs(people)
    return Variety(_mean(distance[upper & same]), _mean(distance[upper & ~same]))


def accept_threshold(features: NDArray[np.float32], people: NDArray[np.int64]) -> float:
    """Similarity that one in a hundred pairs of two people exceeds.

    Args:
        features: [N, D], unit length.
        people: [N], who is shown.

    Returns:
        -1..1, or NaN where there are no two people.
    """
    similarity, same, upper = _similarity(features, people)
    impostors = np.sort(similarity[upper & ~same])[::-1]
    # as many lie above it as the rate allows, or fewer
    return float(impostors[int(FAR * len(impostors))]) if len(impostors) else float("nan")


def accepted(features: NDArray[np.float32], people: NDArray[np.int64], threshold: float) -> tuple[float, float]:
    """Shares of pairs more similar than a threshold: those of one person, and those of two.

    Args:
        features: [N, D], unit length.
        people: [N], who is shown.
        threshold: of their similarity.

    Returns:
        0..1 each, or NaN where there are no such pairs or no threshold.
    """
    similarity, same, upper = _similarity(features, people)
    if np.isnan(threshold):
        return float("nan"), float("nan")
    passed = similarity > threshold
    return _mean(passed[upper & same]), _mean(passed[upper & ~same])


def frechet(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Frechet distance of two sets of features, each taken as a normal distribution; it depends on their numbers.

    |m - n|^2 + tr(C + D - 2 (C D)^(1/2)). The last root's trace is the sum of the roots of the eigenvalues of
    C^(1/2) D C^(1/2), which is symmetric, so that no root of a matrix without one is taken.
    Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule" (arXiv 1706.08500), equation 6.

    Args:
        one: [N, D], N at least 2.
        other: [M, D], M at least 2.
    """
    first, second = one.astype(np.float64), other.astype(np.float64)
    shift = first.mean(0) - second.mean(0)
    left, right = np.atleast_2d(np.cov(first.T)), np.atleast_2d(np.cov(second.T))
    values, vectors = np.linalg.eigh(left)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ right @ root).clip(0)).sum()
    return max(0.0, float(shift @ shift + np.trace(left) + np.trace(right) - 2 * cross))


def _pairs(people: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """[N, N] twice: whether two pictures show one person, and whether the pair was not counted yet."""
    same: NDArray[np.bool_] = people[:, None] == people[None, :]
    return same, np.triu(np.ones_like(same), 1)


def _similarity(
    features: NDArray[np.float32], people: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    exact = features.astype(np.float64)
    return exact @ exact.T, *_pairs(people)


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")
