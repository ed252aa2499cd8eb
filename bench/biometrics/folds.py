"""Which pairs are a fold: what the set's own list says, or each kind of pair cut into ten by itself.

LFW, CFP-FP and AgeDB-30 are ten blocks of as many genuine as impostor pairs, and InsightFace cuts any set into ten
consecutive runs. Of a set that is laid out otherwise such runs hold other shares of genuine pairs, or one kind alone:
then a threshold that was chosen on one mixture is applied to another, and the accuracy says more about the order than
about the recognizer. Cut from each kind, the folds of the three known sets are the same, and those of all others hold
both kinds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .roc import PairScores

FOLDS = 10


def in_blocks(same: NDArray[np.bool_]) -> bool:
    """Whether the pairs lie as LFW's do: ten times as many genuine pairs, then as many impostor pairs."""
    half, rest = divmod(len(same), 2 * FOLDS)
    return not rest and half > 0 and np.array_equal(same, np.tile(np.repeat([True, False], half), FOLDS))


def by_kind(same: NDArray[np.bool_], order: Sequence[bytes] | None = None) -> NDArray[np.int64]:
    """[N], the fold of each pair: of either kind, consecutive tenths; the first ones have one pair more where need be.

    With fewer than ten pairs of a kind there are as many folds as pairs of it, so that each fold holds both.

    Args:
        same: [N], genuine or impostor.
        order: of each pair, by what the pairs of a kind are ordered before they are cut; as they lie where None.
    """
    fold = np.empty(len(same), np.int64)
    kinds = [np.flatnonzero(kind).tolist() for kind in (same, ~same)]
    folds = min(FOLDS, *map(len, kinds))
    for kind in kinds:
        places = np.array(kind if order is None else sorted(kind, key=lambda place: order[place]), np.int64)
        size = len(places) // folds + (np.arange(folds) < len(places) % folds)
        fold[places] = np.repeat(np.arange(folds), size)
    return fold


def by_content(first: NDArray[np.uint8], second: NDArray[np.uint8], same: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[N], folds by kind that stay what they are when the pairs, or the two faces of one, change their places.

    The pairs of a kind are ordered by the digests of their faces, which is as good as by chance.

    Args:
        first: [N, ...], a face of each pair.
        second: the other one.
        same: [N], genuine or impostor.
    """
    digests = [
        b"".join(sorted(hashlib.sha256(face).digest() for face in pair)) for pair in zip(first, second, strict=True)
    ]
    return by_kind(same, [hashlib.sha256(digest).digest() for digest in digests])


def fold_of(scores: PairScores) -> NDArray[np.int64]:
    """[N], the fold of each pair, from 0 without gaps: the given ones, else cut from each kind in the pairs' order."""
    if scores.fold is None:
        return by_kind(scores.same)
    folds: NDArray[np.int64] = np.unique(scores.fold, return_inverse=True)[1].astype(np.int64)
    return folds


def of_one_kind(fold: NDArray[np.int64], same: NDArray[np.bool_]) -> int:
    """How many folds hold genuine pairs alone, or impostor pairs alone."""
    genuine = np.bincount(fold, weights=same)
    return int(((genuine == 0) | (genuine == np.bincount(fold))).sum())
