"""Closed-set identification: how often the recognizer that was trained on private faces finds a person of the hold-out.

The people are those of role H, whom no network of the run has seen, with their original faces: one image of each is the
gallery, all others are probes.

Source: ISO/IEC 19795-1, closed-set identification, rank 1.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ...datasets.base import Faces, Progress, silent
from ...reports.result.files import why
from ...reports.result.record import Measure, Score
from ...reports.statistics.intervals import clustered
from ..biometrics.embeddings import Embeddings, embed_all
from ..biometrics.matching import draw
from .judge import Embed
from .verification import ScoresError

FILE = "identified.npz"
VERSION = 2
"""Raised when the same ranks give another score or interval."""
ON = "hold-out"
_DRAW = 20
"""Number of this draw of faces, beside the run's seed; the attacks' draws have others."""

MEASURE = Measure(
    name="rank-1",
    side="utility",
    better="higher",
    says="share of original hold-out faces whose person the trained recognizer finds among one image of each of them",
)


def identify(embed: Embed, faces: Faces, out: Path, *, seed: int, progress: Progress = silent) -> None:
    """Search every face that is not in the gallery, and keep in the folder `out` which were found.

    A probe is found where the image of its person is more alike than that of every other person; equal
    similarities do not count, else a recognizer to which all faces are one would find everybody. What the recognizer
    fails on is not found.

    Args:
        embed: the recognizer.
        faces: of the hold-out, which may be nobody's.
        out: an empty folder.
        seed: of the choice of the gallery's images.
        progress: told of faces done.
    """
    from ..biometrics.ranks import ranks

    labels = np.asarray(faces.labels, dtype=np.int64)
    gallery = np.sort(draw(labels, people=len(labels), each=1, seed=(seed, _DRAW)))
    probes = np.setdiff1d(np.arange(len(labels)), gallery)
    found = np.zeros(len(probes), np.bool_)
    failed = np.zeros(len(probes), np.bool_)
    if len(probes) and len(gallery) > 1:
        seen = embed_all(embed, faces, progress=progress)
        asked, searched = (Embeddings(seen.vectors[rows], seen.identity[rows]) for rows in (probes, gallery))
        order = np.argsort(searched.identity)
        own = order[np.searchsorted(searched.identity, asked.identity, sorter=order)]
        found[:] = ranks(asked, searched, own).linked > 0  # ahead of all others, by more than rounding
        failed[:] = np.isnan(asked.vectors).any(axis=1)
    np.savez(out / FILE, found=found, failed=failed, person=labels[probes], gallery=len(gallery), seed=seed)


def score(folder: Path) -> Score:
    """Rank-1 identification from what `identify` kept, with an interval over people.

    Raises:
        ScoresError: it is missing or damaged.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            found, failed, person = (kept[name] for name in ("found", "failed", "person"))
            gallery = int(kept["gallery"])
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ScoresError(f"{path}: cannot be read ({why(error)}); run again with --force identify") from error
    detail: dict[str, float | None] = {"gallery": gallery, "people": len(np.unique(person))}
    if not len(found) or gallery < 2:
        note = (
            f"identification needs two people of role H and a second image of one, got {gallery} people with "
            f"{len(found)} images beyond the first; give H a larger share (--set roles.H=...)"
        )
        return Score(measure=MEASURE, on=ON, value=None, n=len(found), detail=detail, note=note)
    return Score(
        measure=MEASURE,
        on=ON,
        value=float(found.mean()),
        n=len(found),
        intervals=clustered(found, person),
        chance=1 / gallery,
        detail={**detail, "failures": int(failed.sum())},
    )
