"""Hostile verification sets: work and memory stay in proportion to the file, and all that is wrong is a DataError."""

import pickle
import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from facebench.datasets import bin as bins
from facebench.datasets.base import DataError
from facebench.datasets.files import pickle_machine, pickle_values, unpickle

IMAGE = b"\x89PNG of a face"


def operations(content: bytes) -> int:
    """How many bytecode operations of ours it takes to read a pickle."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in (unpickle.__file__, pickle_machine.__file__, pickle_values.__file__):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        unpickle.unpickle(content, where="set")
    except DataError:
        pass
    finally:
        sys.settrace(before)
    return count


def _tuples(n: int, width: int) -> bytes:
    return b"\x80\x02(" + b"N" * width + b"tq\x00" + b"h\x00\x85" * n + b"."


def _images(n: int) -> bytes:
    return b"\x80\x02C\x02abq\x00](" + b"h\x00" * n + b"e](" + b"\x88" * (n // 2) + b"e\x86."


HEAVY: dict[str, Callable[[int], bytes]] = {
    "a large tuple in many": lambda n: _tuples(n, n),
    "a large tuple of flags in many": lambda n: b"\x80\x02(" + b"\x88" * n + b"tq\x00" + b"h\x00\x85" * n + b".",
    "a large tuple in many lists": lambda n: b"\x80\x02(" + b"\x88" * n + b"tq\x00" + b"]h\x00a" * n + b".",
    "one list in many lists": lambda n: b"](" + b"K\x01" * n + b"eq\x00" + b"]h\x00a" * n + b".",
    "an array of objects built again and again": lambda n: (
        b"\x80\x02cnumpy\ndtype\n(U\x02O8K\x00K\x01tRq\x00](" + b"\x88" * 200 + b"eq\x01"
        + b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btRq\x02"
        + b"(K\x01K\xc8\x85h\x00\x89h\x01tb" * n + b"."
    ),
    "the largest tuple in many": lambda n: _tuples(n, pickle_machine.MAX_TUPLE),
    "tuples of the largest tuple": lambda n: (
        b"\x80\x02(" + b"N" * 8 + b"tq\x00" + (b"(" + b"h\x00" * 8 + b"t") * n + b"."
    ),
    "a large list appended to again and again": lambda n: b"]q\x00(" + b"K\x01" * n + b"e" + b"h\x00K\x01a" * n + b".",
    "one image in many pairs": _images,
    "one array built again and again": lambda n: (
        b"\x80\x02cnumpy\ndtype\n(U\x02u1K\x00K\x01tRq\x00C" + bytes([n % 200]) + b"a" * (n % 200) + b"q\x01"
        + b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btRq\x02"
        + (b"(K\x01K" + bytes([n % 200]) + b"\x85h\x00\x89h\x01tb") * n + b"."
    ),
    "text of one long line after another": lambda n: b"V" + b"a" * n + b"\n" + b"Va\n" * n + b".",
    "marks opened and closed": lambda n: b"(t" * n + b".",
    "many values kept": lambda n: b"".join(b"Np%d\n" % key for key in range(n)) + b".",
}  # fmt: skip


@pytest.mark.parametrize("kind", HEAVY)
def test_twice_the_file_takes_twice_the_work(kind: str) -> None:
    small, large = HEAVY[kind](400), HEAVY[kind](800)
    once, twice = operations(small), operations(large)
    assert twice / once < 1.3 * len(large) / len(small)
    assert twice < 400 * len(large)


def test_a_file_of_a_megabyte_that_took_minutes_is_refused_at_once() -> None:
    content = _tuples(400_000, 400_000)
    with pytest.raises(DataError, match="a nonetype in a tuple; expected images"):
        unpickle.unpickle(content, where="set")


def test_keys_that_fall_together_are_refused() -> None:
    keys = [(1 << 61) - 1, (1 << 40), 1 << 62]
    for key in keys:
        with pytest.raises(DataError, match="as many numbers as values"):
            unpickle.unpickle(b"Np%d\n." % key, where="set")


def test_a_small_file_does_not_decode_to_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps(([IMAGE] * 150_000, [True, False] * 37_500)))
    with pytest.raises(DataError, match=r"lfw.bin: expected encoded images, got 150,000 in 3\d\d,\d\d\d bytes"):
        bins.read(path)
    path.write_bytes(pickle.dumps(([IMAGE] * 20_000, [True, False] * 5_000)))  # a few faces, all against all
    assert len(bins.read(path)[0]) == 20_000


def _valid() -> list[bytes]:
    images: list[Any] = [b"ab", b"cd"] * 2
    arrays = [np.frombuffer(image, np.uint8) for image in images]
    kinds: list[Any] = [images, [bytearray(image) for image in images], arrays, [array.copy() for array in arrays]]
    kinds += [tuple(images), np.array(images), np.array(images, dtype=object), [array[:, None] for array in arrays]]
    flags: list[Any] = [
        [True, False], [1, 0], [np.bool_(True), np.bool_(False)], np.array([True, False]), np.array([1, 0], ">i4"),
        [1.0, 0.0], (True, False), np.array([[1.0], [0.0]]),
    ]  # fmt: skip
    both = [pickle.dumps((each, same), protocol=p) for p in range(6) for each in kinds for same in flags]
    return both + [pickle.dumps([each, same], protocol=p) for p in range(6) for each in kinds for same in flags]


def _mutated(rng: random.Random, content: bytes, opcodes: bytes) -> bytes:
    """One to four changes: a byte, an opcode, a piece taken out, a piece doubled, opcodes put in between."""
    made = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, size = rng.randrange(len(made)), rng.randint(1, 30)
        match rng.randrange(5):
            case 0:
                made[at] = rng.randrange(256)
            case 1:
                made[at] = rng.choice(opcodes)
            case 2:
                del made[at : at + size // 8]
            case 3:
                made[at:at] = made[at : at + size]
            case 4:
                made[at:at] = bytes(rng.choice(opcodes) for _ in range(1 + size // 10))
        made = made or bytearray(b".")
    return bytes(made)


@pytest.mark.parametrize("seed", range(2))
def test_thousands_of_damaged_sets_are_refused_in_a_sentence_or_read(tmp_path: Path, seed: int) -> None:
    rng, valid, opcodes = random.Random(seed), _valid(), bytes(unpickle._STEPS)
    path = tmp_path / "set.bin"
    read = 0
    for _ in range(1_500):
        path.write_bytes(_mutated(rng, rng.choice(valid), opcodes))
        try:
            bins.read(path)
        except DataError as error:
            assert str(error).startswith(f"{path}: ")
            assert "expected" in str(error)
        else:
            read += 1
    assert 0 < read < 400


@pytest.mark.parametrize("error", [TypeError("unhashable"), KeyError("x"), OverflowError("too large"), ValueError("?")])
def test_an_error_that_nobody_foresaw_is_told_of_the_file(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def make(arguments: object) -> None:
        raise error

    monkeypatch.setitem(pickle_values.GLOBALS, ("builtins", "bytes"), pickle_values.Global("bytes", make))
    with pytest.raises(DataError, match=f"set: .*at byte 17.*{type(error).__name__}"):
        unpickle.unpickle(b"cbuiltins\nbytes\n)R.", where="set")


def test_a_length_that_lies_is_refused_before_memory_is_taken() -> None:
    for layout, opcode in (("<I", b"B"), ("<Q", b"\x8e"), ("<Q", b"\x96"), ("<I", b"X"), ("<i", b"T")):
        with pytest.raises(DataError, match="are announced where"):
            unpickle.unpickle(opcode + struct.pack(layout, 0x7FFFFFFF) + b"abc.", where="set")
