"""Reads a table of groups, CSV or Parquet, row by row, without trusting it."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ... import FacebenchError

LARGEST = 512 << 20
"""Bytes of a table, unpacked: ten million rows of a few columns."""
MOST_ROWS = 50_000_000
MOST_COLUMNS = 100
LONGEST = 100
"""Characters of a column's name and of a group's."""
BATCH = 65_536
"""Rows of a Parquet file that are held at once."""


class GroupError(FacebenchError, ValueError):
    """A table of groups that cannot be used; the message says which, where, expected, got and what to do.

    It quotes nothing of the table, since a cell may be a person's name, and the first line a row like the others.
    """


class Table(NamedTuple):
    """A table that is being read."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[str, Sequence[str]]]
    """Where each row stands, such as `line 7`, and its cells, stripped."""


def fail(where: str, what: str) -> NoReturn:
    """Raise the error of this file."""
    raise GroupError(f"{where}: {what}")


@contextmanager
def opened(path: Path) -> Iterator[Table]:
    """Open a table; whether it is CSV or Parquet is seen from its first bytes.

    Raises:
        GroupError: it is missing, too large, unreadable, or its header cannot be used.
    """
    where = f"groups {path}"
    try:
        if not path.is_file():
            fail(where, "expected a CSV or Parquet file, got " + ("no file" if path.exists() else "nothing there"))
        if path.stat().st_size > LARGEST:
            fail(where, f"expected at most {LARGEST >> 20} MiB, got {path.stat().st_size >> 20} MiB; leave columns out")
        with path.open("rb") as file:
            packed = file.read(4) == b"PAR1"
        with _parquet(path, where) if packed else _csv(path, where) as table:
            yield table
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        told: object = error  # of the csv module, which repeats nothing
        if not isinstance(error, csv.Error):
            told = "other bytes" if isinstance(error, UnicodeDecodeError) else error.strerror or "damaged"
        raise GroupError(f"{where}: cannot be read ({told}); expected CSV in UTF-8, or Parquet") from error


@contextmanager
def _csv(path: Path, where: str) -> Iterator[Table]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        header = next(reader, None)
        if header is None:
            fail(where, "expected a header with the names of the columns, got an empty file")
        if len(header) == 1 and any(sign in header[0] for sign in ";\t|"):
            fail(where, "line 1: expected columns with commas between them, got another separator")
        yield Table(_checked(header, f"{where}, line 1"), _lines(reader, len(header), where))


def _lines(reader: Any, width: int, where: str) -> Iterator[tuple[str, list[str]]]:
    for n, cells in enumerate(reader):
        line = f"{where}, line {reader.line_num}"
        if n >= MOST_ROWS:
            fail(line, f"expected at most {MOST_ROWS:,} rows, got more")
        if not cells:
            continue  # an empty line, as at the end of many files
        if len(cells) != width:
            fail(line, f"expected {width} columns as in the header, got {len(cells)}")
        yield line, [cell.strip() for cell in cells]


@contextmanager
def _parquet(path: Path, where: str) -> Iterator[Table]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            told, size = file.metadata, 0
            for group in range(told.num_row_groups):
                size += told.row_group(group).total_byte_size
            if told.num_rows > MOST_ROWS or size > LARGEST:
                fail(where, f"expected at most {MOST_ROWS:,} rows and {LARGEST >> 20} MiB unpacked, got more")
            columns = _checked(file.schema_arrow.names, where)
            for number, column in enumerate(file.schema_arrow, start=1):
                if not _plain(column.type):
                    fail(where, f"column {number}: expected text or numbers, got {_kind(column.type)}")
            yield Table(columns, _batches(file, where))
    except (pa.ArrowException, OSError):  # of damaged files Arrow says either, and repeats what stands in them
        fail(where, "cannot be read as Parquet: it is damaged; write it again")


def _plain(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_boolean)
    return types.is_null(kind) or any(test(kind) for test in tests)


def _kind(kind: Any) -> str:
    """A type without the names of fields in it, which may be anything."""
    return str(kind).partition("<")[0].partition("[")[0]


def _batches(file: Any, where: str) -> Iterator[tuple[str, list[str]]]:
    row = 0
    for batch in file.iter_batches(batch_size=BATCH):
        for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            row += 1
            yield f"{where}, row {row}", [_text(cell) for cell in cells]


def _text(cell: Any) -> str:
    """A cell as CSV would have it: nothing for null and NaN."""
    return "" if cell is None or (isinstance(cell, float) and math.isnan(cell)) else str(cell).strip()


def _checked(header: Sequence[str], where: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in header)
    if len(names) > MOST_COLUMNS:
        fail(where, f"expected at most {MOST_COLUMNS} columns, got {len(names)}")
    for n, name in enumerate(names, start=1):
        if not 1 <= len(name) <= LONGEST:
            fail(where, f"column {n}: expected a name of 1 to {LONGEST} characters, got {len(name)}")
        if name in names[: n - 1]:
            twin = names.index(name) + 1
            fail(where, f"column {n}: expected a name of its own, got that of column {twin}; rename one of them")
    return names
