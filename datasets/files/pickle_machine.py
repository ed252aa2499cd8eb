"""The stack machine that a pickle is a program for, less everything that could import, call, nest or outgrow the file.

`unpickle` has the opcodes; here is what they do to the stack, and what is refused.

Source: `Lib/pickletools.py` of CPython, which documents every opcode.
"""

from __future__ import annotations

import struct
from typing import Any, NoReturn

from ..base import DataError
from .pickle_values import GLOBALS, Array, Dtype, Global, kind

MAX_TUPLE = 8
"""Items of a sequence that may hold other sequences: numpy's arguments and states have up to 8, a set has 2 parts."""
ITEMS = frozenset({bytes, bytearray, bool, int, float, Array})
SEQUENCES = frozenset({list, tuple})


class Machine:
    """A pickle's stack, marks and memo.

    Args:
        data: the whole file.
        where: the file, for messages.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self.data, self.where = data, where
        self.at = self.start = 0
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.holders: dict[int, list[Any]] = {}
        """Lists that hold sequences, by identity; none of them goes into another, so nothing leads back to itself."""
        self.made = 0

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
            self.fail("values nested more than 8 deep", "images and flags, each in a sequence of its own")
        self.marks.append(self.stack)
        self.stack = []

    def pop_to_mark(self) -> list[Any]:
        if not self.marks:
            self.fail("a list or tuple that was never begun", "a well-formed pickle")
        items, self.stack = self.stack, self.marks.pop()
        return items

    def tuple_of(self, items: list[Any]) -> None:
        if len(items) > MAX_TUPLE:
            self.refuse_nested(items, "tuple")
        # a shape stands among numpy's arguments, and nothing of a verification set is nested deeper;
        # a longer tuple was found flat when it was made
        short = (item for item in items if type(item) is tuple and len(item) <= MAX_TUPLE)
        if any(type(part) is tuple for item in short for part in item):
            self.fail("tuples nested more than 2 deep", "images and flags, each in a sequence of its own")
        self.push(tuple(items))

    def refuse_nested(self, items: list[Any], into: str) -> None:
        for item in items:
            if type(item) not in ITEMS:
                self.fail(f"a {kind(item)} in a {into}", "images (bytes) or flags (booleans), not nested")

    def list_of(self, items: list[Any]) -> None:
        self.push([])
        self.extend(items)

    def extend(self, items: list[Any]) -> None:
        if not self.stack or type(self.stack[-1]) is not list:
            self.fail("items are added to what is no list", "a well-formed pickle")
        into = self.stack[-1]
        if len(into) + len(items) <= MAX_TUPLE and any(type(item) in SEQUENCES for item in items):
            self.hold(into, items)
        else:
            self.refuse_nested(items, "list")
        into.extend(items)

    def hold(self, into: list[Any], items: list[Any]) -> None:
        """Let a short list hold sequences: the list [images, flags]."""
        self.holders[id(into)] = into
        inside = [part for item in items if type(item) is tuple and len(item) <= MAX_TUPLE for part in item]
        if any(id(item) in self.holders for item in (*items, *inside)):
            self.fail("lists nested more than 2 deep", "images and flags, each in a sequence of its own")
        self.refuse_nested([item for item in items if type(item) not in SEQUENCES], "list")

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
        elif isinstance(made, Array):
            self.account(made.size)
        self.push(made)

    def build(self) -> None:
        target, state = self.pop_many(2)
        if not isinstance(target, Dtype | Array) or type(state) is not tuple:
            self.fail(f"the pickle sets the state of a {kind(target)}", "only of numpy arrays")
        target.build(state)
        if isinstance(target, Array):
            self.account(target.size)
        self.push(target)

    def account(self, size: int) -> None:
        # honest writers copy a value at most thrice (text to bytes, bytes to bytearray, bytes to array)
        self.made += size
        if self.made > 3 * len(self.data):
            self.fail("values much larger than the whole file", "each image written once")
