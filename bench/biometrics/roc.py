"""What every measure of verification starts from: checked scores, and errors at every threshold.

A pair the recognizer failed on (a similarity of NaN) is an error at every threshold: a genuine pair is never
accepted, an impostor pair always is. So failing on hard faces cannot make any number better.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import FacebenchError
from ...reports.result.record import Curve

POINTS = 200
"""At most so many points are kept of a curve."""


class MetricError(FacebenchError, ValueError):
    """Scores that cannot be measured; the message says which set, expected, got and what to do."""


class PairScores(NamedTuple):
    """How alike a recognizer finds the two faces of each verification pair."""

    similarity: NDArray[np.float64]
    """[N], cosine of the flip-summed embeddings in [-1, 1], in the set's own order; NaN where it failed."""
    same: NDArray[np.bool_]
    """[N], genuine or impostor."""
    fold: NDArray[np.int64] | None = None
    """[N], the fold of each pair; None where folds are cut from the pairs in their order."""
    official: bool = False
    """Whether the set's own list gave the folds."""


class Roc(NamedTuple):
    """Both rates at every threshold that makes a difference, from the strictest to the loosest."""

    far: NDArray[np.float64]
    """[T], share of impostor pairs accepted, rising."""
    tar: NDArray[np.float64]
    """[T], share of genuine pairs accepted, rising."""
    threshold: NDArray[np.float64]
    """[T], a pair is accepted where its similarity is at least this; the first is infinite."""


def checked(scores: PairScores, on: str, *, at_least: int = 2) -> PairScores:
    """The same scores, or a clear error.

    Raises:
        MetricError: shapes differ, a similarity is no cosine, there are fewer than `at_least` pairs, or pairs of
            one kind only.
    """
    similarity, same = np.asarray(scores.similarity, np.float64), np.asarray(scores.same)
    if similarity.ndim != 1 or same.shape != similarity.shape or same.dtype != np.bool_:
        raise MetricError(
            f"verification set {on}: expected similarity [N] and same [N] of bool, got {similarity.shape} and "
            f"{same.shape} of {same.dtype}; score the set again"
        )
    if len(same) < at_least:
        raise MetricError(
            f"verification set {on}: expected at least {at_least} pairs, got {len(same)}; use a larger set"
        )
    genuine = int(same.sum())
    if genuine in (0, len(same)):
        raise MetricError(
            f"verification set {on}: expected genuine and impostor pairs, got {genuine} genuine and "
            f"{len(same) - genuine} impostor; verification needs both kinds"
        )
    wrong = np.flatnonzero(np.abs(similarity) > 1 + 1e-3)  # NaN compares false: a failed pair is allowed
    if len(wrong):
        raise MetricError(
            f"verification set {on}: pair {wrong[0]}: expected a cosine in [-1, 1] or NaN, "
            f"got {similarity[wrong[0]]:g}; embeddings must have unit length"
        )
    if scores.fold is None:
        return PairScores(similarity, same)
    fold = np.asarray(scores.fold)
    if fold.shape != same.shape or not np.issubdtype(fold.dtype, np.integer):
        raise MetricError(
            f"verification set {on}: expected a fold [N] of whole numbers for {len(same)} pairs, got {fold.shape} of "
            f"{fold.dtype}; score the set again"
        )
    return PairScores(similarity, same, fold, scores.official)


def separated(scores: PairScores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Genuine and impostor similarities, failed ones as -inf and +inf: errors at every threshold."""
    genuine, impostor = scores.similarity[scores.same], scores.similarity[~scores.same]
    return np.where(np.isnan(genuine), -np.inf, genuine), np.where(np.isnan(impostor), np.inf, impostor)


def roc(scores: PairScores) -> Roc:
    """The exact receiver operating characteristic; equal similarities are accepted together."""
    genuine, impostor = separated(scores)
    score = np.concatenate([genuine, impostor])
    order = np.argsort(-score, kind="stable")
    score = score[order]
    accepted = np.cumsum(order < len(genuine))  # genuine pairs among the first 1, 2, ...
    steps = np.append(score[:-1] != score[1:], True) & np.isfinite(score)
    total = np.flatnonzero(steps) + 1
    genuine_in = accepted[steps]
    failed = np.count_nonzero(np.isposinf(impostor)) / len(impostor)
    return Roc(
        far=np.append(failed, (total - genuine_in) / len(impostor)),
        tar=np.append(0.0, genuine_in / len(genuine)),
        threshold=np.append(np.inf, score[steps]),
    )


def thresholds(refused: NDArray[np.float64], allowed: int, level: float = 0.95) -> tuple[float, float]:
    """Where the threshold lies that lets `allowed` of the scores pass, had other ones been drawn.

    The share of all scores that lie above the one which so many exceed is a beta variable; its quantiles, as places
    among the scores that were seen, are those of the resampled threshold: nothing needs to be drawn.

    Source: David and Nagaraja, Order Statistics (2003), section 7.1.

    Args:
        refused: [N], of impostors or strangers, in rising order.
        allowed: how many may pass, fewer than N.
        level: of confidence.

    Returns:
        The lower and the upper end.
    """
    from scipy.special import betaincinv

    n = len(refused)
    shares = [float(betaincinv(allowed + 1, n - allowed, tail)) for tail in ((1 + level) / 2, (1 - level) / 2)]
    low, high = (refused[min(n - 1, max(0, n - 1 - round(share * n)))] for share in shares)
    return float(low), float(high)


def equal_error(rates: Roc) -> tuple[float, float | None]:
    """The equal error rate, and the similarity threshold that comes closest to it (None where all is refused)."""
    excess = rates.far - (1 - rates.tar)  # rises strictly: every step accepts something
    after = int(np.argmax(excess >= 0))
    if after == 0:  # every impostor pair failed
        return float(rates.far[0]), None
    weight = -excess[after - 1] / (excess[after] - excess[after - 1])
    value = float(rates.far[after - 1] + weight * (rates.far[after] - rates.far[after - 1]))
    near = after - 1 if weight < 0.5 else after
    return value, float(rates.threshold[near]) if np.isfinite(rates.threshold[near]) else None


def curve(rates: Roc, on: str) -> Curve:
    """The curve for boards: half of the points evenly along it, half evenly in the logarithm of the FAR."""
    along = rates.far + rates.tar
    lowest = rates.far[rates.far > 0].min(initial=1.0)
    half = POINTS // 2
    keep = np.unique(
        np.concatenate(
            [
                np.searchsorted(along, np.linspace(along[0], along[-1], half)),
                np.searchsorted(rates.far, np.geomspace(lowest, 1.0, half), side="right") - 1,
            ]
        ).clip(0, len(along) - 1)
    )
    return Curve(
        name="roc",
        on=on,
        x_label="FAR",
        y_label="TAR",
        x=tuple(rates.far[keep].tolist()),
        y=tuple(rates.tar[keep].tolist()),
    )
