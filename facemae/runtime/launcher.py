"""What a launcher (`torchrun`, `accelerate launch`) says in variables: how many processes there are, and which is this.

Job systems leave such variables set and empty; that is as good as not set.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ... import FacebenchError

VARIABLES = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_MOST = 65_535


class LaunchError(FacebenchError, ValueError):
    """Variables of a launcher that make no sense; the message says which, expected, got and what to do."""


def processes() -> int:
    """How many processes the launcher started; 1 without one.

    Raises:
        LaunchError: it says no number, or a number of processes without saying which of them this is.
    """
    count = number("WORLD_SIZE", 1, least=1)
    if count > 1:
        if not os.environ.get("RANK", "").strip():
            raise LaunchError(
                f"$WORLD_SIZE is {count}, and $RANK does not say which of these processes this is; start them with "
                "`torchrun` or `accelerate launch`, or unset WORLD_SIZE for one process"
            )
        rank()
    return count


def rank() -> int:
    """Which of the processes this is, from 0.

    Raises:
        LaunchError: it says no number, or one of more processes than there are.
    """
    found, count = number("RANK", 0, least=0), number("WORLD_SIZE", 1, least=1)
    if found >= count > 1:
        raise LaunchError(f"$RANK: expected 0 to {count - 1}, since $WORLD_SIZE is {count}, got {found}; unset both")
    return found


def number(name: str, default: int, *, least: int) -> int:
    """A whole number that a variable holds.

    Args:
        name: of the variable.
        default: where it is not set, or empty.
        least: the lowest that makes sense.

    Raises:
        LaunchError: it holds something else.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text[:10]) <= _MOST):
        raise LaunchError(
            f"${name}: expected a whole number from {least}, got {text!r:.40}; launchers set it: unset it for a "
            "run of one process"
        )
    return int(text)


@contextmanager
def without_empty() -> Iterator[None]:
    """While the block runs, empty variables are not set: libraries that read them take them for numbers."""
    empty = {name: os.environ[name] for name in VARIABLES if not os.environ.get(name, "x").strip()}
    for name in empty:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(empty)
