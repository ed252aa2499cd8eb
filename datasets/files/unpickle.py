"""Read a pickled verification set as data: a pickle is a program, and this runs no part of it.

Python's own unpickler imports and calls what the file names. Here the few opcodes that a pair (encoded images,
flags) needs are interpreted, of lists, tuples and arrays, in every protocol and from Python 2 as well as 3;
`pickle_values` re-makes the few functions that writers spell bytes and numbers by; all else is refused.
Work and memory follow the file's size: no step looks at all of a value that other steps can name again.

Source: `Lib/pickletools.py` of CPython, which documents every opcode.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import DataError
from .pickle_machine import ITEMS, SEQUENCES, Machine
from .pickle_values import Array, Unfit, kind, unescape

MAX_STEPS = 5_000_000
"""Opcodes read before giving up; a set of 6,000 pairs takes 20,000 to 150,000."""

Part = list[Any] | NDArray[Any]
_FLOAT = re.compile(rb"-?[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?")
_PAIR = "a pair (images, flags), each a list, a tuple or an array"


def unpickle(data: bytes, *, where: str) -> tuple[Part, Part]:
    """Read the pickle of a pair (images, flags), without running anything of it.

    Args:
        data: the whole file, of any protocol from 0 to 5, written by Python 2 or 3.
        where: the file, for messages.

    Returns:
        Two flat lists or numpy arrays; items are bytes, bytearrays, one-dimensional arrays, booleans, numbers. What was
        a tuple or an array of objects is a list, and an array of [N, 1] one of [N].

    Raises:
        DataError: the pickle is damaged, or holds, names or calls anything else.
    """
    machine = Machine(data, where)
    try:
        return _pair(machine, _run(machine))
    except (DataError, Unfit) as error:
        if isinstance(error, Unfit):
            machine.fail(error.got, error.expected)
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        machine.fail(
            f"values that do not belong together ({type(error).__name__}: {error!s:.80})", "a verification set"
        )


def _run(machine: Machine) -> Any:
    data, end = machine.data, len(machine.data)
    for _ in range(MAX_STEPS):
        machine.start = machine.at
        if machine.at >= end:
            machine.fail("the file ends too early", "a complete pickle")
        code = data[machine.at]
        machine.at += 1
        if code == ord("."):
            break
        step = _STEPS.get(code)
        if step is None:
            machine.fail(f"opcode 0x{code:02x}", "only lists, tuples, arrays, bytes, numbers and flags")
        step(machine)
    else:
        machine.fail(f"more than {MAX_STEPS:,} steps", "fewer: a set of 6,000 pairs has at most 150,000")
    if machine.at != end:
        machine.fail(f"{end - machine.at:,} bytes after the pickle's end", "none")
    if machine.marks or len(machine.stack) != 1:
        machine.fail("an unfinished list or tuple", "one value")
    return machine.stack[0]


def _pair(machine: Machine, root: Any) -> tuple[Part, Part]:
    both = _settle(machine, root)
    if type(both) not in SEQUENCES:
        machine.fail(f"the pickle holds a {kind(root)}", _PAIR)
    if len(both) != 2:
        machine.fail(f"the pickle holds a {kind(root)} of {len(both):,} items", _PAIR)
    images, flags = (_part(machine, _settle(machine, part)) for part in both)
    return images, flags


def _part(machine: Machine, found: Any) -> Part:
    if isinstance(found, np.ndarray):
        return found
    if type(found) not in SEQUENCES:
        machine.fail(f"a {kind(found)} where images or flags are expected", _PAIR)
    for item in found:
        if type(item) not in ITEMS:
            machine.fail(f"a {kind(item)} among images or flags", "images (bytes) or flags (booleans), not nested")
    return [_settle(machine, item) for item in found]


def _settle(machine: Machine, value: Any) -> Any:
    if not isinstance(value, Array):
        return value
    if value.value is None:
        machine.fail("a numpy array that was never filled", "an array of bytes or flags")
    return value.value


def _integer(machine: Machine) -> None:
    if machine.data[machine.at : machine.at + 3] in (b"00\n", b"01\n"):  # protocol 0 spells flags so
        machine.push(machine.line() == b"01")
    else:
        machine.push(machine.decimal())


def _float(machine: Machine) -> None:
    line = machine.line()
    if not (len(line) <= 32 and _FLOAT.fullmatch(line)):
        machine.fail("a line that is no number", "one such as 1.0")
    machine.push(float(line))


def _long(machine: Machine, size: int) -> None:
    if not 0 <= size <= 8:
        machine.fail(f"a number of {size:,} bytes", "at most 8")
    machine.push(int.from_bytes(machine.take(size), "little", signed=True))


def _protocol(machine: Machine) -> None:
    if (protocol := machine.number("<B")) > 5:
        machine.fail(f"protocol {protocol}", "0 to 5")


def _frame(machine: Machine) -> None:
    if (size := machine.number("<Q")) > (left := len(machine.data) - machine.at):
        machine.fail(f"a frame of {size:,} bytes is announced where {left:,} are left", "a complete pickle")


_STEPS: dict[int, Callable[[Machine], None]] = {
    0x80: _protocol,
    0x95: _frame,
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("I"): _integer,
    ord("F"): _float,
    ord("G"): lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    ord("L"): lambda m: m.push(m.decimal()),
    ord("K"): lambda m: m.push(m.number("<B")),
    ord("M"): lambda m: m.push(m.number("<H")),
    ord("J"): lambda m: m.push(m.number("<i")),
    0x8A: lambda m: _long(m, m.number("<B")),
    0x8B: lambda m: _long(m, m.number("<i")),
    ord("S"): lambda m: m.push(unescape(m.line())),
    ord("U"): lambda m: m.push(m.take(m.number("<B"))),
    ord("T"): lambda m: m.push(m.take(m.number("<i"))),
    ord("C"): lambda m: m.push(m.take(m.number("<B"))),
    ord("B"): lambda m: m.push(m.take(m.number("<I"))),
    0x8E: lambda m: m.push(m.take(m.number("<Q"))),
    0x96: lambda m: m.push(bytearray(m.take(m.number("<Q")))),
    ord("V"): lambda m: m.push(m.text(m.line(), "raw-unicode-escape")),
    0x8C: lambda m: m.push(m.text(m.take(m.number("<B")), "utf-8")),
    ord("X"): lambda m: m.push(m.text(m.take(m.number("<I")), "utf-8")),
    0x8D: lambda m: m.push(m.text(m.take(m.number("<Q")), "utf-8")),
    ord("("): lambda m: m.mark(),
    ord(")"): lambda m: m.push(()),
    ord("t"): lambda m: m.tuple_of(m.pop_to_mark()),
    0x85: lambda m: m.tuple_of(m.pop_many(1)),
    0x86: lambda m: m.tuple_of(m.pop_many(2)),
    0x87: lambda m: m.tuple_of(m.pop_many(3)),
    ord("]"): lambda m: m.push([]),
    ord("l"): lambda m: m.list_of(m.pop_to_mark()),
    ord("a"): lambda m: m.extend(m.pop_many(1)),
    ord("e"): lambda m: m.extend(m.pop_to_mark()),
    ord("p"): lambda m: m.put(m.decimal()),
    ord("q"): lambda m: m.put(m.number("<B")),
    ord("r"): lambda m: m.put(m.number("<I")),
    0x94: lambda m: m.put(len(m.memo)),
    ord("g"): lambda m: m.get(m.decimal()),
    ord("h"): lambda m: m.get(m.number("<B")),
    ord("j"): lambda m: m.get(m.number("<I")),
    ord("c"): lambda m: m.name(m.text(m.line(), "utf-8"), m.text(m.line(), "utf-8")),
    0x93: lambda m: m.name(*m.pop_many(2)),
    ord("R"): lambda m: m.call(),
    ord("b"): lambda m: m.build(),
}
