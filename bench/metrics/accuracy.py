"""Ten-fold verification accuracy, as InsightFace reports it for LFW, CFP-FP and AgeDB-30.

Source: InsightFace, `recognition/arcface_torch/eval/verification.py`, `calculate_roc` and `calculate_accuracy`;
the protocol is LFW's (Huang et al. 2007, view 2). Folds are those of `folds.py`, on the three sets InsightFace's.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...reports.result.record import Curve, Measure, Score
from ...reports.statistics.intervals import wilson
from ..biometrics.folds import FOLDS, fold_of, of_one_kind
from ..biometrics.roc import MetricError, PairScores, checked
from .base import Metric

STEP = 0.01
THRESHOLDS = np.arange(0, 4, STEP)
"""Squared distances of unit vectors, InsightFace's own grid."""
BLIND = "blind"
"""How the note of a score begins whose recognizer finds all pairs alike."""
ONE_KIND = "folds of one kind"
"""How it begins where the set's own folds lack genuine or impostor pairs."""

MEASURE = Measure(
    name="accuracy",
    side="utility",
    better="higher",
    says="verification accuracy over ten folds, the threshold of each fold chosen on the others",
    headline=True,
)


class Folds(NamedTuple):
    """What each of F folds came to."""

    correct: NDArray[np.int64]
    """[F], pairs answered rightly at the threshold of the other folds."""
    size: NDArray[np.int64]
    """[F], pairs in the fold."""
    threshold: NDArray[np.float64]
    """[F], squared distance below which two faces are called the same."""
    fold: NDArray[np.int64]
    """[N], the fold of each pair."""


class Accuracy(Metric):
    """Ten-fold verification accuracy.

    Folds are the set's own where its list has them; else the genuine pairs are cut into ten consecutive parts, and so
    are the impostor pairs, or into fewer where there are fewer of a kind. A pair the recognizer failed on counts as
    answered wrongly, whichever kind it is. The value is the mean over folds; the interval is Wilson's on all pairs
    pooled (`correct` of them); `chance` is the share of the more frequent kind. A recognizer to which all pairs are
    alike is noted as blind.
    """

    version: ClassVar[int] = 2

    def __call__(self, scores: PairScores, on: str) -> tuple[Score, Curve | None]:
        """Measure, on the verification set named `on`.

        Raises:
            MetricError: fewer than ten pairs, fewer than two of a kind, a single fold, or similarities that are no
                cosines.
        """
        scores = checked(scores, on, at_least=FOLDS)
        folds = ten_fold(scores, on)
        accuracy = folds.correct / folds.size
        n, genuine = len(scores.same), int(scores.same.sum())
        correct, lacking = int(folds.correct.sum()), of_one_kind(folds.fold, scores.same)
        notes = []
        if blind(scores):
            notes.append(
                f"{BLIND}: all pairs are alike to the recognizer, so it tells nobody apart and the value is chance"
            )
        if lacking:
            notes.append(
                f"{ONE_KIND}: {lacking} of the set's own {len(folds.size)} folds lack genuine or impostor pairs, so "
                "thresholds of one mixture answer another"
            )
        return Score(
            measure=MEASURE,
            on=on,
            value=float(accuracy.mean()),
            n=n,
            intervals=(wilson(correct, n),),
            chance=max(genuine, n - genuine) / n,
            detail={
                "fold_sd": float(accuracy.std()),
                "threshold": float(folds.threshold.mean()),
                "correct": correct,
                "folds": len(folds.size),
                "folds_official": int(scores.official),
                "n_genuine": genuine,
                "n_impostor": n - genuine,
                "failures": int(np.isnan(scores.similarity).sum()),
            },
            note="; ".join(notes),
        ), None


def blind(scores: PairScores) -> bool:
    """Whether all answered pairs are closer to each other than one step of the thresholds: none tells two apart."""
    seen = scores.similarity[~np.isnan(scores.similarity)]
    return len(seen) > 1 and 2 * float(np.ptp(seen)) < STEP


def ten_fold(scores: PairScores, on: str = "") -> Folds:
    """Thresholds and right answers of every fold, with InsightFace's numbers but without its loops.

    Every pair is put once into the first threshold that calls it the same; running sums over thresholds then give the
    right answers of all folds at all thresholds.

    Raises:
        MetricError: there is one fold alone, so no threshold can be chosen on others.
    """
    fold = fold_of(scores)
    size = np.bincount(fold)
    folds = len(size)
    if folds < 2:
        genuine = int(scores.same.sum())
        raise MetricError(
            f"verification set {on}: expected two folds at least, and so two pairs of either kind, got {genuine} "
            f"genuine and {len(scores.same) - genuine} impostor pairs in {folds}; use a larger set"
        )
    # of unit vectors, the squared distance; rounding must not make one negative, which even threshold 0 would accept
    distance = np.maximum(2 - 2 * scores.similarity, 0)
    seen = ~np.isnan(distance)
    # the rule is `distance < threshold`, so a distance on a threshold is accepted by the next one only
    first = np.searchsorted(THRESHOLDS, distance, side="right")
    place = (fold * 2 + scores.same) * (len(THRESHOLDS) + 1) + first
    counts = np.bincount(place[seen], minlength=folds * 2 * (len(THRESHOLDS) + 1)).reshape(folds, 2, -1)
    accepted = counts.cumsum(axis=2)
    impostors, genuine_in = accepted[:, 0], accepted[:, 1]
    correct = (genuine_in + impostors[:, -1:] - impostors)[:, :-1]  # [F, THRESHOLDS], over answered pairs only
    best = (correct.sum(axis=0) - correct).argmax(axis=1)  # the first of several equal ones
    return Folds(correct[np.arange(folds), best], size, THRESHOLDS[best], fold)


def answered(scores: PairScores) -> NDArray[np.bool_]:
    """[N], which pairs are answered rightly at the threshold of their fold; a failed pair is not."""
    folds = ten_fold(scores)
    distance = np.maximum(2 - 2 * scores.similarity, 0)
    right: NDArray[np.bool_] = (distance < folds.threshold[folds.fold]) == scores.same
    right[np.isnan(distance)] = False
    return right
