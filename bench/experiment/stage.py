"""A stage that a run needs, before it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ...datasets.base import Progress


@dataclass(frozen=True)
class Step:
    """One stage that a run needs."""

    name: str
    inputs: Mapping[str, Any]
    unit: str
    """What its progress counts."""
    make: Callable[[Path, Progress], None]


class Both(NamedTuple):
    """The stages that show some people both ways: what the method makes of them, and how the judge sees them."""

    apply: Step
    original: Step
    private: Step
