"""The space of eigenfaces: the principal components of some faces, in pixels.

Source: Turk and Pentland, "Eigenfaces for Recognition", Journal of Cognitive Neuroscience 3(1), 1991: components by
way of the small matrix of products between images. Above SAMPLE faces a sample is taken, since the exact ones of
a large set need it in memory as a whole: 128 components of 2,000 faces of LFW hold 90 % of the variance of other
faces of it, those of 1,000 faces 89 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import SIZE, Faces

if TYPE_CHECKING:
    from torch import Tensor

SAMPLE = 2000
NUMBERS = 3 * SIZE * SIZE
"""In one face."""
_BATCH = 256
_COLUMNS = 4096
"""Pixels of the sample that are floats at one time: the whole sample would take 600 MB."""

Floats = NDArray[np.float64]


class Eigenfaces(NamedTuple):
    """A mean face and directions around it, in levels from 0 to 255."""

    mean: Floats
    """[NUMBERS], channels, rows, columns."""
    axes: Floats
    """[C, NUMBERS], orthonormal, the one with most variance first."""

    def project(self, faces: Faces) -> Floats:
        """[N, C], the coefficients of all faces, read once and a batch at a time.

        Raises:
            DataError: a face cannot be read.
        """
        from ...datasets.views.loader import in_order

        found = np.empty((len(faces), len(self.axes)))
        for rows, images, _ in in_order(faces, _BATCH):
            found[rows] = (_flat(images) - self.mean) @ self.axes.T
        return found

    def rebuild(self, coefficients: Floats) -> NDArray[np.uint8]:
        """Faces with some coefficients: uint8 [B, 3, SIZE, SIZE] from [B, C]."""
        pixels = self.mean + coefficients @ self.axes
        # averages of whole numbers often end in exactly .5: what the arithmetic adds to that must not decide
        whole = np.rint(pixels.round(6)).clip(0, 255).astype(np.uint8)
        return whole.reshape(-1, 3, SIZE, SIZE)


def eigenfaces(faces: Faces, components: int) -> Eigenfaces:
    """Find the directions in which faces differ most.

    Args:
        faces: [N]; of more than SAMPLE, as many are used, evenly spread over the set.
        components: C, how many directions; fewer where the faces have fewer.

    Raises:
        DataError: a face cannot be read.
    """
    rows = np.unique(np.linspace(0, len(faces) - 1, min(len(faces), SAMPLE)).round().astype(np.int64))
    sample = np.stack([faces[row].image.numpy().reshape(-1) for row in rows.tolist()])
    mean = sample.mean(axis=0, dtype=np.float64)
    parts = [slice(at, at + _COLUMNS) for at in range(0, NUMBERS, _COLUMNS)]
    products = np.zeros((len(rows), len(rows)))
    for part in parts:
        centred = sample[:, part] - mean[part]
        products += centred @ centred.T
    values, vectors = np.linalg.eigh(products)
    kept = np.flatnonzero(values > 1e-9 * max(values[-1], 1))[::-1][:components]
    combined = (vectors[:, kept] / np.sqrt(values[kept])).T
    axes = np.empty((len(kept), NUMBERS))
    for part in parts:
        axes[:, part] = combined @ (sample[:, part] - mean[part])
    return Eigenfaces(mean, axes)


def _flat(images: Tensor) -> Floats:
    return images.numpy().reshape(len(images), NUMBERS).astype(np.float64)
