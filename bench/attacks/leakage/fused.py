"""What an attacker finds who takes all private faces of one person together.

A private set that is to train a recognizer is released with labels, so everybody knows which of its faces belong
together, and what each face tells of its person adds up.

Source: template-based identification, Klare et al. (IJB-A, CVPR 2015); the mean of embeddings is its plainest form.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ....reports.board.marks import FUSED
from ....reports.result.record import Measure, Score
from ...biometrics.embeddings import Embeddings, failed
from . import arrays
from .leak_at_k import beside, found_by

FILE = "fused.npz"
MEASURE = Measure(
    name=FUSED,
    side="privacy",
    better="lower",
    says="share of people whose private faces, taken together, are most like an original of theirs",
)


def fuse(faces: Embeddings) -> Embeddings:
    """One embedding a person: the mean of theirs, of unit length; NaN where the recognizer failed on all of them."""
    people, place = np.unique(faces.identity, return_inverse=True)
    seen = np.flatnonzero(~np.isnan(faces.vectors).any(axis=1))
    total = np.zeros((len(people), faces.vectors.shape[1]), np.float32)
    np.add.at(total, place[seen], faces.vectors[seen])
    length = np.linalg.norm(total, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return Embeddings(np.where(length > 0, total / length, np.nan).astype(np.float32), people)


def search(probes: Embeddings, gallery: Embeddings, out: Path, *, seed: int) -> None:
    """Rank every person of the probes in the whole gallery, and keep it in the folder `out`.

    Args:
        probes: [Q], private faces, each of whose people has an image in the gallery.
        gallery: [N], originals.
        out: gets what `scores` reads.
        seed: of intervals.
    """
    from ...biometrics.ranks import ranks

    people = fuse(probes)
    order = np.argsort(gallery.identity, kind="stable")
    # any image will do for the source: of a person only the rank of the best image is told
    source = order[np.searchsorted(gallery.identity[order], people.identity)]
    lost, lost_image = failed(people, "fused private"), failed(gallery, "original")
    hits = ranks(people, gallery, source)
    arrays.write(found_by(hits, people.identity, lost, lost_image, seed=seed), out / FILE)


def scores(out: Path, on: str) -> list[Score]:
    """Leak@1 by people instead of by faces."""
    return beside(out / FILE, MEASURE, on)
