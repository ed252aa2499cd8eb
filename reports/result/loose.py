"""Entries of a record that hold anything: what is read of them later has to be what it is taken for."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator


def _judged(judge: dict[str, Any]) -> dict[str, Any]:
    clear, others = judge.get("clear", {}), judge.get("others", [])
    if not isinstance(clear, dict) or not all(value is None or _number(value) for value in clear.values()):
        raise ValueError("clear: expected an accuracy, or null, by verification set")
    if not isinstance(others, list | tuple) or not all(isinstance(other, dict) for other in others):
        raise ValueError("others: expected a list of recognizers")
    return judge


def _configured(config: dict[str, Any]) -> dict[str, Any]:
    for entry in ("attacks", "metrics", "judges"):
        if not isinstance(config.get(entry, []), list | tuple):
            raise ValueError(f"{entry}: expected a list")
    return config


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


Judged = Annotated[dict[str, Any], AfterValidator(_judged)]
"""A recognizer of the attacker's: `clear` is its accuracy by verification set, `others` are recognizers beside it."""
Configured = Annotated[dict[str, Any], AfterValidator(_configured)]
"""What a run was made of, as `bench/plan/plan.py` has it."""
