"""Damage and malice, seeded: bytes, texts and JSON that were good, changed; and a campaign of them over a reader.

`FACEBENCH_HOSTILE=1000000 pytest -n 0 tests/hostile` tries so many inputs on each reader instead of MOST; a find is
told by its kind and its number, and `FACEBENCH_HOSTILE_FIRST=NUMBER FACEBENCH_HOSTILE=1` makes it again.
"""

from __future__ import annotations

import copy
import os
import random
import signal
import struct
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[2]
MOST = 1000
SLOWEST = 5.0
"""Seconds that one input may take, on a machine where others are at work as well."""

T = TypeVar("T")
Read = Callable[[T], bool]
"""Reads an input, and tells whether what was read is what was good before the input was changed."""


@dataclass
class Tally:
    """What became of the inputs of one campaign."""

    kind: str
    tried: int = 0
    refused: int = 0
    right: int = 0
    other: int = 0
    """Accepted with another content than the good input's: another valid input, or damage that nothing tells."""
    finds: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = f"hostile {self.kind}: {self.tried:,} tried, {self.refused:,} refused, {self.right:,} read as before, "
        return told + f"{self.other:,} read as something else, {len(self.finds):,} wrong"


def campaign(
    kind: str,
    make: Callable[[random.Random], T],
    read: Read[T],
    errors: type[Exception] | tuple[type[Exception], ...],
    *,
    secrets: Sequence[str] = (),
    least: int = 1,
) -> Tally:
    """Try seeded inputs on a reader: each is refused by one of its errors, without a secret in it, or read in time.

    Args:
        kind: names the campaign; its inputs follow from it.
        make: an input from a generator of random numbers.
        read: see `Read`.
        errors: what the reader may raise.
        secrets: texts that no message may hold.
        least: how many inputs have to be refused and how many read, a share of a hundredth of all if there are many;
            a campaign that only ever sees one of both tests nothing.
    """
    count, first = (int(os.environ.get(f"FACEBENCH_HOSTILE{name}") or n) for name, n in (("", MOST), ("_FIRST", 0)))
    tally = Tally(kind)
    before = signal.signal(signal.SIGALRM, _hung)
    for number in range(first, first + count):
        rng = random.Random(f"{kind} {number}")
        given = make(rng)
        began = time.perf_counter()
        signal.alarm(2 * int(SLOWEST))
        try:
            if read(given):
                tally.right += 1
            else:
                tally.other += 1
        except errors as error:
            tally.refused += 1
            told = str(error)
            if any(secret in told for secret in secrets):
                tally.finds.append(f"{number}: a secret in the message: {told[:300]!r}")
            if not told.strip():
                tally.finds.append(f"{number}: a refusal without a word")
        except (Exception, _HungError) as error:
            frames = traceback.extract_tb(error.__traceback__)
            place = next((frame for frame in reversed(frames) if str(ROOT) in frame.filename), frames[-1])
            tally.finds.append(
                f"{number}: {type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {str(error)[:300]!r}"
            )
        finally:
            signal.alarm(0)
        if (took := time.perf_counter() - began) > SLOWEST:
            tally.finds.append(f"{number}: took {took:.1f} s")
        tally.tried += 1
    signal.signal(signal.SIGALRM, before)
    print(tally)
    assert not tally.finds, f"{tally}\n" + "\n".join(tally.finds[:40])
    if count >= MOST:
        assert tally.refused >= least and tally.right + tally.other >= least, tally
    return tally


class _HungError(BaseException):
    """No exception of a reader's, so that none takes it for one."""


def _hung(number: int, frame: object) -> None:
    raise _HungError


def damaged(data: bytes, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """Bytes with one to three faults, as disks, networks, bad tools and bad people make them."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = _BYTES[rng.randrange(len(_BYTES))](data, rng, others)
    return data


def _place(data: bytes, rng: random.Random) -> int:
    """Half of all faults lie near the beginning or the end, where headers are."""
    near = min(len(data), 64)
    return rng.choice((rng.randrange(len(data) + 1), rng.randrange(near + 1), len(data) - rng.randrange(near + 1)))


def flipped(data: bytes, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """One bit is another."""
    if not data:
        return b"\0"
    at = min(_place(data, rng), len(data) - 1)
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def cut(data: bytes, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """The end is missing."""
    return data[: _place(data, rng)]


def _replaced(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    at = _place(data, rng)
    part = rng.choice((b"\0", b"\xff", rng.randbytes(rng.randrange(1, 9)), b"\0" * 64, b"\n", b"\xff" * 4))
    return data[:at] + part + data[at + len(part) :]


def _number(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Four or eight bytes that may be a length, an offset or a count become an extreme one."""
    at, code = _place(data, rng) // 4 * 4, rng.choice("<>") + rng.choice("IQ")
    value = rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**29, 2**16, len(data), len(data) + 1))
    part = struct.pack(code, value)
    return data[:at] + part + data[at + len(part) :]


def _removed(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + rng.randrange(1, 200) :]


def _repeated(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    at, length = _place(data, rng), rng.randrange(1, 200)
    return data[: at + length] + data[at : at + length] * rng.choice((1, 1, 3)) + data[at + length :]


def _spliced(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """A part of another input of the kind stands in this one."""
    other = rng.choice(others) if others else data[::-1]
    at, length, start = _place(data, rng), rng.randrange(1, 400), _place(other, rng)
    part = other[start : start + length]
    return data[:at] + part + data[at + rng.choice((0, len(part))) :]


_BYTES = (flipped, flipped, cut, _replaced, _number, _removed, _repeated, _spliced)

WORDS = (
    "", " ", "\0", "a\0b", "\x1b[2J", "../../etc/passwd", "/dev/zero", "~", "-", "--", "\u202e", "\ufeff", "NaN", "inf",
    "-1", "0", "1e400", "9" * 400, "x" * 5000, "null", "true", "{}", "[]", "é", "e\u0301", "=cmd()", "*a", "&a",
    "${HOME}", "!!python/object/apply:os.system [true]", "%s%n", "\r\n", "\t", ",", '"', "'", "\\", ":",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, 1e-308, 2**31, 2**53 + 1, 10**30, [], {}, [[]], [None],
    {"": None}, {"a": {"b": []}}, "text", ["text"], [1, 2], *WORDS,
)  # fmt: skip
"""What stands where something else was expected."""


def retold(text: str, rng: random.Random) -> str:
    """A text with one to three faults: of lines, of separators, of words."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        fault = rng.randrange(7)
        if fault == 0:
            del lines[at]
        elif fault == 1:
            lines.insert(at, rng.choice(lines))
        elif fault == 2:
            lines.insert(at, rng.choice(WORDS))
        elif fault == 3:
            sign = rng.choice(",\t:;| \"'")
            lines[at] = lines[at].replace(sign, rng.choice((",", "\t", ";", "", '"', ":")), rng.choice((1, -1)))
        elif fault == 4:
            words = lines[at].replace("\t", " \t ").replace(",", " , ").split(" ")
            words[rng.randrange(len(words))] = rng.choice(WORDS)
            lines[at] = "".join(words)
        elif fault == 5:
            lines[at] = lines[at] + rng.choice((",", "\t", " ", "x")) + rng.choice(WORDS)
        else:
            cut_at = rng.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:cut_at] + rng.choice(WORDS) + lines[at][cut_at:]
        text = "\n".join(lines)
    return text


def remade(value: Any, rng: random.Random) -> Any:
    """JSON with one to three faults anywhere in it: a value of another kind, missing, twice, under another name."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = _fault(value, rng)
    return value


def _fault(value: Any, rng: random.Random) -> Any:
    deeper = isinstance(value, dict | list) and len(value) and rng.random() < 0.85
    if not deeper:
        return _other(value, rng)
    key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
    fault = rng.random()
    if fault < 0.08:
        del value[key]
    elif fault < 0.12 and isinstance(value, dict):
        value[rng.choice((*WORDS, f"{key}x", "class", "parameters"))] = value.pop(key)
    elif fault < 0.16 and isinstance(value, list):
        value.insert(key, copy.deepcopy(value[key]))
    elif fault < 0.20 and isinstance(value, dict):
        value[rng.choice(WORDS)] = copy.deepcopy(value[key])
    elif fault < 0.30:
        value[key] = _other(value[key], rng)
    else:
        value[key] = _fault(value[key], rng)
    return value


def _other(value: Any, rng: random.Random) -> Any:
    if isinstance(value, bool) or value is None or rng.random() < 0.5:
        return copy.deepcopy(rng.choice(VALUES))
    if isinstance(value, int | float):
        return rng.choice(
            (-value, value + 1, value * 2, value / 3, str(value), value * 1e300 if value else 0, int(value))
        )
    if isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        return rng.choice((value + rng.choice(WORDS), value[:at], value[:at] + rng.choice(WORDS) + value[at:]))
    return [value, copy.deepcopy(value)]
