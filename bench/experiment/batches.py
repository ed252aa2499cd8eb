"""Recognizers that were trained with smaller batches than their recipe says, since they had fewer faces."""

from __future__ import annotations

from ...reports.result.parts import Released
from ..plan.plan import Plan
from .pipeline import Steps


def cut_down(plan: Plan, steps: Steps, released: Released) -> list[str]:
    """Which they are and how far their batches were cut down, as a note; nothing where none was."""
    images = {role: len(places) for role, places in steps.data.places.items()}
    trained = [("train", plan.recognizer, released.images)]
    trained += [("teacher", plan.teacher, images["G"])] * any(step.name == "teacher" for step in steps.all)
    trained += [("judge", plan.judge, images["A"])] * bool(steps.own_judge)
    told = [f"{name} {there} faces a step, not {how.batch}" for name, how, there in trained if there < how.batch]
    return [f"batch cut down: {', '.join(told)}"] if told else []
