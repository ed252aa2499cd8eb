"""The records of a folder, read and checked."""

from __future__ import annotations

from pathlib import Path

from .files import listed
from .record import RecordError, RunRecord, read

MARKER = ".mirror.json"
"""End of the name of the small files beside records that say where a record was mirrored to."""

__all__ = ["MARKER", "RecordError", "load", "paths"]


def paths(folder: Path) -> list[Path]:
    """The record files of a folder, sorted by name; none where there is no folder.

    Raises:
        RecordError: it is no folder, or cannot be read.
    """
    return [path for path in listed(folder, "records") if not path.name.endswith(MARKER)]


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
            records.append(load_one(path))
        except RecordError as error:
            if problems is None:
                raise
            problems.append(str(error))
    return records


def load_one(path: Path) -> RunRecord:
    """A record of a folder, read and checked.

    Raises:
        RecordError: it is damaged, far too large, or not named after itself.
    """
    record = read(path)
    if record.name != path.stem:
        raise RecordError(
            f"record {path}: expected the record {path.stem!r}, got {record.name[:200]!r}; a copy under another name "
            "would count twice: rename it or move it out of the folder"
        )
    return record
