"""Equal error rate, with the area under the curve beside it and the curve itself.

Source: ISO/IEC 19795-1; the rate is interpolated linearly where FAR and FRR cross.
"""

from __future__ import annotations

import numpy as np

from ...reports.result.record import Curve, Measure, Score
from ...reports.statistics.intervals import wilson
from ..biometrics.roc import PairScores, checked, curve, equal_error, roc
from .base import Metric

MEASURE = Measure(
    name="eer",
    side="utility",
    better="lower",
    says="error rate at the threshold where false acceptance and false rejection are equal",
)


class Eer(Metric):
    """Equal error rate; the ROC comes as the curve, its area as the detail `auc`.

    A failed pair is an error at every threshold. The interval is Wilson's on twice the number of the rarer kind
    of pair; it holds the threshold for given although it was found on the same pairs.
    """

    def __call__(self, scores: PairScores, on: str) -> tuple[Score, Curve | None]:
        """Measure, on the verification set named `on`.

        Raises:
            MetricError: one kind of pair only, or similarities that are no cosines.
        """
        scores = checked(scores, on)
        rates = roc(scores)
        value, threshold = equal_error(rates)
        n, genuine = len(scores.same), int(scores.same.sum())
        trials = 2 * min(genuine, n - genuine)
        score = Score(
            measure=MEASURE,
            on=on,
            value=value,
            n=n,
            intervals=(wilson(round(value * trials), trials),),
            chance=0.5,
            detail={
                "auc": float(np.trapezoid(rates.tar, rates.far)),
                "threshold": threshold,
                "n_genuine": genuine,
                "n_impostor": n - genuine,
                "failures": int(np.isnan(scores.similarity).sum()),
            },
        )
        return score, curve(rates, on)
