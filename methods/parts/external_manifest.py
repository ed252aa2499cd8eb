"""Which private image was made from which original: the table that comes with a private set of another tool.

It is a stranger's file, and names of files may be names of people: errors repeat nothing of it but row numbers.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..base import MethodError

if TYPE_CHECKING:
    import pyarrow as pa

Column: TypeAlias = "NDArray[np.int64] | pa.StringArray"
"""[R], indices from 0; or relative paths with forward slashes, of sources in NFC. One spelling for a whole column."""

MOST_BYTES = 2 << 30
"""Of the file, and of each column in memory; ten million paths of a hundred letters take half of it."""
MOST_ROWS = 50_000_000
COLUMNS = ("private", "source")
_WHOLE = r"^[0-9]{1,18}(\.0*)?$"
"""A table of numbers with an empty cell is often written as 3.0."""
FIX = "a manifest is a CSV or Parquet file with the columns private and source, one row a private face"


class Manifest(NamedTuple):
    """The rows of a manifest, in the file's order."""

    private: Column
    source: Column
    made: NDArray[np.bool_]
    """[R], False where the cell of the private image is empty: the tool made none."""


def rows(wrong: NDArray[np.int64]) -> str:
    """How errors tell of rows: the first one, numbered as in a spreadsheet with the names in row 1, and how many."""
    return f"row {int(wrong[0]) + 2}" + (f" and {len(wrong) - 1:,} more" if len(wrong) > 1 else "")


def read(path: Path) -> Manifest:
    """Read a manifest, of a CSV or Parquet file; other columns are passed over.

    Raises:
        MethodError: the file is missing, too large or damaged, lacks a column, or has an empty or odd entry.
    """
    import pyarrow as pa

    kind = "manifest"
    try:
        if not path.is_file():
            _fail(path, f"expected a file, got {'something else' if path.exists() else 'nothing'} there")
        if path.stat().st_size > MOST_BYTES:
            _fail(path, f"expected at most {MOST_BYTES >> 30} GiB, got {path.stat().st_size / (1 << 30):.1f} GiB")
        with path.open("rb") as file:
            kind = "Parquet file" if file.read(4) == b"PAR1" else "CSV file in UTF-8"
        found = _parquet(path) if kind == "Parquet file" else _csv(path)
    except OSError as error:
        _fail(path, f"cannot be read ({error.strerror or f'a damaged {kind}'})")
    except (pa.ArrowException, UnicodeDecodeError):  # their messages repeat the line
        _fail(path, f"a damaged {kind}")
    try:
        private, source = (_spelled(path, name, column) for name, column in found.items())
    except pa.ArrowException:
        _fail(path, "a number that is not whole, or far too large")
    made: NDArray[np.bool_] = found[COLUMNS[0]].is_valid().to_numpy(zero_copy_only=False)
    return Manifest(private, source, made)


def _csv(path: Path) -> dict[str, pa.Array]:
    import pyarrow as pa
    from pyarrow import csv

    odd: list[int] = []

    def skip(row: csv.InvalidRow) -> str:
        odd.append(row.number - 2)  # the names are its row 1
        return "skip"

    with path.open(encoding="utf-8") as whole:  # pyarrow cannot hand over an odd row that is no UTF-8
        while whole.read(1 << 20):
            pass
    with path.open("rb") as file:
        names = file.readline(1 << 16).decode("utf-8-sig", "replace").strip().split(",")
    _expect_columns(path, [name.strip('"') for name in names])
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(use_threads=False),  # else odd rows have no number
        parse_options=csv.ParseOptions(invalid_row_handler=skip),
        convert_options=csv.ConvertOptions(
            include_columns=list(COLUMNS),
            column_types=dict.fromkeys(COLUMNS, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
        ),
    )
    if odd:
        _fail(path, f"expected {len(names)} fields a row as in the first, got others in {rows(np.array(odd))}")
    return {name: table[name].combine_chunks() for name in COLUMNS}


def _parquet(path: Path) -> dict[str, pa.Array]:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import parquet

    schema = parquet.read_schema(path)
    _expect_columns(path, schema.names)
    for name in COLUMNS:
        kind = schema.field(name).type
        text = kind.value_type if pa.types.is_dictionary(kind) else kind
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if not (number or pa.types.is_string(text) or pa.types.is_large_string(text)):
            _fail(path, f"expected whole numbers or texts in {name}, got {str(kind).partition('<')[0]}")
    # texts stay numbers into a dictionary until it is known how long they are together
    with parquet.ParquetFile(path, read_dictionary=list(COLUMNS)) as file:
        stored = sum(file.metadata.row_group(number).total_byte_size for number in range(file.num_row_groups))
        if file.metadata.num_rows > MOST_ROWS or stored > 2 * MOST_BYTES:
            got = f"{file.metadata.num_rows:,} in {stored / (1 << 30):.1f} GiB"
            _fail(path, f"expected at most {MOST_ROWS:,} rows in {2 * MOST_BYTES >> 30} GiB, got {got}")
        table = file.read(columns=list(COLUMNS))
    found = {}
    for name in COLUMNS:
        column = table[name].unify_dictionaries().combine_chunks()
        if pa.types.is_dictionary(column.type) and len(column):
            length = pc.binary_length(column.dictionary.cast(pa.string())).take(column.indices)
            if (pc.sum(length.cast(pa.int64())).as_py() or 0) > MOST_BYTES:
                _fail(path, f"expected at most {MOST_BYTES >> 30} GiB of text in {name}, got more")
        number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        found[name] = column if number else column.cast(pa.string())
        found[name].validate(full=True)  # a text of a Parquet file may be no UTF-8
    return found


def _expect_columns(path: Path, names: list[str]) -> None:
    for column in COLUMNS:
        if names.count(column) != 1:
            _fail(path, f"expected one column named {column}, got {names.count(column)} among {len(names)} columns")


def _spelled(path: Path, name: str, column: pa.Array) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(column):
        _fail(path, "expected at least one row, got none")
    nothing = column.is_null().to_numpy(zero_copy_only=False)
    _refuse(path, name, nothing if name == "source" or nothing.all() else np.zeros(1, np.bool_), "got nothing")
    if pa.types.is_string(column.type):
        numbers = pc.utf8_trim_whitespace(column)
        if not pc.all(pc.match_substring_regex(numbers, _WHOLE)).as_py():
            column = column.fill_null("")
            return _composed(pc.replace_substring_regex(column, r"^(\./+)+", "")) if name == "source" else column
        column = pc.replace_substring_regex(numbers, r"\.0*$", "")
    indices: NDArray[np.int64] = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    _refuse(path, name, indices < 0, "got a number below 0")
    return indices


def _composed(column: pa.StringArray) -> pa.StringArray:
    """In Unicode's form NFC; by Python, since pyarrow's own (25.0) gives NFD where it is asked for NFC."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.all(pc.string_is_ascii(column)).as_py():
        return column
    return pa.array([unicodedata.normalize("NFC", text) for text in column.to_pylist()], pa.string())


def _refuse(path: Path, name: str, wrong: NDArray[np.bool_], got: str) -> None:
    if wrong.any():
        _fail(path, f"column {name}: expected an index from 0 or a path, {got} in {rows(np.flatnonzero(wrong))}")


def _fail(path: Path, says: str) -> NoReturn:
    raise MethodError(f"external: manifest {path}: {says}; {FIX}") from None
