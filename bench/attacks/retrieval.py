"""Exact search: at which rank of the gallery a private face's original, and its person, are found.

Faiss finds the best candidates of every probe; ranks beyond them are counted from blocks of similarities, so that
no more than one block of probes by one tile of the gallery is ever in memory. It all runs on the processor:
6,000 x 6,000 faces take a fraction of a second, 200,000 x 200,000 some minutes on 16 cores. For more, count the
blocks on a GPU and sample the probes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Progress, silent
from .base import Embeddings
from .checks import check_sources, failed

TIE = 2e-6
"""Cosines closer than this are equal.

A float32 product of equal vectors differs in the last bits from place to place, because a matrix product adds up
its edges in another order than its middle (seen: 8e-7 at 512 dimensions). Without this allowance a duplicate of the
true image would, by chance of rounding, sometimes outrank it."""

KEPT = 10
"""So many best candidates of each probe are kept."""

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
    """[Q], the person of the best candidate; -1 where there is none."""


class _Gallery(NamedTuple):
    """The gallery images that did not fail, people side by side."""

    vectors: Floats
    person: Ints
    position: Ints
    """Where each is in the gallery as given."""


class _Own(NamedTuple):
    """A run of probes of one person in a block, and where that person's images lie in the sorted gallery."""

    rows: slice
    start: int
    stop: int
    similarity: Floats
    """[rows, stop - start], -inf where the source is left out."""


def ranks(
    probes: Embeddings,
    gallery: Embeddings,
    source: Ints,
    *,
    leave_out_source: bool = False,
    block: int = 1024,
    tile: int = 4096,
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
        block: probes compared at once.
        tile: gallery images compared at once.
        progress: told of probes done.

    Raises:
        AttackError: embeddings that are no unit vectors or of different widths, or sources that do not fit them.
    """
    lost_probe, lost_image = failed(probes, "private"), failed(gallery, "original")
    check_sources(probes, gallery, source)
    n, q = len(gallery.identity), len(probes.identity)
    people, counts = np.unique(gallery.identity, return_counts=True)
    found = Ranks(
        image=np.full(q, n + 1),
        identity=np.full(q, n + 1),
        own=np.full(q, np.nan, np.float32),
        other=np.full(q, np.nan, np.float32),
        linked=np.zeros(q),
        mates=counts[np.searchsorted(people, probes.identity)] - leave_out_source,
        neighbours=np.full((q, KEPT), -1),
        similarity=np.full((q, KEPT), np.nan, np.float32),
        best=np.full(q, -1),
    )
    index = _by_person(gallery.identity, ~lost_image)
    if len(index):
        images = _Gallery(_take(gallery.vectors, index), gallery.identity[index], index)
        place = np.full(n, -1)
        place[index] = np.arange(len(index))
        asked = _by_person(probes.identity, ~lost_probe)
        for start in range(0, len(asked), block):
            rows = asked[start : start + block]
            faces = Embeddings(_take(probes.vectors, rows), probes.identity[rows])
            origin = place[source[rows]]
            _search(found, rows, faces, images, origin, leave_out_source=leave_out_source, tile=tile)
            progress(min(start + block, len(asked)), len(asked))
    met = found.neighbours[:, 0] >= 0
    found.best[met] = gallery.identity[found.neighbours[met, 0]]
    return found


def _search(
    found: Ranks,
    rows: Ints,
    faces: Embeddings,
    gallery: _Gallery,
    source: Ints,
    *,
    leave_out_source: bool,
    tile: int,
) -> None:
    """Fill in the results of one block of probes; `source` is a place in the sorted gallery, or -1."""
    true, nearer, owns = _within_person(faces, gallery, source, leave_out_source)
    own = np.concatenate([run.similarity.max(axis=1, initial=-np.inf) for run in owns])
    other = np.full(len(rows), -np.inf, np.float32)
    above = np.zeros(len(rows), np.int64)
    bar = np.where(np.isneginf(own), np.inf, own + np.float32(TIE))[:, None]
    true_bar = np.where(np.isnan(true), np.inf, true + np.float32(TIE))[:, None]
    for start in range(0, len(gallery.person), tile):
        similarity = faces.vectors @ gallery.vectors[start : start + tile].T
        for run in owns:
            if run.stop > start and run.start < start + tile:
                similarity[run.rows, max(run.start - start, 0) : run.stop - start] = -np.inf
        np.maximum(other, similarity.max(axis=1), out=other)
        above += _count(similarity > bar)
        if not leave_out_source:
            nearer += _count(similarity > true_bar)
    met = ~np.isneginf(own)
    found.identity[rows[met]] = 1 + above[met]
    found.own[rows[met]], found.other[rows] = own[met], np.where(np.isneginf(other), np.nan, other)
    for run in owns:
        link = run.similarity > other[run.rows, None] + np.float32(TIE)
        found.linked[rows[run.rows]] = link.sum(axis=1) / np.maximum(found.mates[rows[run.rows]], 1)
    if not leave_out_source:
        hit = ~np.isnan(true)
        found.image[rows[hit]] = 1 + nearer[hit]
    _keep_best(found, rows, faces, gallery, source if leave_out_source else None)


def _within_person(
    faces: Embeddings, gallery: _Gallery, source: Ints, leave_out_source: bool
) -> tuple[Floats, Ints, list[_Own]]:
    """Similarity to the source (NaN if it failed), how many of the same person are nearer, and all of theirs."""
    true, nearer, owns = np.full(len(source), np.nan, np.float32), np.zeros(len(source), np.int64), []
    people, first = np.unique(faces.identity, return_index=True)
    starts = np.searchsorted(gallery.person, people, side="left").tolist()
    stops = np.searchsorted(gallery.person, people, side="right").tolist()
    for begin, end, start, stop in zip(first, [*first[1:], len(source)], starts, stops, strict=True):
        rows = slice(int(begin), int(end))
        similarity = faces.vectors[rows] @ gallery.vectors[start:stop].T
        probe = np.flatnonzero(source[rows] >= 0)
        column = source[rows][probe] - start
        true[rows][probe] = similarity[probe, column]
        if leave_out_source:
            similarity[probe, column] = -np.inf
        nearer[rows] = (similarity > true[rows, None] + np.float32(TIE)).sum(axis=1)
        owns.append(_Own(rows, start, stop, similarity))
    return true, nearer, owns


def _keep_best(found: Ranks, rows: Ints, faces: Embeddings, gallery: _Gallery, source: Ints | None) -> None:
    """Keep the best candidates; with `source`, those but the source."""
    k = min(KEPT + (source is not None), len(gallery.person))
    similarity, place = faiss.knn(faces.vectors, gallery.vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    if source is not None:
        order = np.argsort(place == source[:, None], axis=1, kind="stable")  # the source goes last, and off
        left = k - 1 if k > KEPT else k
        similarity = np.take_along_axis(similarity, order, axis=1)[:, :left]
        place = np.take_along_axis(place, order, axis=1)[:, :left]
        gone = place == source[:, None]
        similarity[gone] = np.nan
    else:
        gone = np.zeros(place.shape, np.bool_)
    found.neighbours[rows, : place.shape[1]] = np.where(gone, -1, gallery.position[place])
    found.similarity[rows, : place.shape[1]] = similarity


def _count(hits: NDArray[np.bool_]) -> Ints:
    """[B], how many of each row; row by row, because NumPy counts one run of bytes many times faster."""
    return np.fromiter(map(np.count_nonzero, hits), np.int64, len(hits))


def _by_person(identity: Ints, usable: NDArray[np.bool_]) -> Ints:
    """The usable ones' indices, people side by side."""
    index = np.flatnonzero(usable)
    return index[np.argsort(identity[index], kind="stable")]


def _take(vectors: Floats, index: Ints) -> Floats:
    """Rows in another order; no copy where they already are in it, as a pack's are."""
    whole = len(index) == len(vectors) and bool((np.diff(index) == 1).all())
    return np.ascontiguousarray(vectors if whole else vectors[index], np.float32)
