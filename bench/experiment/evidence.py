"""What the attacker of a run holds, read from its stages; and the stages that are made for attackers alone.

The published method is applied to people of role A, from whom attackers learn, and of role H, the control. Both are
made once a run and shared by all attacks.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Faces, Progress, silent
from ...facemae.runtime.device import processor
from ...facemae.runtime.errors import TrainingError
from ...methods.base import Method, MethodError, NotMadeError, Publish
from ...reports.result.record import NOT_MEASURED
from ..attacks.base import Attack, Embed, Evidence, NotApplicableError, Paired, nobody
from ..biometrics.embeddings import Embeddings, embed_all
from ..plan.data import Data
from ..plan.plan import Plan
from ..plan.roles import Role
from ..plugins import name_of, spell
from ..recognition.judge import Judge, network_embed
from ..recognition.recognizer import WEIGHTS
from ..store import not_for_sharing
from .stage import Both, Step

REFUSED = "refused.json"
"""What a stage leaves where the method cannot be applied to other people: the reason."""
_log = logging.getLogger(__name__)
_ATTACKER, _ANEW = "attacker", "attacker anew"
"""Purposes of the keys with which an attacker applies the method: nobody but the owner has that of the release."""


class Run(Protocol):
    """A run whose stages are laid out."""

    plan: Plan
    data: Data
    device: str
    method: Method
    release: Step
    original: Step
    private: Step
    known: dict[Role, NDArray[np.int64]]
    both: dict[Role, Both]
    others: list[tuple[Judge, Step | None]]

    def path(self, step: Step) -> Path: ...
    def fitted(self) -> Path: ...
    def open_judge(self) -> Callable[..., NDArray[np.float32]]: ...
    def open_other(self, number: int) -> Callable[..., NDArray[np.float32]]: ...


def draw(labels: NDArray[np.int64], places: NDArray[np.int64], most: int, *, seed: int) -> NDArray[np.int64]:
    """Places of some people's faces, whole people by chance, no more than `most` faces where they can be kept to.

    Args:
        labels: of all faces of the dataset.
        places: of a role's faces.
        most: faces.
        seed: of the draw.
    """
    if len(places) <= most:
        return places
    people, counts = np.unique(labels[places], return_counts=True)
    order = np.random.default_rng((seed, 5)).permutation(len(people))
    kept = people[order[: max(4, int((counts[order].cumsum() <= most).sum()))]]
    return places[np.isin(labels[places], kept)]


def apply(run: Run, places: NDArray[np.int64], out: Path, progress: Progress) -> None:
    """Write what the method makes of the faces at some places into the folder `out`, or why it cannot."""
    from ...facemae.runtime.randomness import key_of_seed
    from ...methods.parts.private_pack import release

    faces = faces_at(run, places)
    try:
        release(
            run.method, name_of(run.method, Method), spell(run.method)["parameters"], run.fitted(), faces, places, out,
            key=key_of_seed(run.plan.seed, _ATTACKER), device=processor(run.device), encoding=run.plan.encoding,
            progress=progress,
        )  # fmt: skip
        not_for_sharing.warn(out)
    except MethodError as error:
        for left in out.iterdir():
            left.unlink()
        if isinstance(error, NotMadeError):
            reason = (
                f"{NOT_MEASURED}: the method made its private faces once and for all, and not of these people; "
                "have the tool that made them make these people's, too"
            )
        else:  # its words may name a file or a person, and the reason goes into records
            reason = f"{NOT_MEASURED}: the method failed on people of the attacker's own; --force apply says how"
            _log.warning("the method was applied to people of role A or H for the attacker, and failed: %s", error)
        (out / REFUSED).write_text(json.dumps(reason), encoding="utf-8")


def faces_at(run: Run, places: NDArray[np.int64]) -> Faces:
    """Some faces of the dataset, people numbered from zero; none where there is no place."""
    from ...datasets.views.subset import Nobody, Subset

    return Subset(run.data.faces, places) if len(places) else Nobody()


def paired(run: Run, role: Role) -> Callable[[], Paired]:
    """The people of role A or H both ways, read when they are asked for."""
    places, stages = run.known[role], run.both.get(role)
    if stages is None or not len(places):
        return nobody

    def read() -> Paired:
        from ...methods.parts.private_pack import sources

        folder = run.path(stages.apply)
        if (folder / REFUSED).is_file():
            raise NotApplicableError(str(json.loads((folder / REFUSED).read_text(encoding="utf-8"))))
        source = sources(folder, places)
        assert source is not None  # noqa: S101 - attacks that ask do not apply to methods without sources
        return Paired(
            private=embeddings(run, stages.private),
            original=embeddings(run, stages.original),
            source=source,
            private_faces=pack(folder),
            original_faces=faces_at(run, places),
            again=again(run, places),
        )

    return read


def again(run: Run, places: NDArray[np.int64]) -> Callable[[NDArray[np.int64]], Faces]:
    """Faces at some places made private once more, with other random numbers, and encoded as a release is."""

    def make(rows: NDArray[np.int64]) -> Faces:
        from ...datasets.views.reencoded import Reencoded
        from ...facemae.runtime.randomness import key_of_seed

        if not run.method.repeatable:
            raise NotApplicableError("does not apply: the method made its private faces once and for all")
        how = Publish(key_of_seed(run.plan.seed, _ANEW), processor(run.device), places[rows])
        try:
            made: Faces = run.method.publish(run.fitted(), faces_at(run, places[rows]), how)
            return made if run.plan.encoding == "png" else Reencoded(made, run.plan.encoding)
        except MethodError as error:
            _log.warning("the method was applied once more for the attacker, and failed: %s", error)
            raise NotApplicableError("not measured: the method failed when it was applied once more") from error

    return make


def pack(folder: Path) -> Faces:
    """The private faces that a stage wrote."""
    from ...datasets.recordio import RecordIO

    faces: Faces = RecordIO(root=folder).open()
    return faces


def embeddings(run: Run, step: Step) -> Embeddings:
    """Faces as the judge sees them, as a stage kept them."""
    path = run.path(step)
    return Embeddings(np.load(path / "vectors.npy"), np.load(path / "identity.npy"))


def gather(run: Run, attack: Attack, progress: Progress) -> Evidence:
    """What the attacker of a run holds: of people of their own, other recognizers and a control what it declared."""
    from ...methods.parts.private_pack import sources

    places = run.data.places["P"]
    return Evidence(
        private=embeddings(run, run.private),
        original=embeddings(run, run.original),
        source=sources(run.path(run.release), places),
        seed=run.plan.seed,
        device=processor(run.device),
        private_faces=pack(run.path(run.release)),
        original_faces=run.data.role("P"),
        attacker_faces=run.data.role("A"),
        generator_faces=run.data.role("G"),
        holdout_faces=run.data.role("H"),
        embed=lambda faces: embed_all(run.open_judge(), faces),
        attacker=paired(run, "A") if attack.adaptive else _undeclared("adaptive"),
        holdout=paired(run, "H") if attack.control else _undeclared("control"),
        again=again(run, places) if attack.adaptive or attack.applies else _undeclared("adaptive"),
        deterministic=not run.method.draws,
        judges=tuple(_other(run, number) for number in range(len(run.others) if attack.several else 0)),
        learn=partial(_learn, run) if attack.adaptive else _undeclared("adaptive"),
        progress=progress,
    )


def _undeclared(what: str) -> Callable[..., Any]:
    """What is not part of an attack's key is not given to it."""

    def refuse(*given: object) -> Any:
        raise NotApplicableError(f"{NOT_MEASURED}: the attack uses what it did not declare; set `{what}` on its class")

    return refuse


def _other(run: Run, number: int) -> Embed:
    return lambda faces: embed_all(run.open_other(number), faces)


def _learn(run: Run, faces: Faces, progress: Progress = silent) -> Embed:
    """A recognizer of the attacker's, trained by the in-house judge's recipe; its weights are not kept."""
    from ..recognition.recognizer import train

    device = processor(run.device)
    with tempfile.TemporaryDirectory() as folder:
        try:
            train(faces, Path(folder), run.plan.judge, seed=run.plan.seed, device=device, progress=progress)
        except TrainingError as error:
            raise NotApplicableError(f"not measured: the attacker's recognizer cannot be trained ({error})") from error
        embed = network_embed(Path(folder) / WEIGHTS, device=device)
    return lambda others: embed_all(embed, others)
