"""What an image file says of itself, read before any of it is decoded.

A face is small; whatever announces more, or is not what the decoder gives back faithfully, is refused here. Thus
a file of a few bytes that announces gigabytes of pixels never reaches a decoder.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from ..base import SIZE, DataError

SMALLEST = 32
"""Side in pixels below which a face is not worth enlarging."""
LARGEST = 1024
"""Side in pixels above which an image is surely no aligned face."""
MAX_BYTES = 4 * 2**20
"""More than an uncompressed image of LARGEST x LARGEST needs."""

_SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG\r\n\x1a\n": ".png", b"RIFF": ".webp", b"BM": ".bmp"}
_OTHERS = {
    b"GIF8": "a GIF", b"II*\0": "a TIFF", b"MM\0*": "a TIFF", b"\0\0\0\x0cjP  ": "a JPEG 2000",
    b"\0\0\0\x0cJXL ": "a JPEG XL", b"\xff\x0a": "a JPEG XL", b"P5\n": "a PGM", b"P6\n": "a PPM",
}  # fmt: skip
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
_BMP_HEADERS = frozenset(struct.pack("<I", size) for size in (12, 40, 52, 56, 64, 108, 124))
MOST_SCANS = 256
"""Of a progressive JPEG, which has about ten; each takes the time of the whole image and a few bytes."""
_segment = struct.Struct(">BBH").unpack_from
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG start-of-frame markers
_BARE = frozenset({0x01, 0xFF, *range(0xD0, 0xD9)})  # JPEG markers with no segment, and fill bytes


class _Header(NamedTuple):
    width: int
    height: int
    flaw: str = ""
    """Why the image cannot be used although its size may be right."""


class _Truncated(Exception):
    """The bytes end before the image does."""


def suffix(data: bytes) -> str | None:
    """The file name suffix that fits these bytes, such as `.jpg`; None if they are no image we read."""
    for magic, name in _SUFFIXES.items():
        if data.startswith(magic) and (name != ".webp" or data[8:12] == b"WEBP"):
            return name
    return None


def other_kind(data: bytes) -> str:
    """What an image file is that is none of those we read, such as `an AVIF`; empty for anything else."""
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        return "an AVIF" if brand in (b"avif", b"avis") else "a HEIF" if brand in _HEIF else ""
    return next((name for magic, name in _OTHERS.items() if data.startswith(magic)), "")


def looks_like_image(first: bytes) -> bool:
    """Whether the first bytes of a file, 32 or more, are those of an image, of a kind that we read or of another."""
    kind = suffix(first)
    if kind == ".bmp":  # two letters may begin any text: look at the header's length, too
        return first[14:18] in _BMP_HEADERS
    return kind is not None or bool(other_kind(first))


SCALE = "--resize for a dataset, --set method.resize=true for images of the method `external`"
SKIP = "; `bench run --skip-bad` and `bench privatize --skip-bad` pass over such faces"
AGAIN = f"copy or download it again{SKIP}"


def inspect(data: bytes, where: str, resize: bool) -> str:
    """Refuse what must not reach the decoder.

    Returns:
        The kind of image, as `suffix` tells it.

    Raises:
        DataError: says why.
    """
    if len(data) > MAX_BYTES:
        raise DataError(f"{where}: expected an encoded face of at most {MAX_BYTES:,} bytes, got {len(data):,}")
    kind = suffix(data)
    if kind is None:
        other = other_kind(data)
        got = "0 bytes" if not data else other or f"bytes {data[:8].hex(' ')} ..."
        fix = f"convert it to PNG{SKIP}" if other else AGAIN
        raise DataError(f"{where}: not an image that can be read: expected JPEG, PNG, WebP or BMP, got {got}; {fix}")
    try:
        header = _PARSERS[kind](data)
    except (_Truncated, IndexError, struct.error):
        raise DataError(
            f"{where}: expected a whole image, got a truncated or damaged {kind[1:]} one ({len(data):,} bytes); {AGAIN}"
        ) from None
    width, height = header.width, header.height
    square = resize and width == height and SMALLEST <= width <= LARGEST
    if (width, height) != (SIZE, SIZE) and not square:
        raise DataError(wrong_size(where, width, height))
    if header.flaw:
        raise DataError(f"{where}: {header.flaw}; convert it to 8-bit RGB{SKIP}")
    return kind


def of_pairs(reason: str) -> str:
    """What is said of an image of a verification set, which nothing passes over."""
    return reason.replace(SKIP, "")


def wrong_size(where: str, width: int, height: int) -> str:
    """What is said of an image of another size."""
    return (
        f"{where}: expected a face of {SIZE}x{SIZE} pixels, got {width}x{height}; align and crop the faces "
        f"first, or have aligned squares of {SMALLEST} to {LARGEST} pixels scaled: {SCALE}"
    )


def _jpeg(data: bytes) -> _Header:
    """Walk the markers up to the scan. Source: ITU T.81, B.1 and B.2."""
    at, frame = 2, None
    while True:
        sync, marker, length = _segment(data, at)
        if sync != 0xFF:
            raise _Truncated
        if marker in _BARE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xDA:  # the scan begins
            break
        if marker in _FRAMES:
            if frame is not None:
                raise _Truncated
            frame = struct.unpack_from(">BHHB", data, at + 4)
        if length < 2:
            raise _Truncated
        at += 2 + length
    if frame is None:
        raise _Truncated
    bits, height, width, channels = frame
    if not data.endswith(b"\xff\xd9") and data.find(b"\xff\xd9", at) < 0:
        # a scan never contains this marker: without it the lower part of the face would be grey
        raise _Truncated
    flaw = "" if bits == 8 else f"expected 8 bits a channel, got {bits}"
    if channels not in (1, 3):
        flaw = f"expected grey or RGB, got {'CMYK' if channels == 4 else f'{channels} channels'}"
    if data.count(b"\xff\xda", at) > MOST_SCANS:
        flaw = f"expected at most {MOST_SCANS} scans, got more"
    return _Header(width, height, flaw)


def _png(data: bytes) -> _Header:
    """Walk all chunks and check their sums. Source: PNG specification, 5.3 and 11.2."""
    view, at, flaw, ended = memoryview(data), 8, "", False
    if data[12:16] != b"IHDR":
        raise _Truncated
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    if width > LARGEST or height > LARGEST:
        return _Header(width, height)
    while not ended:
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise _Truncated
        flaw = "expected one still image, got an animated PNG" if name == b"acTL" else flaw
        at, ended = end + 4, name == b"IEND"
    return _Header(width, height, f"expected 8 bits a channel, got {bits}" if bits > 8 else flaw)


def _webp(data: bytes) -> _Header:
    """Walk all chunks, which have to fill the file. Source: RFC 9649, sections 2.3 to 2.7, 3.4; RFC 6386, 9.1."""
    end, at, images = struct.unpack_from("<I", data, 4)[0] + 8, 12, []
    canvas = data[12:16] == b"VP8X"
    width, height = (int.from_bytes(data[side : side + 3], "little") + 1 for side in (24, 27))
    if end > len(data):
        raise _Truncated
    if canvas and max(width, height) > LARGEST:
        return _Header(width, height)
    while at < end:
        name, length = struct.unpack_from("<4sI", data, at)
        if min(name) < 0x20:  # names are four characters
            raise _Truncated
        if name in (b"VP8 ", b"VP8L"):
            images.append((name, at + 8, length))
        at += 8 + length + length % 2
    animated = canvas and data[20] & 2
    if at != end or (len(images) != 1 and not animated):
        raise _Truncated
    if canvas:
        return _Header(width, height, "expected one still image, got an animated WebP" if animated else "")
    name, at, length = images[0]
    if name == b"VP8L":
        if data[at] != 0x2F:
            raise _Truncated
        packed = struct.unpack_from("<I", data, at + 1)[0]
        return _Header((packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)
    tag, sync, width, height = int.from_bytes(data[at : at + 3], "little"), *struct.unpack_from("<3sHH", data, at + 3)
    if tag & 1 or sync != b"\x9d\x01\x2a" or 10 + (tag >> 5) > length:  # no key frame, or its first part is cut
        raise _Truncated
    return _Header(width & 0x3FFF, height & 0x3FFF)


def _bmp(data: bytes) -> _Header:
    """Compare the sizes that it announces. Source: Microsoft, BITMAPFILEHEADER, BITMAPINFOHEADER, BITMAPV5HEADER."""
    begin, header, width, height, planes, bits, packing = struct.unpack_from("<IIiiHHI", data, 10)
    found = _Header(width, abs(height))  # a negative height only turns the order of the rows
    if max(abs(width), abs(height)) > LARGEST:
        return found
    colours = struct.unpack_from("<I", data, 46)[0] or 1 << bits if bits <= 8 else 0
    sizes = header in (40, 52, 56, 64, 108, 124) and planes == 1 and bits in (1, 4, 8, 16, 24, 32)
    if not sizes or begin < 14 + header + 4 * colours:
        raise _Truncated
    rows = (width * bits + 31) // 32 * 4 * abs(height)
    if packing in (0, 3) and not 0 <= len(data) - begin - rows < 4:  # 1 and 2 are of run lengths
        raise _Truncated
    return found


_PARSERS = {".jpg": _jpeg, ".png": _png, ".webp": _webp, ".bmp": _bmp}
