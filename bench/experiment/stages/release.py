"""The stage `release`: the people of role P as the method makes them private, a pack with a manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....datasets.base import Faces, Progress
from ...plugins import spell
from ...store import not_for_sharing
from .context import Context
from .fit import fitted
from .stage import Stage

_REFUSED = "refused.json"
"""What a stage leaves where the method cannot be applied to other people: the reason."""


def release(run: Context, fit: Stage | None) -> Stage:
    """Make the faces of role P private.

    Args:
        run: what the run is made of.
        fit: of the method, where it learns.
    """

    def make(out: Path, progress: Progress) -> None:
        write(run, fit, run.data.places["P"], out, progress, purpose="release")

    return Stage("release", inputs(run, fit, run.data.ids["P"]), "faces", make)


def inputs(run: Context, fit: Stage | None, faces: list[str]) -> dict[str, Any]:
    """What decides the private faces of some people.

    Args:
        run: what the run is made of.
        fit: of the method, where it learns.
        faces: what the originals are in a key.
    """
    return {
        "method": spell(run.method),
        "fit": run.key(fit),
        "faces": faces,
        "seed": run.method_seed,
        "encoding": run.plan.encoding,
    }


def write(
    run: Context, fit: Stage | None, indices: NDArray[np.int64], out: Path, progress: Progress, *, purpose: str
) -> None:
    """Write the private version of some faces of the dataset into the folder `out`.

    Args:
        run: what the run is made of.
        fit: of the method, made.
        indices: [N], of the faces in the dataset, sorted by identity.
        out: gets a pack and a manifest.
        progress: told of faces done.
        purpose: of the key from which the random numbers come: another purpose, other numbers.

    Raises:
        MethodError, DataError: see `private_pack.release`.
    """
    from ....facemae.runtime.randomness import key_of_seed
    from ....methods.parts import private_pack

    private_pack.release(
        run.method,
        run.name,
        spell(run.method)["parameters"],
        fitted(run, fit),
        run.faces_at(indices),
        indices,
        out,
        key=key_of_seed(run.plan.seed, purpose),
        device=run.processor(),
        encoding=run.plan.encoding,
        progress=progress,
    )
    not_for_sharing.warn(out)


def missed(run: Context, folder: Path) -> NDArray[np.int64]:
    """Which of the originals of role P have no private face, by their rows, where the method should have made one.

    Args:
        run: what the run is made of.
        folder: of the release.

    Raises:
        MethodError: the release is not of these people.
    """
    from ....methods.parts.private_pack import sources

    made = None if run.method.complete else sources(folder, run.data.places["P"])
    return np.empty(0, np.int64) if made is None else np.setdiff1d(np.arange(len(run.data.places["P"])), made)


def private_faces(folder: Path) -> Faces:
    """The private faces that a stage wrote."""
    from ....datasets.recordio import RecordIO

    faces: Faces = RecordIO(root=folder).open()
    return faces


def refuse(out: Path, reason: str) -> None:
    """Leave the reason why the method cannot be applied, in place of private faces."""
    for left in out.iterdir():
        left.unlink()
    (out / _REFUSED).write_text(json.dumps(reason), encoding="utf-8")


def refusal(folder: Path) -> str:
    """Why a stage could not apply the method; empty where it could."""
    kept = folder / _REFUSED
    return str(json.loads(kept.read_text(encoding="utf-8"))) if kept.is_file() else ""
