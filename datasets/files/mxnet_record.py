"""MXNet's RecordIO on the level of bytes.

A record is: magic number, a word with 3 bits of part and 29 bits of length, the payload, zeros up to a multiple of
4. Where the payload itself has the magic number at a multiple of 4, it is cut there into parts (first 1, middle 2,
last 3; 0 is a record of one part), and the number is left out. The payload of an image record is an IRHeader, then as
many float32 labels as its flag says, then the image file.

Source: dmlc-core, include/dmlc/recordio.h and src/recordio.cc; MXNet, python/mxnet/recordio.py.
"""

from __future__ import annotations

import mmap
import struct
import warnings
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from ..base import DataError
from .regular import open_regular

MAGIC = 0xCED7230A
LENGTH = (1 << 29) - 1
HEADER = struct.Struct("<IfQQ")
"""IRHeader: flag, label, id, id2."""

MOST_IDENTITIES = 2**24
"""Labels are float32, which tells whole numbers apart up to here."""

AGAIN = "the pack is damaged: copy or download it again"
_MAGIC = struct.pack("<I", MAGIC)
_PREFIX = struct.Struct("<II")


def image(payload: bytes) -> bytes:
    """The image file's own bytes."""
    return payload[HEADER.size + 4 * HEADER.unpack_from(payload)[0] :]


def pack(payload: bytes) -> bytes:
    """A record of any payload that is shorter than 2**29 bytes."""
    parts, begin, at = [], 0, payload.find(_MAGIC)
    while at >= 0:
        if at % 4 == 0:
            parts.append(payload[begin:at])
            begin = at + 4
        at = payload.find(_MAGIC, begin if at % 4 == 0 else at + 1)
    parts.append(payload[begin:])
    last = len(parts) - 1
    return b"".join(
        _PREFIX.pack(MAGIC, (_part(number, last) << 29) | len(part)) + part + bytes(-len(part) % 4)
        for number, part in enumerate(parts)
    )


def _part(number: int, last: int) -> int:
    return 0 if not last else 1 if not number else 3 if number == last else 2


def join(data: mmap.mmap, at: int, where: str) -> tuple[bytes, int]:
    """The payload of the record whose first part is at byte `at`, and where the next record begins.

    Raises:
        DataError: the parts do not follow each other as they should.
    """
    parts: list[bytes] = []
    while at + 8 <= len(data):
        magic, word = _PREFIX.unpack_from(data, at)
        part, length = word >> 29, word & LENGTH
        if magic != MAGIC or part not in ((2, 3) if parts else (0, 1)) or at + 8 + length > len(data):
            break
        parts.append(data[at + 8 : at + 8 + length])
        at += 8 + (length + 3) // 4 * 4
        if part in (0, 3):
            payload = _MAGIC.join(parts)
            if len(payload) >= HEADER.size:
                return payload, at
            break
    raise DataError(
        f"{where}: a record in parts that do not fit each other, at byte {at} of {len(data)}; "
        "the pack is damaged: copy or download it again"
    )


def scan(data: mmap.mmap, path: Path) -> NDArray[np.int64]:
    """The offsets of all records, found by walking from one to the next.

    Raises:
        DataError: something else stands where a record should begin.
    """
    offsets: list[int] = []
    at, size = 0, len(data)
    while at < size:
        magic, word = _PREFIX.unpack_from(data, at) if at + 8 <= size else (0, 0)
        length = word & LENGTH
        if magic != MAGIC or at + 8 + length > size:
            raise DataError(
                f"{path}: record {len(offsets)}: expected a record at byte {at} of {size}, got "
                f"{data[at : at + 8].hex(' ')}, which is none or reaches past the end; train.rec is damaged, "
                "and there is no train.idx: copy or download the pack again"
            )
        if word >> 29 in (0, 1):  # 2 and 3 go on with the record before
            offsets.append(at)
        at += 8 + (length + 3) // 4 * 4
    return np.array(offsets, np.int64)


def read_index(index: Path, data: mmap.mmap, rec: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The number and the place in bytes of every record, in the order of the file.

    Raises:
        DataError: the index is damaged, or is not this file's.
    """
    try:
        if not index.exists():
            offsets = scan(data, rec)
            return np.arange(len(offsets)), offsets
        open_regular(index).close()
        if index.stat().st_size > len(data):  # a line is shorter than the shortest record
            raise ValueError("it is larger than train.rec")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about an empty file, which we tell ourselves
            table = np.loadtxt(index, np.int64, delimiter="\t", ndmin=2, comments=None, encoding="latin-1")
        if not table.size or table.shape[1] != 2:
            raise ValueError(f"got {table.shape[0]} lines of {table.shape[1]} numbers")
    except OSError as error:
        unreadable(index, error)
    except DataError:  # from the scan
        raise
    except ValueError as error:
        raise DataError(f"{index}: expected lines `number<TAB>offset`: {error}; delete it: {_REBUILT}") from error
    keys, offsets = table[:, 0].copy(), table[:, 1].copy()
    before = np.append(-1, offsets[:-1])
    wrong = (offsets <= before) | (offsets > len(data) - 8 - HEADER.size) | (offsets % 4 != 0) | (keys < 0)
    if offsets[0] != 0 or wrong.any():
        line = int(np.argmax(wrong)) if wrong.any() else 0
        raise DataError(
            f"{index}: line {line + 1}: expected offsets that begin with 0, grow, are multiples of 4 and lie within "
            f"the {len(data)} bytes of train.rec, got record {keys[line]} at {offsets[line]} after "
            f"{before[line]}; delete it: {_REBUILT}; or if train.rec is too short, {AGAIN}"
        )
    if len(np.unique(keys)) != len(keys):
        raise DataError(f"{index}: expected record numbers that differ, got one twice; delete it: {_REBUILT}")
    return keys, offsets


_REBUILT = "it is then made up from train.rec"


def unreadable(path: Path, error: OSError, hint: str = "") -> NoReturn:
    """Tell that a file of a pack cannot be read.

    Raises:
        DataError: always.
    """
    raise DataError(
        f"{path}: cannot be read ({error.strerror or error}); expected a pack of train.rec, train.idx and "
        f"property in one folder{hint}; check the path and its rights"
    ) from error
