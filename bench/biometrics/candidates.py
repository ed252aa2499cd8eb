"""The best candidates of every probe, kept while tiles of similarities pass by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CROWD = 32
"""Where more than this many of a tile, on average, beat the worst kept one, they are thinned to the k best."""
PENDING = 8
"""Candidates of a probe, on average, that wait to be sorted in."""
PROBE_BYTES = 64 * (CROWD + PENDING)
"""Memory that one probe's candidates take at most while they are sorted."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Candidates:
    """The k best candidates of each of B probes; of equal ones, those with the lower place.

    Tiles are offered in rising order of places. A similarity of -inf is no candidate. Of N images in any order, about
    k ln(N / k) of a probe are ever among its k best, so most tiles change little, and sorting waits until it pays.
    """

    def __init__(self, probes: int, k: int) -> None:
        self.k = k
        self.similarity = np.full((probes, k), -np.inf, np.float32)
        """[B, k], best first, as of the last `settle`; -inf where there are no more."""
        self.place = np.full((probes, k), -1, np.int64)
        """[B, k], where each is in the gallery; -1 likewise."""
        self._waiting: list[tuple[Ints, Ints, Floats]] = []
        """Rows, places and similarities."""

    def offer(self, rows: slice, similarity: Floats, best: Floats, start: int) -> None:
        """Note what is better than the worst kept one.

        Args:
            rows: whose similarities they are.
            similarity: [R, T], theirs with one tile of the gallery.
            best: [R], the maximum of each row.
            start: the place of the tile's first image.
        """
        worst = self.similarity[rows, -1]
        if (best > worst).any():
            better = _places(self._better(similarity, worst[:, None]))
            row, column = np.divmod(better, similarity.shape[1])
            self._waiting.append((rows.start + row, start + column, similarity[row, column]))

    def settle(self, *, last: bool = False) -> None:
        """Sort in what waits, between two tiles if it is much, and after the last tile in any case."""
        probes = len(self.place)
        if not last and sum(len(row) for row, _, _ in self._waiting) < PENDING * probes:
            return
        kept = np.repeat(np.arange(probes), self.k), self.place.ravel(), self.similarity.ravel()
        row, place, similarity = map(np.concatenate, zip(kept, *self._waiting, strict=True))
        self._waiting.clear()
        # stable, and what came first has the lower place
        order = np.lexsort((-similarity, row))
        count = np.bincount(row)
        chosen = order[(np.cumsum(count) - count)[:, None] + np.arange(self.k)]
        self.similarity, self.place = similarity[chosen], place[chosen]

    def _better(self, similarity: Floats, worst: Floats) -> NDArray[np.bool_]:
        """[R, T], what is kept for now; in a first tile, and where the best come last, at most k of a row."""
        better: NDArray[np.bool_] = similarity > worst
        if similarity.shape[1] > CROWD and np.count_nonzero(better) > CROWD * len(better):
            bar = np.partition(similarity, -self.k, axis=1)[:, -self.k, None]
            better &= similarity >= bar
            if np.count_nonzero(better) > self.k * len(better):  # the k-th is not alone
                better &= (similarity > bar) | ((similarity == bar).cumsum(axis=1) <= self.k)
        return better


def _places(hits: NDArray[np.bool_]) -> Ints:
    """Flat places of the few that are true: words of 64 are looked through first, which takes half the time."""
    if hits.size % 64:
        return np.flatnonzero(hits)
    words = np.flatnonzero(np.packbits(hits).view(np.uint64))
    word, place = np.nonzero(hits.reshape(-1, 64)[words])
    return words[word] * 64 + place
