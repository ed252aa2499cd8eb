"""The digest of every record of a dataset, in a file beside it: what was good once is then known to be good.

RecordIO, JPEG, WebP and BMP have no checksum of what counts, so a flipped bit may give another face, or give a face
to another person, and no decoder notices. The file has one line of JSON, then SUM bytes a record, in their order: the
beginning of SHA-256 over the record with its header and label. It holds no name. Whoever can change the data can
change this file as well, so it is a guard against accidents, and no signature.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..base import DataError
from .regular import open_regular

SUM = 16
"""Bytes of a digest: 128 bits, equal by accident once in 1e38."""
_LONGEST = 1000
"""Bytes of the first line."""
_AGAIN = "restore it, or delete it and write it anew with `bench data verify --write-sums`"


class SumsThereError(DataError):
    """Digests are there already; they may be those of the data when it was good."""


class _Header(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    sums: Literal[1] = 1
    """Of the layout."""
    records: Annotated[int, Field(ge=1)]
    labels: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    """Digest of what tells whose the records are."""
    table: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    """Digest of all that follows this line."""


def digest(data: bytes) -> bytes:
    """The digest of one record."""
    return hashlib.sha256(data).digest()[:SUM]


def digest_labels(labels: NDArray[Any], identities: int) -> str:
    """The digest of all labels of a dataset, for `labels`."""
    return digest(f"{identities} {len(labels)}\n".encode() + labels.astype("<i8").tobytes()).hex()


class Sums:
    """The digests of a dataset, mapped from their file; safe to be used by several threads, and picklable."""

    def __init__(self, path: Path, labels: str, records: int) -> None:
        self.path = path
        self.labels = labels
        """Digest of the labels as they were."""
        self._records = records
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._begin = len(self._map) - records * SUM

    def fits(self, record: int, data: bytes) -> bool:
        """Whether a record is what it was."""
        at = self._begin + record * SUM
        return self._map[at : at + SUM] == digest(data)

    def table(self) -> bytes:
        """All digests."""
        return self._map[self._begin :]

    def check(self, record: int, data: bytes, where: str) -> None:
        """Refuse a record that is not what it was.

        Args:
            record: its place, from 0.
            data: all of its bytes.
            where: names it in the error.

        Raises:
            DataError: its digest is another.
        """
        if not self.fits(record, data):
            raise DataError(
                f"{where}: expected the bytes whose digest {self.path.name} holds, got others: image or label were "
                f"changed since; copy or download the data again. If the change was meant, delete {self.path.name} "
                "and write it anew with `bench data verify --write-sums`"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return Sums, (self.path, self.labels, self._records)


def load(path: Path, records: int) -> Sums | None:
    """The digests beside a dataset; None where there are none.

    Args:
        path: of the file.
        records: how many there are.

    Raises:
        DataError: the file cannot be read, is damaged, or is another dataset's.
    """
    try:
        with open_regular(path) as file:
            first = file.readline(_LONGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); check its rights") from error
    try:
        header = _Header.model_validate_json(first)
    except ValidationError:
        raise DataError(f"{path}: expected the digests of a dataset, got something else; {_AGAIN}") from None
    if header.records != records:
        raise DataError(
            f"{path}: expected the digests of {records:,} records, as many as there are, got {header.records:,}; "
            f"records were lost or added, or the file is another dataset's: copy the data again, or {_AGAIN}"
        )
    if path.stat().st_size != len(first) + records * SUM:
        raise DataError(f"{path}: expected {len(first) + records * SUM:,} bytes, got another size; {_AGAIN}")
    found = Sums(path, header.labels, records)
    if digest(found.table()).hex() != header.table:
        raise DataError(f"{path}: expected digests as they were written, got others: it is damaged; {_AGAIN}")
    return found


def refuse_new(path: Path) -> None:
    """Refuse to write where digests are already.

    Raises:
        SumsThereError: the file is there.
    """
    if os.path.lexists(path):
        raise SumsThereError(
            f"{path}: expected no digests yet, got a file; delete it first if the data was changed on purpose"
        )


def write(path: Path, records: Iterable[bytes], labels: str) -> None:
    """Write the digests of a dataset, whole or not at all.

    Args:
        path: of the file; it must not exist.
        records: the bytes of each record, in their order.
        labels: digest of what tells whose they are.

    Raises:
        SumsThereError: the file exists.
        DataError: it cannot be written, or a record cannot be read.
    """
    refuse_new(path)
    table = b"".join(digest(record) for record in records)
    header = _Header(records=len(table) // SUM, labels=labels, table=digest(table).hex())
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(header.model_dump_json().encode() + b"\n" + table)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        _unwritten(path, error)


def _unwritten(path: Path, error: OSError) -> NoReturn:
    raise DataError(
        f"{path}: the digests cannot be written ({error.strerror or error}); they belong beside the data: free space, "
        "or give yourself the right to write there"
    ) from error
