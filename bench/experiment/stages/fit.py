"""The stage `fit`: the method learns from the people of role G."""

from __future__ import annotations

from pathlib import Path

from ....datasets.base import Progress
from ....methods.base import Fit
from ...plan.fitted import people_of
from ...plugins import spell
from ...recognition.recognizer import WEIGHTS
from .context import Context
from .stage import STEPS, Stage


def fit(run: Context, teacher: Stage | None) -> Stage | None:
    """Fit the method; None where it learns nothing, or brings what it learned.

    Args:
        run: what the run is made of.
        teacher: of the method, where it asks for one.
    """
    if not run.method.fits:
        return None

    def make(out: Path, progress: Progress) -> None:
        config = Fit(
            seed=run.plan.seed,
            device=run.processor(),
            teacher=run.path(teacher) / WEIGHTS if teacher else None,
            progress=progress,
            scratch=run.store.scratch("fit", inputs),
            people=people_of(run.data, "G"),
        )
        run.method.fit(run.data.role("G"), out, config)

    inputs = {
        "method": spell(run.method),
        "faces": run.data.ids["G"],
        "seed": run.method_seed,
        **({"teacher": run.key(teacher)} if teacher else {}),
        **run.arithmetic(),
    }
    return Stage("fit", inputs, STEPS, make)


def fitted(run: Context, stage: Stage | None) -> Path:
    """What the method was fitted into; empty where that is no stage."""
    return run.path(stage) if stage else Path()
