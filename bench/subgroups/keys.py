"""What a row of a table of groups is about: a face, a person, or a pair."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Faces
from ...datasets.files.foreign_paths import before, slashed
from .table import fail

MOST_PAIRS = 10_000_000


class Keys(NamedTuple):
    """How rows are found their place."""

    column: str
    """That holds the keys."""
    find: Callable[[str, str], int]
    """The place of a key; the second argument says where it stands, for the error."""
    places: int
    """How many there may be."""
    spread: NDArray[np.int64] | None
    """[N], the place of every face, where rows are about people; None where they are about faces or pairs."""


def of_faces(columns: Sequence[str], where: str, faces: Faces) -> Keys:
    """Rows about people (`identity`) or about images (`image`).

    Raises:
        GroupError: there is no such column, or there are both.
    """
    named = [name for name in ("image", "identity") if name in columns]
    if len(named) != 1:
        fail(where, f"expected one column named image or identity, got {' and '.join(named) or 'neither'}")
    if named == ["identity"]:
        return Keys("identity", _identity(faces), faces.identities, faces.labels)
    return Keys("image", _image(faces), len(faces), None)


def of_pairs(columns: Sequence[str], where: str) -> Keys:
    """Rows about the pairs of a verification set (`pair`); how many it has is not known before it is decoded.

    Raises:
        GroupError: there is no such column.
    """
    if "pair" not in columns:
        fail(where, "expected a column named pair, with the pair's number from 0, got none")

    def find(key: str, line: str) -> int:
        if (number := _number(key)) is None or number >= MOST_PAIRS:
            fail(line, f"expected a pair's number from 0 to {MOST_PAIRS - 1}, got something else")
        return number

    return Keys("pair", find, MOST_PAIRS, None)


def _identity(faces: Faces) -> Callable[[str, str], int]:
    names = list(faces.names)
    labels = {unicodedata.normalize("NFC", name): label for label, name in enumerate(names)}
    numbered = all(name.isascii() and name.isdigit() for name in names)

    def find(key: str, line: str) -> int:
        label = labels.get(unicodedata.normalize("NFC", key))
        if label is None and numbered and _number(key) is not None:  # 12 for a pack's 000012
            label = labels.get(key.zfill(len(names[0])))
        if label is None:
            fail(
                line,
                f"expected one of the dataset's {len(names):,} identities, got another; correct the row or remove it",
            )
        return label

    return find


def _image(faces: Faces) -> Callable[[str, str], int]:
    from ...datasets.views.subset import origin

    paths: dict[str, int] = {}
    whole, rows = origin(faces)
    files: Sequence[str] | None = getattr(whole, "files", None)  # a folder's faces have them

    lead: list[str] = []

    def foreign(path: str) -> int | None:
        """A path as another system spells it, or as a full one of another machine: all begin as the first one does."""
        if path in paths:
            return paths[path]
        if not lead:
            lead.append(before(path, paths.__contains__, whole.root.name))  # type: ignore[attr-defined]
        return paths.get(path.removeprefix(lead[0])) if lead[0] and path.startswith(lead[0]) else None

    def find(key: str, line: str) -> int:
        if (number := _number(key)) is not None:
            if number >= len(faces):
                fail(line, f"expected an image's number from 0 to {len(faces) - 1}, got {number}")
            return number
        if files is None:
            fail(line, f"expected an image's number from 0 to {len(faces) - 1}, got text; only folders have paths")
        if not paths:
            paths.update((unicodedata.normalize("NFC", files[row]), n) for n, row in enumerate(rows.tolist()))
        place = paths.get(unicodedata.normalize("NFC", key))
        if place is None:
            place = foreign(slashed(unicodedata.normalize("NFC", key)))
        if place is None:
            fail(line, "expected an image of the dataset, as its number or as PERSON/FILE in the folder, got another")
        return place

    return find


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
