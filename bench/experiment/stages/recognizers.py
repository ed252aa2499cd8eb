"""The stages `teacher`, `judge` and `judge-N`: recognizers that a run trains on originals.

The teacher guides the method. Judges are the attacker's, and need a stage only where no file is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....datasets.base import Progress
from ...plan.roles import Role
from ...plan.sameness import refuse_same
from ...plugins import spell
from ...recognition.judge import Embed, Judge
from ...recognition.recognizer import WEIGHTS, Recognizer
from .context import Context
from .stage import STEPS, Stage

_OTHER_SEED = 1_000_003
"""Added, once or more, to the seed of a recognizer that must not begin with the weights of another."""


@dataclass(frozen=True)
class LiveJudge:
    """A recognizer of the attacker's: as it is configured, and the stage that trains it where it is no file."""

    config: Judge
    stage: Stage | None

    def key(self, run: Context) -> dict[str, Any]:
        """What the judge is as a part of keys."""
        return {**self.config.spelled(), "weights": run.key(self.stage)}

    def open(self, run: Context) -> Embed:
        """The judge, live.

        Raises:
            WeightsError: its file cannot be used.
        """
        weights = run.path(self.stage) / WEIGHTS if self.stage else None
        return self.config.open(weights, device=run.processor())


def teacher(run: Context) -> Stage | None:
    """Train the recognizer that guides the method; None where the method asks for none."""
    if not run.method.needs_teacher:
        return None
    # with the seed of judge or recognizer it would begin with their weights, and guide the method towards them
    return _trained(run, "teacher", run.plan.teacher, "G", seed=run.plan.seed + _OTHER_SEED)


def judge(run: Context) -> LiveJudge:
    """The attacker's recognizer, trained here where it is no file."""
    own = run.plan.attack.embedder is None
    return LiveJudge(run.plan.attack, _trained(run, "judge", run.plan.judge, "A", seed=run.plan.seed) if own else None)


def other_judges(run: Context) -> tuple[LiveJudge, ...]:
    """The attacker's other recognizers: those of the plan, or else one that the run trains.

    Raises:
        ConfigError: one is the method's teacher.
    """
    found = []
    for number, other in enumerate(run.plan.judges or (Judge(flip=run.plan.attack.flip),), 2):
        stage = None
        if other.embedder is None:
            if len(np.unique(run.data.faces.labels[run.data.places["A"]])) < 2:
                continue  # nobody to train it on
            # of another seed than the judge, where that is trained by the run, too
            seed = run.plan.seed + number * _OTHER_SEED
            stage = _trained(run, f"judge-{number}", run.plan.judge, "A", seed=seed)
        refuse_same(run.method, other, f"judges.{number - 2}", run.data.role("A"), run.store)
        found.append(LiveJudge(other, stage))
    return tuple(found)


def _trained(run: Context, name: str, config: Recognizer, role: Role, *, seed: int) -> Stage:
    def make(out: Path, progress: Progress) -> None:
        from ...recognition.recognizer import train

        train(run.data.role(role), out, config, seed=seed, device=run.processor(), progress=progress)

    inputs = {"faces": run.data.ids[role], "recognizer": spell(config), "seed": seed, **run.arithmetic()}
    return Stage(name, inputs, STEPS, make)
