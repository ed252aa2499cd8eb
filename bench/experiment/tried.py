"""Files of others that a run will use are opened and used on a few faces before anything is made.

These are judges, and what the method was given: what is wrong with one is told in seconds, not after hours of training.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...datasets.base import Faces, silent
from ...methods.base import Publish
from ..recognition.judge import Embed, Judge
from ..terminal.progress import Display
from .pipeline import Pipeline
from .stages.context import Context

SEEN = 16
"""Faces that a judge is asked about, each of another person where there are so many."""
ALIKE = 0.999
"""Cosine from which on two people are one to a judge; recognizers are far below it, also the worst."""


def try_all(run: Pipeline, display: Display) -> None:
    """Use what a run was given.

    Args:
        run: as it was laid out.
        display: told of a judge to which all people are alike.

    Raises:
        WeightsError: a judge cannot be used.
        MethodError: the method cannot use what its parameters name, or this machine lacks what it needs.
    """
    context = run.context
    for place, judge in enumerate((context.plan.attack, *context.plan.judges)):
        if judge.embedder is None:
            continue
        entry = "attack" if not place else f"judges.{place - 1}"
        alike = _likest(judge, context)
        if alike is not None and alike > ALIKE:
            display.warn(
                f"warning: judge {judge.embedder}: blind: to it all of a few faces of other people are one (lowest "
                f"cosine {alike:.4f}), so that it finds nobody says nothing; is {entry}.preprocessing="
                f"{judge.preprocessing} what the file expects, and is it a recognizer?"
            )
    from ...facemae.runtime.randomness import key_of_seed  # a run that is done shall not wait for torch

    key = key_of_seed(context.plan.seed, "release")
    places = context.data.places["P"]
    context.method.try_out(context.data.role("P"), Publish(key, context.processor(), places))


def _likest(judge: Judge, run: Context) -> float | None:
    """The lowest cosine of any two of a few people's faces; None where there are not two.

    Raises:
        WeightsError: the judge cannot be used.
    """
    assert judge.embedder is not None  # noqa: S101 - asked of files alone
    state = judge.embedder.stat()
    use = (judge, state.st_mtime_ns, state.st_size, run.device, run.data.fingerprint)
    if use not in _SEEN:  # several runs of one command have the same judge
        _SEEN[use] = _lowest(judge.open(None, device=run.processor()), run.data.role("A"))
    return _SEEN[use]


_SEEN: dict[tuple[Any, ...], float | None] = {}
"""What judges said in this process."""


def _lowest(embed: Embed, faces: Faces) -> float | None:
    import torch

    first = np.unique(faces.labels, return_index=True)[1][:SEEN] if len(faces) else np.empty(0, np.int64)
    if len(first) < 2:
        return None
    vectors = embed(torch.stack([faces[int(row)].image for row in first]), silent)
    sound = vectors[np.isfinite(vectors).all(axis=1)]
    return float((sound @ sound.T).min()) if len(sound) > 1 else None
