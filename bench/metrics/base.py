"""The contract of this folder: what a measure of verification is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ...reports.record import Curve, Score


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


class Metric(BaseModel, ABC):
    """Plug-in: a measure of verification. Frozen and closed; computed from kept scores, never from a model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    version: ClassVar[int] = 1

    @abstractmethod
    def __call__(self, scores: PairScores, on: str) -> tuple[Score, Curve | None]:
        """Measure, on the verification set named `on`."""
