"""Whether a set of faces is what it should be: every image decoded and hashed once."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..base import DataError, Faces, Progress, silent

_BLOCK = 64
_REASONS = 1000
"""Reasons kept in full; a set of five million images of a wrong size must not fill the memory with text."""


class Undecodable(NamedTuple):
    """A face that cannot be read."""

    face: int
    reason: str


@dataclass(frozen=True)
class Report:
    """What `check` found. Indices are numbers of faces, people are labels."""

    identities: int
    images: int
    undecodable: tuple[Undecodable, ...]
    out_of_range: tuple[int, ...]
    """Faces whose label is no identity's."""
    duplicates: tuple[tuple[int, ...], ...]
    """Groups of faces whose encoded bytes are equal."""
    duplicates_across: tuple[tuple[int, ...], ...]
    """Those of the groups that hold two people or more."""
    single_image: tuple[int, ...]
    """People with one image: they have no pair, and cannot be found by another photo."""
    no_image: tuple[int, ...]
    card_identities: int | None
    card_images: int | None
    odd_ranges: tuple[int, ...] = ()
    """Of a pack with a record for each identity, those that do not say where exactly one person's faces are."""

    @property
    def fits_card(self) -> bool:
        """Whether the counts are those of the card; true where there is no card."""
        return self.card_identities in (None, self.identities) and self.card_images in (None, self.images)

    @property
    def usable(self) -> bool:
        """Whether every face can be read and belongs to somebody, and counts and ranges are right."""
        return self.fits_card and not (self.undecodable or self.out_of_range or self.odd_ranges)

    @property
    def repeated(self) -> int:
        """How many images would go if of every group of duplicates one were kept."""
        return sum(len(group) - 1 for group in self.duplicates)


def check(
    faces: Faces,
    *,
    card_identities: int | None = None,
    card_images: int | None = None,
    progress: Progress = silent,
) -> Report:
    """Read every face once; nothing found is an error here, it is reported.

    Args:
        faces: what to check.
        card_identities: how many people there should be.
        card_images: how many images there should be.
        progress: told as faces are read.
    """
    total = len(faces)
    digests = np.zeros((total, 2), np.uint64)  # 128 bits: equal by chance once in 1e25 for five million images
    readable = np.zeros(total, np.bool_)
    undecodable: list[Undecodable] = []
    for part in _blocks(faces):
        digests[part.first : part.end] = part.digests
        readable[part.first : part.end] = part.readable
        for index, reason in part.undecodable:
            kept = reason if len(undecodable) < _REASONS else f"as the first {_REASONS}, or otherwise"
            undecodable.append(Undecodable(index, kept))
        progress(part.end, total)
    labels = faces.labels
    inside = (labels >= 0) & (labels < faces.identities)
    sizes = np.bincount(labels[inside], minlength=faces.identities)
    groups = _groups(digests, readable)
    return Report(
        identities=faces.identities,
        images=total,
        undecodable=tuple(undecodable),
        out_of_range=tuple(np.flatnonzero(~inside).tolist()),
        duplicates=groups,
        duplicates_across=tuple(group for group in groups if len(set(labels[list(group)].tolist())) > 1),
        single_image=tuple(np.flatnonzero(sizes == 1).tolist()),
        no_image=tuple(np.flatnonzero(sizes == 0).tolist()),
        card_identities=card_identities,
        card_images=card_images,
        odd_ranges=_odd_ranges(getattr(faces, "ranges", None), labels, sizes),
    )


def _odd_ranges(
    ranges: NDArray[np.float32] | None, labels: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[int, ...]:
    """The identity records, from 0, that are not [first, end) of all faces of one person, as numbers of records."""
    if ranges is None or not len(ranges):
        return ()
    with np.errstate(invalid="ignore"):  # NaN is no whole number
        whole = (ranges == np.floor(ranges)) & (ranges >= 1) & (ranges <= np.float32(len(labels) + 1))
    good = whole.all(axis=1)
    bounds = np.where(whole, ranges, 1).astype(np.int64).clip(1, len(labels) + 1) - 1  # face i is record i + 1
    first, end = bounds[:, 0], bounds[:, 1]
    good &= first <= end
    changes = np.concatenate([[0], np.cumsum(labels[1:] != labels[:-1]), [0]])
    some = good & (first < end)
    starts, last = first.clip(max=len(labels) - 1), (end - 1).clip(0)
    one = changes[starts] == changes[last]  # nobody else in between
    good &= ~some | (one & (sizes[labels[starts].clip(0, len(sizes) - 1)] == end - first))
    return tuple(np.flatnonzero(~good).tolist())


class _Part(NamedTuple):
    first: int
    end: int
    digests: NDArray[np.uint64]
    readable: NDArray[np.bool_]
    """Whether the bytes could be read; they may still be no image."""
    undecodable: list[tuple[int, str]]


def _blocks(faces: Faces) -> Iterator[_Part]:
    total, threads = len(faces), os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads, thread_name_prefix="check")
    waiting: deque[Future[_Part]] = deque()
    try:
        for at in range(0, total, _BLOCK):
            waiting.append(pool.submit(_examine, faces, at, min(at + _BLOCK, total)))
            if len(waiting) > 4 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _examine(faces: Faces, first: int, end: int) -> _Part:
    digests = np.zeros((end - first, 2), np.uint64)
    readable = np.zeros(end - first, np.bool_)
    undecodable = []
    for index in range(first, end):
        try:
            data = faces.encoded(index)
            digests[index - first] = np.frombuffer(hashlib.blake2b(data, digest_size=16).digest(), np.uint64)
            readable[index - first] = True
            faces[index]
        except DataError as error:
            undecodable.append((index, str(error)))
    return _Part(first, end, digests, readable, undecodable)


def _groups(digests: NDArray[np.uint64], readable: NDArray[np.bool_]) -> tuple[tuple[int, ...], ...]:
    """The indices of equal digests, in groups of two and more, in the order of their first members."""
    chosen = np.flatnonzero(readable)
    order = chosen[np.lexsort((chosen, digests[chosen, 1], digests[chosen, 0]))]
    edges = np.flatnonzero((digests[order][1:] != digests[order][:-1]).any(axis=1)) + 1
    starts, ends = np.append(0, edges), np.append(edges, len(order))
    some = np.flatnonzero(ends - starts > 1)
    return tuple(sorted(tuple(order[starts[group] : ends[group]].tolist()) for group in some))
