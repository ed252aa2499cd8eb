"""The values that pickles spell in a roundabout way: Python 2's strings, bytes, numpy numbers and arrays.

Where a pickle spells a value by a function's name, a function of ours checks the arguments as they were
pickled and makes the value anew; the named one is neither imported nor called. `GLOBALS` is the closed list.

Source: `__reduce__` of `dtype`, scalars and `ndarray` in numpy 1 and 2; `save_bytes` in CPython's `pickle.py`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import FacebenchError

Arguments = tuple[Any, ...]

_LATIN = ("latin1", "latin-1")
_ESCAPE = re.compile(rb"\\(?:x[0-9a-fA-F]{2}|[\\'\"nrt])")
_NUMBERS = ("b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8")
_BYTES = re.compile(r"S[1-9][0-9]{0,7}")
_OBJECTS = "O8"


class Unfit(FacebenchError, ValueError):
    """A value that a verification set has no use for; says what was expected."""

    def __init__(self, got: str, expected: str) -> None:
        super().__init__(got, expected)
        self.got, self.expected = got, expected


@dataclass(frozen=True, eq=False)
class Global:
    """A name that a pickle may use; `make` is ours."""

    name: str
    make: Callable[[Arguments], Any] | None


@dataclass(eq=False)
class Dtype:
    """A numpy dtype in the making: pickles create it first and give its byte order later."""

    code: str
    order: str = "|"

    def build(self, state: Arguments) -> None:
        order = text(state[1]) if len(state) == 8 else None
        if order not in ("|", "<", ">", "=") or any(part is not None for part in state[2:5]):
            raise Unfit("a numpy dtype with fields", "booleans, numbers or bytes")
        self.order = order


@dataclass(eq=False)
class Array:
    """A numpy array in the making: pickles create it empty and fill it later."""

    value: NDArray[Any] | list[Any] | None = None
    """One-dimensional; of an array of objects the list of them."""

    @property
    def size(self) -> int:
        """Bytes that it brings to memory."""
        return self.value.nbytes if isinstance(self.value, np.ndarray) else 0

    def build(self, state: Arguments) -> None:
        if len(state) != 5 or state[0] != 1:
            raise Unfit("a numpy array of an unknown layout", "layout 1")
        if isinstance(state[2], Dtype) and state[2].code == _OBJECTS and type(state[4]) is list:
            _along(state[1], len(state[4]))
            self.value = state[4]
        else:
            self.value = array(state[4], dtype=state[2], shape=state[1])


def text(value: object) -> str | None:
    """Text as Python 3 (str) or Python 2 (bytes) wrote it; None for anything else."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else None


def unescape(line: bytes) -> bytes:
    """A quoted, escaped line: how Python 2's protocol 0 spells its byte strings.

    Raises:
        Unfit: quotes are missing, or an escape is none that Python 2 writes.
    """
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise Unfit("a string without its quotes", "a well-formed pickle")
    if b"\\" in _ESCAPE.sub(b"", line[1:-1]):
        raise Unfit("a string with an unknown escape", "a well-formed pickle")
    return codecs.escape_decode(line[1:-1])[0]


def array(raw: object, *, dtype: object, shape: object) -> NDArray[Any]:
    """View bytes as a one-dimensional array; nothing is copied.

    Raises:
        Unfit: it has other values than numbers or bytes, two dimensions of more than one, or another size.
    """
    if not (isinstance(raw, bytes | bytearray) and isinstance(dtype, Dtype) and dtype.code != _OBJECTS):
        raise Unfit("a numpy array of objects", "an array of bytes or flags")
    numbers = np.dtype(dtype.order.replace("|", "=") + dtype.code)
    _along(shape, len(raw) // numbers.itemsize)
    if len(raw) % numbers.itemsize:
        raise Unfit(f"a numpy array of {len(raw):,} bytes that are no whole numbers", "whole ones")
    return np.frombuffer(raw, dtype=numbers)


def _along(shape: object, size: int) -> None:
    """Refuse a shape that is not that of so many values in a row: [N], [N, 1], [1, N], or [] for one."""
    if type(shape) is not tuple or not all(type(side) is int for side in shape):
        raise Unfit("a numpy array without a shape", "an array of bytes or flags")
    long = [side for side in shape if side != 1] or [1]
    if len(long) > 1:
        shown = ", ".join(f"{side:.12g}" for side in shape)
        raise Unfit(f"a numpy array of [{shown}]", "one dimension: encoded images and flags, no pixels")
    if long[0] != size:
        raise Unfit(f"a numpy array whose shape does not fit its {size:,} values", "one dimension")


def _latin(value: object, coding: object) -> bytes:
    if not isinstance(value, str) or text(coding) not in _LATIN:
        raise Unfit("bytes spelled in an unknown way", "latin-1 text")
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        raise Unfit("text where bytes are spelled", "characters up to 255") from None


def _encode(arguments: Arguments) -> bytes:
    """`_codecs.encode(text, "latin1")`: how Python 3 spells bytes for protocols 0 to 2."""
    if len(arguments) != 2:
        raise Unfit("bytes spelled in an unknown way", "latin-1 text")
    return _latin(*arguments)


def _bytes(arguments: Arguments) -> bytes:
    if arguments:
        raise Unfit("bytes() with arguments", "none, as for an empty value")
    return b""


def _bytearray(arguments: Arguments) -> bytearray:
    match arguments:
        case ():
            return bytearray()
        case (bytes() as raw,):
            return bytearray(raw)
        case (value, coding):
            return bytearray(_latin(value, coding))
    raise Unfit("a bytearray of something else than bytes", "bytes")


def _dtype(arguments: Arguments) -> Dtype:
    code = text(arguments[0]) if arguments else None
    if code is None or not (code in _NUMBERS or code == _OBJECTS or _BYTES.fullmatch(code)):
        raise Unfit("a numpy dtype", "booleans, numbers or bytes")
    return Dtype(code)


def _scalar(arguments: Arguments) -> int | float | bytes:
    if len(arguments) != 2:
        raise Unfit("a numpy number without its value", "a flag")
    value: int | float | bytes = array(arguments[1], dtype=arguments[0], shape=(1,))[0].item()
    return value


def _reconstruct(arguments: Arguments) -> Array:
    if not arguments or arguments[0] is not _NDARRAY:
        raise Unfit("an array of a foreign class", "a numpy array")
    return Array()


def _frombuffer(arguments: Arguments) -> Array:
    if len(arguments) != 4:
        raise Unfit("a numpy array without its shape", "an array of bytes or flags")
    return Array(array(arguments[0], dtype=arguments[1], shape=arguments[2]))


def kind(value: object) -> str:
    """What a value is, for messages."""
    return value.name if isinstance(value, Global) else type(value).__name__.lower()


_NDARRAY = Global("numpy.ndarray", None)
GLOBALS: dict[tuple[str, str], Global] = {
    ("_codecs", "encode"): Global("_codecs.encode", _encode),
    ("numpy", "dtype"): Global("numpy.dtype", _dtype),
    ("numpy", "ndarray"): _NDARRAY,
}
for _module in ("builtins", "__builtin__"):
    GLOBALS[_module, "bytes"] = Global("bytes", _bytes)
    GLOBALS[_module, "bytearray"] = Global("bytearray", _bytearray)
for _module in ("numpy.core", "numpy._core"):
    GLOBALS[f"{_module}.multiarray", "scalar"] = Global("numpy scalar", _scalar)
    GLOBALS[f"{_module}.multiarray", "_reconstruct"] = Global("numpy array", _reconstruct)
    GLOBALS[f"{_module}.numeric", "_frombuffer"] = Global("numpy array", _frombuffer)
