"""True acceptance rate at a fixed false acceptance rate.

Source: ISO/IEC 19795-1; the rule of 30 (30 errors for a reliable rate) is Doddington's et al. (2000).
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from ...reports.result.record import Curve, Interval, Measure, Score
from ...reports.statistics.intervals import wilson
from ..biometrics.roc import PairScores, checked, separated, thresholds
from .base import Metric

WITH_THRESHOLD = "wilson, and of the threshold"
ERRORS = 30
"""So many false accepts must be allowed before a rate of them can be relied on."""


class Tar(Metric):
    """True acceptance rate at a false acceptance rate.

    The threshold is the highest impostor similarity that has to be refused, so that no more than `far` of the
    impostor pairs lie strictly above it; nothing is interpolated. Not measured, with a note, where `far` allows
    fewer than 30 false accepts or where more impostor pairs than that failed. The interval is for genuine pairs
    (Wilson's) and for impostor pairs, which set the threshold; both reach independently of each other.
    """

    version: ClassVar[int] = 2

    far: Annotated[float, Field(gt=0, lt=1)] = 1e-2
    """Share of impostor pairs that are accepted: the threshold is where they are no more."""

    def __call__(self, scores: PairScores, on: str) -> tuple[Score, Curve | None]:
        """Measure, on the verification set named `on`.

        Raises:
            MetricError: one kind of pair only, or similarities that are no cosines.
        """
        genuine, impostor = separated(checked(scores, on))
        measure = Measure(
            name=f"tar@far={self.far:g}",
            side="utility",
            better="higher",
            says=f"share of genuine pairs accepted when {self.far:g} of the impostor pairs are",
        )
        allowed = int(self.far * len(impostor) + 1e-9)  # 0.07 * 100 is a little more than 7, 0.29 * 100 less than 29
        detail = {
            "n_genuine": float(len(genuine)),
            "n_impostor": float(len(impostor)),
            "failures": float(np.isnan(scores.similarity).sum()),
        }
        note = ""
        if allowed < ERRORS:
            note = (
                f"FAR {self.far:g} of {len(impostor)} impostor pairs is {allowed} false accepts; "
                f"the rule of {ERRORS} asks for {ERRORS}"
            )
        elif (failed := int(np.isposinf(impostor).sum())) > allowed:
            note = f"{failed} of {len(impostor)} impostor pairs failed, more than FAR {self.far:g} allows ({allowed})"
        if note:
            return Score(
                measure=measure, on=on, value=None, n=len(genuine), chance=self.far, detail=detail, note=note
            ), None
        ordered = np.sort(impostor)
        threshold = float(ordered[len(ordered) - 1 - allowed])
        accepted = int(np.count_nonzero(genuine > threshold))
        value, own = accepted / len(genuine), wilson(accepted, len(genuine))
        ends = [float(np.mean(genuine > bar)) for bar in thresholds(ordered, allowed)]
        return Score(
            measure=measure,
            on=on,
            value=value,
            n=len(genuine),
            intervals=(
                Interval(
                    low=max(0.0, value - math.hypot(value - own.low, value - ends[1])),
                    high=min(1.0, value + math.hypot(own.high - value, ends[0] - value)),
                    kind=WITH_THRESHOLD,
                ),
            ),
            chance=self.far,
            detail={**detail, "threshold": threshold},
        ), None
