"""Rows whose private set is of another size than that of `original`: their recognizers had more or fewer faces.

Source: the suite's protocol: sets that are compared share people and images a person, or the row says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..result.parts import Released
from .rows import Row

UNMATCHED = "unmatched"
"""The mark of such a row."""
_UPPER = "original"


def unmatched(rows: Sequence[Row]) -> list[str]:
    """Of each row in what it differs, the first seed that does; nothing where it does not, or where it is not known.

    Seeds draw their own people, so each is held against `original` of the same seed.
    """
    sizes: dict[int, Released] = {}
    for row in rows:
        for record in row.records:
            if record.method == _UPPER and record.released:
                sizes.setdefault(record.seed, record.released)
    return [_differs(row, sizes) for row in rows]


def _differs(row: Row, sizes: dict[int, Released]) -> str:
    for record in row.records:
        expected = sizes.get(record.seed)
        if expected and record.released and record.released != expected:
            return f"{_told(record.released)}; {_UPPER} has {_told(expected)} (seed {record.seed})"
    return ""


def _told(released: Released) -> str:
    return f"{released.images:,} faces of {released.identities:,} people"
