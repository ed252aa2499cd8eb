"""What a recognizer sees: embeddings of faces, and how alike it finds the two faces of each pair."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ..datasets.base import Pairs, Progress, silent
from .judge import Embed
from .metrics.base import PairScores

SCORES = "scores.npz"


class ScoresError(ValueError):
    """Kept scores that cannot be read; the message says which file and what to do."""


def verify(embed: Embed, pairs: Pairs, out: Path, *, progress: Progress = silent) -> None:
    """Score every pair of a verification set and keep scores and embeddings in the folder `out`.

    Source: the flip-summed, normalised embedding and the pair order of InsightFace's verification; a face the
    recognizer failed on gives a similarity of NaN.
    """
    first, second, same = pairs
    n = len(same)
    left = embed(first, lambda done, total: progress(done, 2 * n))
    right = embed(second, lambda done, total: progress(n + done, 2 * n))
    similarity = np.einsum("nd,nd->n", left.astype(np.float64), right.astype(np.float64))
    np.savez(out / SCORES, similarity=similarity, same=same)
    np.savez(out / "embeddings.npz", first=left, second=right)


def read(folder: Path) -> PairScores:
    """The scores that `verify` kept.

    Raises:
        ScoresError: they are missing or damaged.
    """
    path = folder / SCORES
    try:
        # opened here, because np.load leaves a damaged file open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return PairScores(kept["similarity"].astype(np.float64), kept["same"].astype(np.bool_))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ScoresError(f"scores {path}: cannot be read ({error}); run again with --force verify") from error
