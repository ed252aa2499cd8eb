"""Whether a foreign recognizer can be a judge at all: it is asked for the same few faces twice, in other company."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..recognition.embedder import SIZE
from ..runtime.checkpoint import WeightsError

WIDEST = 65_536
"""Numbers of an embedding; recognizers have 128 to 1024."""
SAME = 1e-3
"""Relative distance of two embeddings of one image in one batch that rounding explains, on a GPU too."""
ALIKE = 1e-2
"""The same of one image in two batches; half precision rounds otherwise in each."""
BLIND = 1e-5
"""Unit vectors of unlike images that are no further apart than this tell nobody from anybody."""


def probes() -> NDArray[np.uint8]:
    """Three unlike images of the size of faces: [3, 3, 112, 112], without black, white, or a face."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    made = []
    for number in range(3):
        drawn = np.random.default_rng(number)
        base, noise = drawn.uniform(60, 190, (3, 1, 1)), drawn.normal(0, 8, (3, SIZE, SIZE))
        (a, b), phase = drawn.uniform(2, 9, (2, 3, 1, 1)), drawn.uniform(0, 6.3, (3, 1, 1))
        made.append(np.clip(base + 35 * np.sin(a * x + b * y + phase) + noise, 20, 235))
    return np.stack(made).astype(np.uint8)


def ask(path: Path, embed: Callable[[NDArray[np.uint8]], NDArray[np.float32]], *, hint: str = "") -> int:
    """Ask for three faces at once, for two of them in the other order, and for one alone.

    Args:
        path: of the model, for messages.
        embed: uint8 [N, 3, 112, 112] to [N, D]; N is 1 to 3.
        hint: what may be wrong with the preprocessing, for messages.

    Returns:
        D.

    Raises:
        WeightsError: an embedding is not finite, far too long, changes from call to call or with the other faces of its
            batch, or is the same for all.
    """
    faces = probes()
    first = embed(faces)
    wide = first.shape[1]
    if wide > WIDEST:
        raise WeightsError(f"judge {path}: output: expected at most {WIDEST:,} numbers a face, got {wide:,}")
    lengths = np.linalg.norm(first.astype(np.float64), axis=1)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise WeightsError(
            f"judge {path}: expected finite embeddings, got NaN, infinity or zeros for images that no recognizer fails "
            f"on; check its preprocessing{hint}, or use another file"
        )
    others = np.concatenate([embed(faces[[2, 0]]), embed(faces[[1]])])
    moved = _apart(others, first[[2, 0, 1]])
    if moved > SAME:
        again = _apart(embed(faces), first)
        if again > SAME:
            raise WeightsError(
                f"judge {path}: expected equal embeddings of equal faces, got other ones each time (by {again:.2%}); "
                "it draws random numbers, as dropout does while training: export it for inference (`model.eval()`)"
            )
    if moved > ALIKE:
        raise WeightsError(
            f"judge {path}: expected an embedding that depends on its face alone, got one that depends on the other "
            f"faces of the batch, too (by {moved:.2%}); export it for inference (`model.eval()`), and without scales "
            "that are found while it runs"
        )
    units = first / lengths[:, None]
    if max(np.linalg.norm(units[one] - units[other]) for one, other in ((0, 1), (0, 2), (1, 2))) <= BLIND:
        raise WeightsError(
            f"judge {path}: expected other embeddings of other faces, got the same one for all; check its "
            f"preprocessing{hint}, or use another file"
        )
    return int(wide)


def _apart(got: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """The largest distance of two embeddings of one face, by the length of the embedding."""
    known = expected.astype(np.float64)
    found = float((np.linalg.norm(got - known, axis=1) / np.linalg.norm(known, axis=1)).max())
    return found if np.isfinite(found) else np.inf
