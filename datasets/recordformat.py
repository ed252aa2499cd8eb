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
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .base import DataError

MAGIC = 0xCED7230A
LENGTH = (1 << 29) - 1
HEADER = struct.Struct("<IfQQ")
"""IRHeader: flag, label, id, id2."""

_MAGIC = struct.pack("<I", MAGIC)
_PREFIX = struct.Struct("<II")


class SplitRecord(NamedTuple):
    """A record that came in several parts, put together."""

    payload: bytes
    end: int
    """Where the next record begins, in bytes."""

    def image(self) -> bytes:
        """The image file's own bytes."""
        return self.payload[HEADER.size + 4 * HEADER.unpack_from(self.payload)[0] :]


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


def join(data: mmap.mmap, at: int, where: str) -> SplitRecord:
    """Put a record together whose first part is at byte `at`.

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
                return SplitRecord(payload, at)
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
    offsets, at, size = [], 0, len(data)
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
