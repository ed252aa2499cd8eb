"""A stage that a run needs, before it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....datasets.base import Progress

STEPS = "steps"
"""What the progress of a stage counts that trains networks: steps of the optimizer."""


@dataclass(frozen=True)
class Stage:
    """One stage that a run needs: its key follows from its inputs, and its output from both and nothing else."""

    name: str
    inputs: Mapping[str, Any]
    unit: str
    """What its progress counts."""
    make: Callable[[Path, Progress], None]
    """Writes its output into a folder."""

    @property
    def trains(self) -> bool:
        """Whether networks are trained in it."""
        return self.unit == STEPS
