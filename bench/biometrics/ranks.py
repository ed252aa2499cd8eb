"""Exact search: at which rank of the gallery a private face's original, and its person, are found.

Every similarity is computed once, a block of probes by a tile of the gallery, looked at while it is in the
processor's cache, and forgotten. What it takes, and what it would take at hundreds of thousands of faces:
`docs/retrieval.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Progress, silent
from . import blas
from .candidates import PROBE_BYTES, Candidates
from .embeddings import AttackError, Embeddings, check_sources, failed
from .mates import PAIR_BYTES, Mates, People, mates

TIE = 2e-6
"""Cosines closer than this are equal.

A float32 product of equal vectors differs in the last bits from place to place, because a matrix product adds up
its edges in another order than its middle (seen: 8e-7 at 512 dimensions). Without this allowance a duplicate of the
true image would, by chance of rounding, sometimes outrank it."""

TOP_K = 10
"""So many best candidates of each probe are kept."""

MEMORY = 2**28
"""Bytes that a search takes beside what it was given and what it gives back."""
LEAST_MEMORY = 2**24

BLOCK, TILE = 512, 10240
"""So many probes and gallery images at once, if memory allows: a product of 20 MiB stays near the cache.

A row must be longer than the 8,192 numbers of `numpy.getbufsize`: shorter ones are copied to be compared with a bar."""

STRIP = 64
"""Probes whose similarities are looked at together."""
STRIP_BYTES = 32
"""Memory that looking at one similarity takes at most."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Ranks:
    """What the search found for each of Q probes among N gallery images. A rank of N + 1 means: not found."""

    image: Ints
    """[Q], 1 + the number of gallery images more alike than the source image; N + 1 where it was left out."""
    identity: Ints
    """[Q], rank of the best image of the probe's person."""
    own: Floats
    """[Q], similarity of that image; NaN where nothing of the person could be compared."""
    other: Floats
    """[Q], highest similarity to another person; NaN likewise."""
    linked: NDArray[np.float64]
    """[Q], share of the person's images that are more alike than every image of another person."""
    mates: Ints
    """[Q], gallery images of the probe's person, failed ones too, a left-out source not."""
    neighbours: Ints
    """[Q, KEPT], the best candidates, best first, as gallery indices; -1 where there are no more."""
    similarity: Floats
    """[Q, KEPT], theirs; NaN where there are no more."""
    best: Ints
    """[Q], label of the first of them; -1 where there is none."""


def ranks(
    probes: Embeddings,
    gallery: Embeddings,
    source: Ints,
    *,
    leave_out_source: bool = False,
    memory: int = MEMORY,
    block: int = BLOCK,
    tile: int = TILE,
    progress: Progress = silent,
) -> Ranks:
    """Rank the source image and the person of every probe by cosine, ties counted against the defender.

    A failed probe is not found at any rank, nor is a source that failed, nor a person whose every gallery image
    failed. Failed gallery images stay in N, behind all others.

    Args:
        probes: [Q], the private faces.
        gallery: [N], the originals.
        source: [Q], the gallery index of each probe's original.
        leave_out_source: search as if each probe's own source image were not in the gallery.
        memory: bytes to take at most, whatever Q and N are, beside arguments, result and 32 bytes for each image of
            the gallery. Where a person has so many images that the pairs of one probe exceed it, they exceed it.
        block: probes compared at once, at most.
        tile: gallery images compared at once, at most.
        progress: told of probes done.

    Raises:
        AttackError: embeddings that are no unit vectors or of different widths, sources that do not fit them, or
            less than 16 MiB of memory.
    """
    if memory < LEAST_MEMORY:
        raise AttackError(f"memory: expected at least {LEAST_MEMORY} bytes to search with, got {memory}; allow more")
    lost_probe, lost_image = failed(probes, "private"), failed(gallery, "original")
    check_sources(probes, gallery, source)
    n, q = len(gallery.identity), len(probes.identity)
    people = People(gallery.identity)
    count = people.count(probes.identity)
    found = Ranks(
        image=np.full(q, n + 1),
        identity=np.full(q, n + 1),
        own=np.full(q, np.nan, np.float32),
        other=np.full(q, np.nan, np.float32),
        linked=np.zeros(q),
        mates=count - leave_out_source,
        neighbours=np.full((q, TOP_K), -1),
        similarity=np.full((q, TOP_K), np.nan, np.float32),
        best=np.full(q, -1),
    )
    asked = np.flatnonzero(~lost_probe)
    asked = asked[np.argsort(probes.identity[asked], kind="stable")]  # people side by side
    vectors = np.ascontiguousarray(gallery.vectors, np.float32)

    def search(rows: Ints) -> int:
        faces = Embeddings(np.ascontiguousarray(probes.vectors[rows], np.float32), probes.identity[rows])
        own = mates(faces, vectors, lost_image, people, source[rows], leave_out=leave_out_source, tile=tile)
        one = _Search(own, tile, n, image=not leave_out_source)
        one.run(faces.vectors, vectors, lost_image, source[rows] if leave_out_source else None)
        one.tell(found, rows)
        return len(rows)

    with blas.threads() as most:
        threads = min(most, memory // LEAST_MEMORY)
        memory //= threads
        tile = min(tile, n, memory // (4 * STRIP * STRIP_BYTES))
        block = min(block, max(STRIP, -(-len(asked) // threads)))  # none is left without
        blocks = _blocks(asked, count[asked], tile, vectors.shape[1], memory, block)
        done = 0
        with ThreadPoolExecutor(threads, thread_name_prefix="search") as pool:
            for rows in pool.map(search, blocks):
                done += rows
                progress(done, len(asked))
    found.best[:] = np.where(found.neighbours[:, 0] < 0, -1, gallery.identity[found.neighbours[:, 0]])
    return found


def _blocks(asked: Ints, count: Ints, tile: int, width: int, memory: int, most: int) -> Iterator[Ints]:
    """Cut probes into blocks that fit into memory, one probe at least."""
    left = memory - tile * (STRIP * STRIP_BYTES + 4 * width)
    taken = np.cumsum(PAIR_BYTES * count + 8 * tile + 8 * width + PROBE_BYTES)
    start = 0
    while start < len(asked):
        before = taken[start - 1] if start else 0
        stop = int(np.searchsorted(taken, before + left, side="right"))
        stop = max(start + 1, min(stop, start + most))
        yield asked[start:stop]
        start = stop


class _Search:
    """One block of B probes against the whole gallery."""

    def __init__(self, own: Mates, tile: int, n: int, *, image: bool) -> None:
        self.own = own
        self.tile = tile
        self.best_own = own.best()
        self.bar = _bar(self.best_own)
        self.true_bar = _bar(own.true if image else np.full_like(own.true, -np.inf))
        rows = len(own.first)
        self.other = np.full(rows, -np.inf, np.float32)
        self.above = np.zeros(rows, np.int64)
        """Images of others that are more alike than every one of the own person."""
        self.nearer = np.zeros(rows, np.int64)
        """Images of others that are more alike than the source."""
        self.kept = Candidates(rows, min(TOP_K, n))

    def run(self, probes: Floats, gallery: Floats, lost: NDArray[np.bool_], left_out: Ints | None) -> None:
        """Compare with every tile."""
        rows, n = len(probes), len(gallery)
        strips = [slice(a, min(a + STRIP, rows)) for a in range(0, rows, STRIP)]
        cell = self.own.place // self.tile * len(strips) + self.own.row // STRIP  # pairs by tile and strip
        order = np.argsort(cell, kind="stable")
        edge = np.searchsorted(cell[order], np.arange(-(-n // self.tile) * len(strips) + 1))
        product = np.empty((rows, self.tile), np.float32)
        for t, start in enumerate(range(0, n, self.tile)):
            images = gallery[start : start + self.tile]
            similarity = product[:, : len(images)]
            with np.errstate(invalid="ignore"):  # infinities of a face that failed
                np.matmul(probes, images.T, out=similarity)
            similarity[:, lost[start : start + self.tile]] = -np.inf
            if left_out is not None:
                row = np.flatnonzero((left_out >= start) & (left_out < start + self.tile))
                similarity[row, left_out[row] - start] = -np.inf
            for s, strip in enumerate(strips):
                pairs = order[edge[t * len(strips) + s] : edge[t * len(strips) + s + 1]]
                self._look(strip, similarity[strip], pairs, start)
            self.kept.settle()
        self.kept.settle(last=True)

    def _look(self, rows: slice, similarity: Floats, pairs: Ints, start: int) -> None:
        """Take from a strip of similarities what is wanted; `pairs`, its own, are struck out for the counts."""
        best = similarity.max(axis=1)
        self.kept.offer(rows, similarity, best, start)
        if len(pairs):
            row = self.own.row[pairs] - rows.start
            similarity[row, self.own.place[pairs] - start] = -np.inf
            row = np.unique(row)
            best[row] = similarity[row].max(axis=1)
        np.maximum(self.other[rows], best, out=self.other[rows])
        for bar, count in ((self.true_bar, self.nearer), (self.bar, self.above)):
            if (best > bar[rows]).any():
                count[rows] += _count(similarity > bar[rows, None])

    def tell(self, found: Ranks, rows: Ints) -> None:
        """Fill in the results of the block's probes, `rows`."""
        own, other = self.best_own, self.other
        met, hit = np.isfinite(own), np.isfinite(self.true_bar)
        found.identity[rows[met]] = 1 + self.above[met]
        found.own[rows[met]], found.other[rows] = own[met], _known(other)
        linked = self.own.above(other + np.float32(TIE))
        found.linked[rows] = linked / np.maximum(found.mates[rows], 1)
        found.image[rows[hit]] = 1 + (self.nearer + self.own.above(self.true_bar))[hit]
        k = self.kept.place.shape[1]
        found.neighbours[rows, :k], found.similarity[rows, :k] = self.kept.place, _known(self.kept.similarity)


def _bar(similarity: Floats) -> Floats:
    """What must be exceeded to be more alike; nothing is where there is nothing to be more alike than."""
    return np.where(np.isneginf(similarity), np.float32(np.inf), similarity + np.float32(TIE))


def _known(similarity: Floats) -> Floats:
    """NaN where nothing could be compared."""
    return np.where(np.isneginf(similarity), np.float32(np.nan), similarity)


def _count(hits: NDArray[np.bool_]) -> Ints:
    """[R], how many of each row; 64 to a word, which takes a quarter of the time of `count_nonzero` by rows."""
    bits = np.packbits(hits, axis=1)
    words = bits if bits.shape[1] % 8 else bits.view(np.uint64)
    count: Ints = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    return count
