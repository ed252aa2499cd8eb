"""The records of a folder, read and checked."""

from __future__ import annotations

from pathlib import Path

from .record import RecordError, RunRecord, read

MARKER = ".mirror.json"
"""End of the name of the small files beside records that say where a record was mirrored to."""
_LARGEST = 32 << 20

__all__ = ["MARKER", "RecordError", "load", "paths"]


def paths(folder: Path) -> list[Path]:
    """The record files of a folder, sorted by name; none where there is no folder."""
    return sorted(path for path in folder.glob("*.json") if not path.name.endswith(MARKER))


def load(folder: Path) -> list[RunRecord]:
    """All records of a folder.

    Raises:
        RecordError: one is damaged or far too large; a board over the others would look complete.
    """
    records = []
    for path in paths(folder):
        if path.stat().st_size > _LARGEST:
            raise RecordError(
                f"record {path}: expected at most {_LARGEST >> 20} MiB, got {path.stat().st_size >> 20} MiB; "
                "move it out of the folder"
            )
        records.append(read(path))
    return records
