"""The stage `identify`: people of role H, whom nothing was learned from, found by the trained recognizer."""

from __future__ import annotations

from pathlib import Path

from ....datasets.base import Progress
from ...recognition.judge import network_embed
from ...recognition.recognizer import WEIGHTS
from .context import Context
from .stage import Stage


def identify(run: Context, train: Stage) -> Stage:
    """Search hold-out faces among each other by the trained recognizer.

    Args:
        run: what the run is made of.
        train: the recognizer's stage.
    """

    def make(out: Path, progress: Progress) -> None:
        from ...recognition import identification

        embed = network_embed(run.path(train) / WEIGHTS, device=run.processor())
        identification.identify(embed, run.data.role("H"), out, seed=run.plan.seed, progress=progress)

    inputs = {"weights": run.key(train), "faces": run.data.ids["H"], "seed": run.plan.seed}
    return Stage("identify", inputs, "faces", make)
