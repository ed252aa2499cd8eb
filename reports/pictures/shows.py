"""What a picture shows, kept in the picture itself: only so can anybody say later whether it may leave the machine.

A PNG's text chunk goes with the file wherever it is copied. A picture that does not say what it shows is treated as
one of real faces.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias, get_args

Shows: TypeAlias = Literal["numbers", "drawn faces", "real faces"]
KEYWORD = "facebench.shows"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = 8 + 25
"""Bytes of the signature and of the first chunk, IHDR, behind which any text may stand."""
_MOST = 1 << 16
"""Bytes from the start in which the mark is looked for."""


def marked(png: bytes, shows: Shows) -> bytes:
    """A PNG file's bytes with the mark; one that is there already is replaced.

    Raises:
        ValueError: it is no PNG.
    """
    if not png.startswith(_SIGNATURE) or png[12:16] != b"IHDR":
        raise ValueError("expected a PNG file, got something else")
    rest = png[_HEADER:]
    while said := _text(rest):
        rest = rest[said[1] :]
    body = b"tEXt" + KEYWORD.encode("latin-1") + b"\0" + shows.encode("latin-1")
    return png[:_HEADER] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + rest


def mark(path: Path, shows: Shows) -> None:
    """Write into a PNG file what it shows.

    Raises:
        OSError: it cannot be read or written.
        ValueError: it is no PNG.
    """
    path.write_bytes(marked(path.read_bytes(), shows))


def shows(path: Path) -> Shows:
    """What a picture shows, as it says itself; real faces where it says nothing, is damaged, or is no PNG."""
    try:
        with path.open("rb") as file:
            head = file.read(_MOST)
    except OSError:
        return "real faces"
    if head.startswith(_SIGNATURE) and head[12:16] == b"IHDR":
        said = _text(head[_HEADER:])
        for known in get_args(Shows):
            if said and said[0] == known:
                found: Shows = known
                return found
    return "real faces"


def may_leave(pictures: Sequence[Path], *, faces: bool) -> list[Path]:
    """The pictures that may go to others: all where `faces` was asked for, else those without real faces."""
    return [path for path in pictures if faces or shows(path) != "real faces"]


def _text(data: bytes) -> tuple[str, int] | None:
    """Our mark at the beginning of some chunks, and its length in bytes; None where it is not there or damaged."""
    length = int.from_bytes(data[:4], "big")
    body, sum_of = data[4 : 8 + length], data[8 + length : 12 + length]
    start = b"tEXt" + KEYWORD.encode("latin-1") + b"\0"
    if not body.startswith(start) or sum_of != struct.pack(">I", zlib.crc32(body)):
        return None
    return body[len(start) :].decode("latin-1"), 12 + length
