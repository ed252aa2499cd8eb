"""Read a pickled verification set as data: a pickle is a program, and this runs no part of it.

Python's own unpickler imports and calls what the file names. Here the few opcodes that a pair (list of
encoded images, list of flags) needs are interpreted, in every protocol and from Python 2 as well as 3;
`pickled` re-makes the few functions that writers spell bytes and numbers by; all else is refused.
Work and memory follow the file's size: no step looks at all of a value that other steps can name again.

Source: `Lib/pickletools.py` of CPython, which documents every opcode.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..base import DataError
from .pickle_values import GLOBALS, Array, Dtype, Global, Unfit, kind, unescape

MAX_STEPS = 5_000_000
"""Opcodes read before giving up; a set of 6,000 pairs takes 20,000 to 150,000."""

MAX_TUPLE = 8
"""Items of a tuple: numpy's arguments and states have up to 8, a verification set has 2."""

Part = list[Any] | NDArray[Any]
_ITEMS = frozenset({bytes, bytearray, bool, int, Array})


def unpickle(data: bytes, *, where: str) -> tuple[Part, Part]:
    """Read the pickle of a pair (images, flags), without running anything of it.

    Args:
        data: the whole file, of any protocol from 0 to 5, written by Python 2 or 3.
        where: the file, for messages.

    Returns:
        Two flat lists or numpy arrays; items are bytes, bytearrays, one-dimensional arrays, booleans, numbers.

    Raises:
        DataError: the pickle is damaged, or holds, names or calls anything else.
    """
    machine = _Machine(data, where)
    try:
        return machine.pair(machine.run())
    except (DataError, Unfit) as error:
        if isinstance(error, Unfit):
            machine.fail(error.got, error.expected)
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        machine.fail(
            f"values that do not belong together ({type(error).__name__}: {error!s:.80})", "a verification set"
        )


class _Machine:
    """Pickle's stack machine, less everything that could import, call, nest or outgrow the file."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data, self.where = data, where
        self.at = self.start = 0
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.made = 0

    def run(self) -> Any:
        data, end = self.data, len(self.data)
        for _ in range(MAX_STEPS):
            self.start = self.at
            if self.at >= end:
                self.fail("the file ends too early", "a complete pickle")
            code = data[self.at]
            self.at += 1
            if code == ord("."):
                break
            step = _STEPS.get(code)
            if step is None:
                self.fail(f"opcode 0x{code:02x}", "only lists, tuples, bytes, numbers and flags")
            step(self)
        else:
            self.fail(f"more than {MAX_STEPS:,} steps", "fewer: a set of 6,000 pairs has at most 150,000")
        if self.at != end:
            self.fail(f"{end - self.at:,} bytes after the pickle's end", "none")
        if self.marks or len(self.stack) != 1:
            self.fail("an unfinished list or tuple", "one value")
        return self.stack[0]

    def pair(self, root: Any) -> tuple[Part, Part]:
        if type(root) is not tuple or len(root) != 2:
            self.fail(f"the pickle holds a {kind(root)}", "a pair (list of images, list of flags)")
        images, flags = (self.settle(part) for part in root)
        if not (isinstance(images, list | np.ndarray) and isinstance(flags, list | np.ndarray)):
            self.fail("a pair of something else than lists", "a pair (list of images, list of flags)")
        settled = [[self.settle(item) for item in part] if isinstance(part, list) else part for part in (images, flags)]
        return settled[0], settled[1]

    def settle(self, value: Any) -> Any:
        if not isinstance(value, Array):
            return value
        if value.value is None:
            self.fail("a numpy array that was never filled", "an array of bytes or flags")
        return value.value

    def fail(self, got: str, expected: str) -> NoReturn:
        raise DataError(
            f"{self.where}: not a verification set that can be read: at byte {self.start:,}: {got}; "
            f"expected {expected}. Nothing in it was run. Get the file again from where it is published."
        )

    def take(self, count: int) -> bytes:
        left = len(self.data) - self.at
        if not 0 <= count <= left:
            self.fail(f"{count:,} bytes are announced where {left:,} are left", "a value inside the file")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, layout: str) -> int:
        return int(struct.unpack(layout, self.take(struct.calcsize(layout)))[0])

    def line(self) -> bytes:
        end = self.data.find(b"\n", self.at)
        if end < 0:
            self.fail("a line that does not end", "a complete pickle")
        line = self.data[self.at : end]
        self.at = end + 1
        return line

    def decimal(self) -> int:
        line = self.line().removesuffix(b"L")
        if not (len(line) <= 20 and line.removeprefix(b"-").isdigit()):
            self.fail("a line that is no whole number", "one of up to 19 digits")
        return int(line)

    def text(self, raw: bytes, coding: str) -> str:
        try:
            return raw.decode(coding)
        except UnicodeDecodeError:
            self.fail(f"text that is not {coding}", "a well-formed pickle")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        if not self.stack:
            self.fail("a value is used that is not there", "a well-formed pickle")
        return self.stack.pop()

    def pop_many(self, count: int) -> list[Any]:
        return [self.pop() for _ in range(count)][::-1]

    def mark(self) -> None:
        if len(self.marks) >= 8:
            self.fail("values nested more than 8 deep", "a flat list of images and one of flags")
        self.marks.append(self.stack)
        self.stack = []

    def pop_to_mark(self) -> list[Any]:
        if not self.marks:
            self.fail("a list or tuple that was never begun", "a well-formed pickle")
        items, self.stack = self.stack, self.marks.pop()
        return items

    def tuple_of(self, items: list[Any]) -> None:
        if len(items) > MAX_TUPLE:
            self.fail(f"a tuple of {len(items):,} items", f"at most {MAX_TUPLE}, and images and flags in lists")
        # a shape stands among numpy's arguments, and nothing of a verification set is nested deeper
        if any(type(part) is tuple for item in items if type(item) is tuple for part in item):
            self.fail("tuples nested more than 2 deep", "a flat list of images and one of flags")
        self.push(tuple(items))

    def list_of(self, items: list[Any]) -> None:
        self.push([])
        self.extend(items)

    def extend(self, items: list[Any]) -> None:
        if not self.stack or type(self.stack[-1]) is not list:
            self.fail("items are added to what is no list", "a well-formed pickle")
        for item in items:
            if type(item) not in _ITEMS:
                self.fail(f"a {kind(item)} in a list", "images (bytes) or flags (booleans) in a flat list")
        self.stack[-1].extend(items)

    def put(self, key: int) -> None:
        if not self.stack:
            self.fail("a value is kept that is not there", "a well-formed pickle")
        if not 0 <= key <= len(self.data):  # writers count; keys chosen to fall together would make look-ups slow
            self.fail(f"a value is kept as number {key}", "as many numbers as values")
        self.memo[key] = self.stack[-1]

    def get(self, key: int) -> None:
        if key not in self.memo:
            self.fail(f"value {key} is referred to before it is there", "a well-formed pickle")
        self.push(self.memo[key])

    def name(self, module: object, name: object) -> None:
        found = GLOBALS.get((module, name)) if isinstance(module, str) and isinstance(name, str) else None
        if found is None:
            self.fail(
                f"the pickle asks for {f'{module!s:.40}.{name!s:.40}'!a}", "names of bytes and numpy numbers only"
            )
        self.push(found)

    def call(self) -> None:
        function, arguments = self.pop_many(2)
        if type(function) is not Global or function.make is None or type(arguments) is not tuple:
            self.fail(f"the pickle calls a {kind(function)}", "names of bytes and numpy numbers only")
        made = function.make(arguments)
        if isinstance(made, bytes | bytearray):
            self.account(len(made))
        elif isinstance(made, Array) and made.value is not None:
            self.account(made.value.nbytes)
        self.push(made)

    def build(self) -> None:
        target, state = self.pop_many(2)
        if not isinstance(target, Dtype | Array) or type(state) is not tuple:
            self.fail(f"the pickle sets the state of a {kind(target)}", "only of numpy arrays")
        target.build(state)
        if isinstance(target, Array) and target.value is not None:
            self.account(target.value.nbytes)
        self.push(target)

    def account(self, size: int) -> None:
        # honest writers copy a value at most thrice (text to bytes, bytes to bytearray, bytes to array)
        self.made += size
        if self.made > 3 * len(self.data):
            self.fail("values much larger than the whole file", "each image written once")


def _integer(machine: _Machine) -> None:
    if machine.data[machine.at : machine.at + 3] in (b"00\n", b"01\n"):  # protocol 0 spells flags so
        machine.push(machine.line() == b"01")
    else:
        machine.push(machine.decimal())


def _long(machine: _Machine, size: int) -> None:
    if not 0 <= size <= 8:
        machine.fail(f"a number of {size:,} bytes", "at most 8")
    machine.push(int.from_bytes(machine.take(size), "little", signed=True))


def _protocol(machine: _Machine) -> None:
    if (protocol := machine.number("<B")) > 5:
        machine.fail(f"protocol {protocol}", "0 to 5")


def _frame(machine: _Machine) -> None:
    if (size := machine.number("<Q")) > (left := len(machine.data) - machine.at):
        machine.fail(f"a frame of {size:,} bytes is announced where {left:,} are left", "a complete pickle")


_STEPS: dict[int, Callable[[_Machine], None]] = {
    0x80: _protocol,
    0x95: _frame,
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("I"): _integer,
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
