"""What the attacker of a run holds, read from the folders of finished stages."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....datasets.base import Faces, Progress, silent
from ....facemae.runtime.errors import TrainingError
from ....methods.base import MethodError, Publish
from ....reports.result.record import NOT_MEASURED
from ...attacks.base import Attack, Embed, Evidence, NotApplicableError, Paired, nobody
from ...biometrics.embeddings import embed_all
from ...plan.roles import Role
from ...recognition.judge import network_embed
from ...recognition.recognizer import WEIGHTS
from .apply import BothWays
from .context import Context
from .embed import embeddings
from .fit import fitted
from .recognizers import LiveJudge
from .release import missed, private_faces, refusal
from .stage import Stage

_ANEW = "attacker anew"
"""Purpose of the key with which an attacker applies the method once more to the same faces."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attackable:
    """The stages of a run that its attackers read."""

    fit: Stage | None
    release: Stage
    judge: LiveJudge
    original: Stage
    """Embeddings of the originals of role P."""
    private: Stage
    """Embeddings of the release."""
    known: Mapping[Role, NDArray[np.int64]]
    """Indices of the people of A and H to whom attackers apply the method."""
    both_ways: Mapping[Role, BothWays]
    """Of these people, where an attack asks for them."""
    others: tuple[LiveJudge, ...]
    """The attacker's other recognizers, where an attack asks for them."""


def gather(run: Context, made: Attackable, attack: Attack, progress: Progress) -> Evidence:
    """What the attacker of a run holds: of people of their own, other recognizers and a control what it declared.

    Args:
        run: what the run is made of.
        made: the stages that it reads, all finished.
        attack: for whom.
        progress: told of what the attack has done.
    """
    from ....methods.parts.private_pack import sources

    indices, folder = run.data.places["P"], run.path(made.release)
    anew = partial(_again, run, made, indices)
    return Evidence(
        private=embeddings(run, made.private),
        original=embeddings(run, made.original),
        source=sources(folder, indices),
        missed=missed(run, folder),
        seed=run.plan.seed,
        device=run.processor(),
        private_faces=private_faces(folder),
        original_faces=run.data.role("P"),
        attacker_faces=run.data.role("A"),
        generator_faces=run.data.role("G"),
        holdout_faces=run.data.role("H"),
        embed=_embed(run, made.judge),
        attacker=_paired(run, made, "A") if attack.adaptive else _undeclared("adaptive"),
        holdout=_paired(run, made, "H") if attack.control else _undeclared("control"),
        again=anew if attack.adaptive or attack.applies else _undeclared("adaptive"),
        deterministic=not run.method.draws,
        judges=tuple(_embed(run, other) for other in made.others) if attack.several else (),
        learn=partial(_learn, run) if attack.adaptive else _undeclared("adaptive"),
        progress=progress,
    )


def _paired(run: Context, made: Attackable, role: Role) -> Callable[[], Paired]:
    """The people of role A or H both ways, read when they are asked for."""
    indices, stages = made.known[role], made.both_ways.get(role)
    if stages is None or not len(indices):
        return nobody

    def read() -> Paired:
        from ....methods.parts.private_pack import sources

        folder = run.path(stages.apply)
        if reason := refusal(folder):
            raise NotApplicableError(reason)
        source = sources(folder, indices)
        assert source is not None  # noqa: S101 - attacks that ask do not apply to methods without sources
        return Paired(
            private=embeddings(run, stages.private),
            original=embeddings(run, stages.original),
            source=source,
            private_faces=private_faces(folder),
            original_faces=run.faces_at(indices),
            again=partial(_again, run, made, indices),
        )

    return read


def _again(run: Context, made: Attackable, indices: NDArray[np.int64], rows: NDArray[np.int64]) -> Faces:
    """Some of the faces made private once more, with other random numbers, and encoded as a release is."""
    from ....datasets.views.reencoded import Reencoded
    from ....facemae.runtime.randomness import key_of_seed

    if not run.method.repeatable:
        raise NotApplicableError("does not apply: the method made its private faces once and for all")
    config = Publish(key_of_seed(run.plan.seed, _ANEW), run.processor(), indices[rows])
    try:
        faces: Faces = run.method.publish(fitted(run, made.fit), run.faces_at(indices[rows]), config)
        return faces if run.plan.encoding == "png" else Reencoded(faces, run.plan.encoding)
    except MethodError as error:
        _log.warning("the method was applied once more for the attacker, and failed: %s", error)
        raise NotApplicableError("not measured: the method failed when it was applied once more") from error


def _undeclared(what: str) -> Callable[..., Any]:
    """What is not part of an attack's key is not given to it."""

    def refuse(*given: object) -> Any:
        raise NotApplicableError(f"{NOT_MEASURED}: the attack uses what it did not declare; set `{what}` on its class")

    return refuse


def _embed(run: Context, judge: LiveJudge) -> Embed:
    return lambda faces: embed_all(judge.open(run), faces)


def _learn(run: Context, faces: Faces, progress: Progress = silent) -> Embed:
    """A recognizer of the attacker's, trained by the in-house judge's recipe; its weights are not kept."""
    from ...recognition.recognizer import train

    device = run.processor()
    with tempfile.TemporaryDirectory() as folder:
        try:
            train(faces, Path(folder), run.plan.judge, seed=run.plan.seed, device=device, progress=progress)
        except TrainingError as error:
            raise NotApplicableError(f"not measured: the attacker's recognizer cannot be trained ({error})") from error
        embed = network_embed(Path(folder) / WEIGHTS, device=device)
    return lambda others: embed_all(embed, others)
