"""Recognizers that were trained with smaller batches than their recipe says, since they had fewer faces."""

from __future__ import annotations

from ...reports.result.parts import Released
from .pipeline import Pipeline


def cut_down(run: Pipeline, released: Released) -> list[str]:
    """Which they are and how far their batches were cut down, as a note; nothing where none was."""
    plan, images = run.context.plan, {role: len(indices) for role, indices in run.context.data.places.items()}
    trained = [("train", plan.recognizer, released.images)]
    trained += [("teacher", plan.teacher, images["G"])] * bool(run.teacher)
    trained += [("judge", plan.judge, images["A"])] * bool(run.judge.stage)
    told = [
        f"{name} {there} faces a step, not {config.batch}" for name, config, there in trained if there < config.batch
    ]
    return [f"batch cut down: {', '.join(told)}"] if told else []
