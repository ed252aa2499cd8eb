"""The records of a folder, read and checked."""

from __future__ import annotations

import json
from pathlib import Path

from .record import RecordError, RunRecord, read

MARKER = ".mirror.json"
"""End of the name of the small files beside records that say where a record was mirrored to."""
_LARGEST = 32 << 20
_OPEN = {name for name, field in RunRecord.model_fields.items() if "Any" in str(field.annotation)}
"""What may hold anything; all other numbers are finite by their type."""

__all__ = ["MARKER", "RecordError", "load", "paths"]


def paths(folder: Path) -> list[Path]:
    """The record files of a folder, sorted by name; none where there is no folder."""
    return sorted(path for path in folder.glob("*.json") if not path.name.endswith(MARKER))


def load(folder: Path, *, problems: list[str] | None = None) -> list[RunRecord]:
    """All records of a folder; its subfolders are not read.

    Args:
        folder: holds `NAME.json` files.
        problems: where given, what is wrong with a record is added here, and the sound ones are returned.

    Raises:
        RecordError: one is damaged, far too large, or not named after itself, and `problems` is not given; a board
            over the others would look complete.
    """
    records = []
    for path in paths(folder):
        try:
            records.append(_load(path))
        except RecordError as error:
            if problems is None:
                raise
            problems.append(str(error))
    return records


def _load(path: Path) -> RunRecord:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise RecordError(f"record {path}: cannot be read ({error.strerror or error})") from error
    if size > _LARGEST:
        raise RecordError(
            f"record {path}: expected at most {_LARGEST >> 20} MiB, got {size >> 20} MiB; move it out of the folder"
        )
    record = read(path)
    if record.name != path.stem:
        raise RecordError(
            f"record {path}: expected the record {path.stem!r}, got {record.name!r}; a copy under another name would "
            "count twice: rename it or move it out of the folder"
        )
    try:
        json.dumps(record.model_dump(include=_OPEN), allow_nan=False)
    except ValueError as error:
        raise RecordError(
            f"record {path}: expected finite numbers, got NaN or an infinite one ({error}); no run writes such a "
            "record: move it out of the folder"
        ) from error
    return record
