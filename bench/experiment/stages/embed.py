"""The stages `embed/...`: faces as the judge sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ....datasets.base import Faces, Progress
from ...biometrics.embeddings import Embeddings, embed_all
from .context import Context
from .recognizers import LiveJudge
from .release import private_faces, refusal
from .stage import Stage


def of_originals(run: Context, name: str, judge: LiveJudge, ids: list[str], faces: Callable[[], Faces]) -> Stage:
    """Embed originals.

    Args:
        run: what the run is made of.
        name: of the stage, behind `embed/`.
        judge: the attacker's recognizer.
        ids: what the faces are in a key.
        faces: opens them.
    """

    def make(out: Path, progress: Progress) -> None:
        _embed(run, judge, faces(), out, progress)

    return Stage(f"embed/{name}", {"judge": judge.key(run), "faces": ids}, "faces", make)


def of_private(run: Context, name: str, judge: LiveJudge, private: Stage) -> Stage:
    """Embed private faces; nothing is written where the method could not make them.

    Args:
        run: what the run is made of.
        name: of the stage, behind `embed/`.
        judge: the attacker's recognizer.
        private: the stage that made them.
    """

    def make(out: Path, progress: Progress) -> None:
        folder = run.path(private)
        if not refusal(folder):
            _embed(run, judge, private_faces(folder), out, progress)

    return Stage(f"embed/{name}", {"judge": judge.key(run), "release": run.key(private)}, "faces", make)


def embeddings(run: Context, stage: Stage) -> Embeddings:
    """What a stage of this kind kept."""
    path = run.path(stage)
    return Embeddings(np.load(path / "vectors.npy"), np.load(path / "identity.npy"))


def _embed(run: Context, judge: LiveJudge, faces: Faces, out: Path, progress: Progress) -> None:
    seen = embed_all(judge.open(run), faces, progress=progress)
    np.save(out / "vectors.npy", seen.vectors)
    np.save(out / "identity.npy", seen.identity)
