"""The stages `verify/SET` and `clear/SET`: the similarity of every pair, to the trained recognizer and to the judge."""

from __future__ import annotations

from pathlib import Path

from ....datasets.base import Progress
from ...recognition import verification
from ...recognition.judge import network_embed
from ...recognition.recognizer import WEIGHTS
from .context import Context
from .recognizers import LiveJudge
from .stage import Stage


def verify(run: Context, name: str, train: Stage) -> Stage:
    """Compare the pairs of a verification set by the trained recognizer.

    Args:
        run: what the run is made of.
        name: of the verification set.
        train: the recognizer's stage.
    """

    def make(out: Path, progress: Progress) -> None:
        embed = network_embed(run.path(train) / WEIGHTS, device=run.processor())
        verification.verify(embed, run.pairs(name), out, progress=progress)

    inputs = {"weights": run.key(train), "pairs": run.data.pair_fingerprints[name], "layout": verification.LAYOUT}
    return Stage(f"verify/{name}", inputs, "faces", make)


def clear(run: Context, name: str, judge: LiveJudge) -> Stage:
    """Compare the pairs of a verification set, clear faces all, by the judge: how good is it?

    Args:
        run: what the run is made of.
        name: of the verification set.
        judge: the attacker's recognizer.
    """

    def make(out: Path, progress: Progress) -> None:
        verification.verify(judge.open(run), run.pairs(name), out, progress=progress)

    inputs = {"judge": judge.key(run), "pairs": run.data.pair_fingerprints[name], "layout": verification.LAYOUT}
    return Stage(f"clear/{name}", inputs, "faces", make)
