"""What a release tells of its originals beside its pictures: order, sizes, headers, equal files, photos per person.

Each channel is a guess of the attacker's: for every private face, in the order in which it is published, the original
that it would be if this channel told it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

NO_GUESS = -1
_JPEG, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


@dataclass(frozen=True)
class Files:
    """Image files as whoever holds them sees them."""

    identity: NDArray[np.int64]
    """[N], whose face each is; faces of one person stand together."""
    size: NDArray[np.int64]
    """[N], bytes of each file."""
    header: Sequence[str]
    """[N], digest of all of a file but its size, its pixels and their checksums: tables, chunks, comments, EXIF."""
    content: Sequence[str]
    """[N], digest of the whole file."""

    @classmethod
    def look(cls, identity: NDArray[np.int64], files: Iterable[bytes]) -> Files:
        """Look at some files, of which no more than one is held at once."""
        seen = [(len(file), _digest(header(file)), _digest(file)) for file in files]
        size, headers, content = zip(*seen, strict=True) if seen else ((), (), ())
        return cls(identity, np.array(size, np.int64), headers, content)

    @classmethod
    def unseen(cls, identity: NDArray[np.int64]) -> Files:
        """Files that nobody has to look at, since those that they are compared with tell nothing."""
        return cls(identity, np.zeros(len(identity), np.int64), [""] * len(identity), [""] * len(identity))

    @property
    def differ(self) -> bool:
        """Whether headers differ, or some files are equal: else neither tells anything."""
        return len(set(self.header)) > 1 or len(set(self.content)) < len(self.content)

    def take(self, rows: NDArray[np.int64], identity: NDArray[np.int64]) -> Files:
        """Some of them, of these people."""
        header, content = ([each[row] for row in rows.tolist()] for each in (self.header, self.content))
        return Files(identity, self.size[rows], header, content)


def guesses(private: Files, original: Files, *, seed: int, plain: bool) -> Mapping[str, NDArray[np.int64]]:
    """By channel, [Q]: which original each private face would be, or `NO_GUESS`.

    Args:
        private: [Q], as published.
        original: [N], as the attacker has them, in their usual order.
        seed: by which ties are broken.
        plain: whether private files hold nothing but their pixels, so that their sizes tell nothing beside these.
    """
    silent = np.full(len(private.size), NO_GUESS, np.int64)
    return {
        "order of faces": _in_turn(np.arange(len(private.size)), np.arange(len(original.size))),
        "order of people": _by_people(_people(private.identity), _people(original.identity), len(private.size)),
        "photos per person": _by_people(
            _by_count(_people(private.identity), seed),
            _by_count(_people(original.identity), seed + 1),
            len(private.size),
        ),
        "size of file": silent if plain else _in_turn(_sorted(private.size, seed), _sorted(original.size, seed + 1)),
        "header of file": _by_value(private.header, original.header),
        "equal files": _by_value(_twins(private.content), _twins(original.content)),
    }


def _people(identity: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The rows of each person, people in the order of their first row."""
    _, first, place = np.unique(identity, return_index=True, return_inverse=True)
    rows = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
    return [rows[person] for person in np.argsort(first, kind="stable")]


def _by_count(people: list[NDArray[np.int64]], seed: int) -> list[NDArray[np.int64]]:
    """Those with most photos first, people with equally many at random."""
    mixed = np.random.default_rng((seed, 11)).permutation(len(people))
    return sorted((people[person] for person in mixed), key=len, reverse=True)


def _by_people(
    private: Sequence[NDArray[np.int64]], original: Sequence[NDArray[np.int64]], count: int
) -> NDArray[np.int64]:
    """Person by person in turn, and their faces in turn."""
    guess = np.full(count, NO_GUESS, np.int64)
    for mine, other in zip(private, original, strict=False):
        shared = min(len(mine), len(other))
        guess[mine[:shared]] = other[:shared]
    return guess


def _sorted(values: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Rows by their value, equal ones at random."""
    return np.lexsort((np.random.default_rng((seed, 12)).permutation(len(values)), values))


def _in_turn(private: NDArray[np.int64], original: NDArray[np.int64]) -> NDArray[np.int64]:
    """The k-th of the one is the k-th of the other."""
    guess = np.full(len(private), NO_GUESS, np.int64)
    shared = min(len(private), len(original))
    guess[private[:shared]] = original[:shared]
    return guess


def _by_value(private: Sequence[str | None], original: Sequence[str | None]) -> NDArray[np.int64]:
    """The original whose value is equal, where values of private files differ at all; the first of several."""
    if len(set(private)) < 2:
        return np.full(len(private), NO_GUESS, np.int64)
    first: dict[str, int] = {}
    for row, value in enumerate(original):
        if value is not None:
            first.setdefault(value, row)
    return np.array([NO_GUESS if value is None else first.get(value, NO_GUESS) for value in private], np.int64)


def _twins(content: Sequence[str]) -> list[str | None]:
    """Of each file that is there more than once, how often; None for others."""
    often = Counter(content)
    return [f"{often[value]} copies" if often[value] > 1 else None for value in content]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_plain(file: bytes, pixels: Tensor) -> bool:
    """Whether a file holds its pixels, as this suite encodes them, and nothing else.

    Args:
        file: PNG or JPEG.
        pixels: what it decodes to, uint8 [3, SIZE, SIZE].
    """
    from ....datasets.files import codec

    if file.startswith(_JPEG):  # what was decoded is encoded to other bytes; the head shows who wrote them
        return file.endswith(_JPEG_END) and header(file) == header(codec.encode(pixels, kind="jpeg"))
    return file == codec.encode(pixels)


def header(file: bytes) -> bytes:
    """All of a PNG or JPEG file but its pixels and what follows from them; b'' for other formats."""
    if file.startswith(b"\x89PNG\r\n\x1a\n"):
        parts, at = [], 8
        while at + 8 <= len(file):
            size, kind = int.from_bytes(file[at : at + 4], "big"), file[at + 4 : at + 8]
            parts.append(kind if kind == b"IDAT" else kind + file[at + 8 : at + 8 + size])
            at += 12 + size
        return b"".join(dict.fromkeys(parts))  # how many chunks pixels take follows from their size
    if file.startswith(_JPEG):
        return file[: max(file.find(b"\xff\xda"), 0)]
    return b""
