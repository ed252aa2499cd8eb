"""Every probe of a block beside every gallery image of its own person: few pairs, whose similarities come first.

They are the bars that all other similarities are counted against.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .embeddings import Embeddings

PAIR_BYTES = 64
"""Memory that a pair takes at most, with what sorting it needs."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class People:
    """Which gallery images each person has."""

    def __init__(self, identity: Ints) -> None:
        """Sort the N images of the gallery by person."""
        self._label, person, self._count = np.unique(identity, return_inverse=True, return_counts=True)
        self._image = np.argsort(person, kind="stable")
        self._first = np.cumsum(self._count) - self._count

    def count(self, identity: Ints) -> Ints:
        """[Q], how many images each person has; all of them must be in the gallery."""
        return self._count[np.searchsorted(self._label, identity)]

    def images(self, labels: Ints) -> list[Ints]:
        """The images of each of some people, in the gallery's order."""
        person = np.searchsorted(self._label, labels)
        first = self._first[person]
        return [self._image[a:b] for a, b in zip(first.tolist(), (first + self._count[person]).tolist(), strict=True)]


class Mates(NamedTuple):
    """All pairs of a probe and a gallery image of its person, probe by probe and in the gallery's order."""

    row: Ints
    """[pairs], the probe."""
    place: Ints
    """[pairs], the image."""
    similarity: Floats
    """[pairs], -inf where the image failed or is left out."""
    first: Ints
    """[B], where each probe's pairs begin; none is without a pair."""
    true: Floats
    """[B], similarity to the source, even where it is left out; -inf where it failed."""

    def best(self) -> Floats:
        """[B], highest similarity to an image of the own person."""
        return np.maximum.reduceat(self.similarity, self.first)

    def above(self, bar: Floats) -> Ints:
        """[B], how many pairs of each probe are more alike than its bar."""
        return np.add.reduceat(self.similarity > bar[self.row], self.first, dtype=np.int64)


def mates(
    probes: Embeddings,
    gallery: Floats,
    lost: NDArray[np.bool_],
    people: People,
    source: Ints,
    *,
    leave_out: bool,
    tile: int,
) -> Mates:
    """Compare probes with the images of their own people.

    Args:
        probes: [B], people side by side, none failed.
        gallery: [N, D].
        lost: [N], which images failed.
        people: of the gallery.
        source: [B], the gallery index of each probe's original.
        leave_out: take the source for no mate.
        tile: images compared at once.
    """
    count = people.count(probes.identity)
    first = np.cumsum(count) - count
    row = np.repeat(np.arange(len(count)), count)
    place, similarity = np.empty(len(row), np.int64), np.empty(len(row), np.float32)
    labels, begins = np.unique(probes.identity, return_index=True)
    runs = zip(people.images(labels), np.split(probes.vectors, begins[1:]), first[begins].tolist(), strict=True)
    for images, vectors, start in runs:
        shape = len(vectors), len(images)
        stop = start + shape[0] * shape[1]
        place[start:stop].reshape(shape)[:] = images
        for a in range(0, len(images), tile):
            with np.errstate(invalid="ignore"):  # infinities of a face that failed
                similarity[start:stop].reshape(shape)[:, a : a + tile] = vectors @ gallery[images[a : a + tile]].T
    similarity[lost[place]] = -np.inf
    at_source = np.flatnonzero(place == source[row])
    true = similarity[at_source]
    if leave_out:
        similarity[at_source] = -np.inf
    return Mates(row, place, similarity, first, true)
