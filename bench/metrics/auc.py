"""Area under the ROC curve, with DeLong's interval.

Sources: DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated receiver operating
characteristic curves, Biometrics 44 (1988), by the ranks of Sun and Xu, IEEE Signal Processing Letters 21 (2014); the
interval on the logit scale is Pepe's, The Statistical Evaluation of Medical Tests (2003), section 5.2.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ...reports.result.record import Curve, Interval, Measure, Score
from ...reports.statistics.intervals import wilson
from ..biometrics.roc import PairScores, checked, separated
from .base import Metric

LEVEL = 0.95

MEASURE = Measure(
    name="auc",
    side="utility",
    better="higher",
    says="chance that a genuine pair is more alike than an impostor pair, the area under the ROC curve",
)


class Auc(Metric):
    """Area under the ROC curve: how often a genuine pair is more alike than an impostor pair, ties counted half.

    A failed pair loses every comparison. The interval is DeLong's, made on the logit scale so that it stays below 1;
    it holds pairs for independent, although a face may be in several. Where genuine and impostor pairs do not
    overlap at all, DeLong's variance is zero; then each pair of the rarer kind is compared with one of the other
    kind, which are independent trials that all came out alike, and the interval is Wilson's on these.
    """

    def __call__(self, scores: PairScores, on: str) -> tuple[Score, Curve | None]:
        """Measure, on the verification set named `on`.

        Raises:
            MetricError: one kind of pair only, or similarities that are no cosines.
        """
        genuine, impostor = separated(checked(scores, on))
        value, variance = area(genuine, impostor)
        return Score(
            measure=MEASURE,
            on=on,
            value=value,
            n=len(genuine) + len(impostor),
            intervals=(_interval(value, variance, min(len(genuine), len(impostor))),),
            chance=0.5,
            detail={
                "standard_error": math.sqrt(variance) if variance is not None else None,
                "n_genuine": len(genuine),
                "n_impostor": len(impostor),
                "failures": int(np.isnan(scores.similarity).sum()),
            },
        ), None


def area(genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> tuple[float, float | None]:
    """The area, and DeLong's variance of it, which takes two pairs of either kind; None with fewer.

    Args:
        genuine: [M], similarities; -inf for a failed pair.
        impostor: [N], likewise; +inf for a failed pair.
    """
    from scipy.stats import rankdata

    m, n = len(genuine), len(impostor)
    ranks = rankdata(np.concatenate([genuine, impostor]))
    # of each pair, the share of the pairs of the other kind that it is on the right side of
    above = (ranks[:m] - rankdata(genuine)) / n
    below = 1 - (ranks[m:] - rankdata(impostor)) / m
    if min(m, n) < 2:
        return float(above.mean()), None
    return float(above.mean()), float(above.var(ddof=1) / m + below.var(ddof=1) / n)


def _interval(value: float, variance: float | None, rarer: int) -> Interval:
    if not variance or not 0 < value < 1:
        plain = wilson(round(value * rarer), rarer, LEVEL)
        return plain.model_copy(update={"kind": "wilson-disjoint-pairs"})
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    middle, half = math.log(value / (1 - value)), z * math.sqrt(variance) / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-min(max(end, -700.0), 700.0))) for end in (middle - half, middle + half))
    return Interval(low=low, high=high, level=LEVEL, kind="delong-logit")
