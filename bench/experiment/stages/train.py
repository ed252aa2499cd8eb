"""The stage `train`: the recognizer that is trained on the private faces, by which utility is measured."""

from __future__ import annotations

from pathlib import Path

from ....datasets.base import Progress
from ...plugins import spell
from .context import Context
from .release import private_faces
from .stage import STEPS, Stage


def train(run: Context, release: Stage) -> Stage:
    """Train the plan's recognizer on a release.

    Args:
        run: what the run is made of.
        release: whose faces it learns from.
    """

    def make(out: Path, progress: Progress) -> None:
        from ...recognition import recognizer

        faces, config = private_faces(run.path(release)), run.plan.recognizer
        recognizer.train(faces, out, config, seed=run.plan.seed, device=run.processor(), progress=progress)

    inputs = {
        "release": run.key(release),
        "recognizer": spell(run.plan.recognizer),
        "seed": run.plan.seed,
        **run.arithmetic(),
    }
    return Stage("train", inputs, STEPS, make)
