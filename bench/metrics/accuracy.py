"""Ten-fold verification accuracy, as InsightFace reports it for LFW, CFP-FP and AgeDB-30.

Source: InsightFace, `recognition/arcface_torch/eval/verification.py`, `calculate_roc` and `calculate_accuracy`;
the protocol is LFW's (Huang et al. 2007, view 2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...reports.intervals import wilson
from ...reports.record import Curve, Measure, Score
from .base import Metric, PairScores
from .roc import checked

FOLDS = 10
THRESHOLDS = np.arange(0, 4, 0.01)
"""Squared distances of unit vectors, InsightFace's own grid."""

MEASURE = Measure(
    name="accuracy",
    side="utility",
    better="higher",
    says="verification accuracy over ten folds, the threshold of each fold chosen on the nine others",
    headline=True,
)


class Folds(NamedTuple):
    """What each fold came to."""

    correct: NDArray[np.int64]
    """[FOLDS], pairs answered rightly at the threshold of the nine other folds."""
    size: NDArray[np.int64]
    """[FOLDS], pairs in the fold; the first N % FOLDS folds have one more."""
    threshold: NDArray[np.float64]
    """[FOLDS], squared distance below which two faces are called the same."""


class Accuracy(Metric):
    """Ten-fold verification accuracy.

    A pair the recognizer failed on counts as answered wrongly, whichever kind it is. The value is the mean over
    folds; the interval is Wilson's on all pairs pooled; `chance` is the share of the more frequent kind.
    """

    def __call__(self, scores: PairScores, on: str) -> tuple[Score, Curve | None]:
        """Measure, on the verification set named `on`.

        Raises:
            MetricError: fewer than ten pairs, one kind of pair only, or similarities that are no cosines.
        """
        scores = checked(scores, on, at_least=FOLDS)
        folds = ten_fold(scores)
        accuracy = folds.correct / folds.size
        n, genuine = len(scores.same), int(scores.same.sum())
        return Score(
            measure=MEASURE,
            on=on,
            value=float(accuracy.mean()),
            n=n,
            intervals=(wilson(int(folds.correct.sum()), n),),
            chance=max(genuine, n - genuine) / n,
            detail={
                "fold_sd": float(accuracy.std()),
                "threshold": float(folds.threshold.mean()),
                "n_genuine": genuine,
                "n_impostor": n - genuine,
                "failures": int(np.isnan(scores.similarity).sum()),
            },
        ), None


def ten_fold(scores: PairScores) -> Folds:
    """Thresholds and right answers of every fold, with InsightFace's numbers but without its loops.

    The folds are runs of consecutive pairs, unshuffled. Every pair is put once into the first threshold that
    calls it the same; running sums over thresholds then give the right answers of all folds at all thresholds.
    """
    n, size = len(scores.same), np.arange(FOLDS)
    size = n // FOLDS + (size < n % FOLDS).astype(np.int64)
    fold = np.repeat(np.arange(FOLDS), size)
    # of unit vectors, the squared distance; rounding must not make one negative, which even threshold 0 would accept
    distance = np.maximum(2 - 2 * scores.similarity, 0)
    seen = ~np.isnan(distance)
    # the rule is `distance < threshold`, so a distance on a threshold is accepted by the next one only
    first = np.searchsorted(THRESHOLDS, distance, side="right")
    place = (fold * 2 + scores.same) * (len(THRESHOLDS) + 1) + first
    counts = np.bincount(place[seen], minlength=FOLDS * 2 * (len(THRESHOLDS) + 1)).reshape(FOLDS, 2, -1)
    accepted = counts.cumsum(axis=2)
    impostors, genuine = accepted[:, 0], accepted[:, 1]
    correct = (genuine + impostors[:, -1:] - impostors)[:, :-1]  # [FOLDS, THRESHOLDS], over answered pairs only
    best = (correct.sum(axis=0) - correct).argmax(axis=1)  # the first of several equal ones
    return Folds(correct[np.arange(FOLDS), best], size, THRESHOLDS[best])


def answered(scores: PairScores) -> NDArray[np.bool_]:
    """[N], which pairs are answered rightly at the threshold of their fold; a failed pair is not."""
    folds = ten_fold(scores)
    distance = np.maximum(2 - 2 * scores.similarity, 0)
    right: NDArray[np.bool_] = (distance < np.repeat(folds.threshold, folds.size)) == scores.same
    right[np.isnan(distance)] = False
    return right
