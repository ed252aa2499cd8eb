"""What a recognizer sees: embeddings of faces, and how alike it finds the two faces of each pair."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ... import FacebenchError
from ...datasets.base import Pairs, Progress, silent
from ...reports.result.files import why
from ..biometrics.folds import by_content, in_blocks
from ..biometrics.roc import PairScores
from .judge import Embed

SCORES = "scores.npz"
LAYOUT = 2
"""Of what `verify` keeps, a part of its stages' keys: with 2 came folds."""


class ScoresError(FacebenchError, ValueError):
    """Kept scores that cannot be read; the message says which file and what to do."""


def verify(embed: Embed, pairs: Pairs, out: Path, *, progress: Progress = silent) -> None:
    """Score every pair of a verification set and keep scores and embeddings in the folder `out`.

    Source: the flip-summed, normalised embedding and the pair order of InsightFace's verification; a face the
    recognizer failed on gives a similarity of NaN. Folds are kept where the set's list has them; where it does not, and
    the set is no LFW-like one of ten blocks, those by the content of the faces are.
    """
    first, second, same, fold = pairs
    n = len(same)
    left = embed(first, lambda done, total: progress(done, 2 * n))
    right = embed(second, lambda done, total: progress(n + done, 2 * n))
    similarity = np.einsum("nd,nd->n", left.astype(np.float64), right.astype(np.float64))
    kept = {"similarity": similarity, "same": same}
    official = fold is not None
    if fold is None and not in_blocks(same):  # the order of the pairs is to change no number
        fold = by_content(first.numpy(), second.numpy(), same)
    if fold is not None:
        kept |= {"fold": fold, "official": np.array(official)}
    np.savez(out / SCORES, **kept)
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
            fold = kept["fold"].astype(np.int64) if "fold" in kept else None
            official = fold is not None and bool(kept["official"])
            return PairScores(kept["similarity"].astype(np.float64), kept["same"].astype(np.bool_), fold, official)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ScoresError(f"scores {path}: cannot be read ({why(error)}); run again with --force verify") from error
