"""The contract of this folder: what a measure of verification is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from ...reports.result.record import Curve, Score
from ..biometrics.roc import PairScores


class Metric(BaseModel, ABC):
    """Plug-in: a measure of verification. Frozen and closed; computed from kept scores, never from a model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    version: ClassVar[int] = 1

    @abstractmethod
    def __call__(self, scores: PairScores, on: str) -> tuple[Score, Curve | None]:
        """Measure, on the verification set named `on`."""
