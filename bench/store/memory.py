"""How much memory a piece of work takes, where the system tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_earlier = [0.0]
"""The peak before the last watch began, which ended it."""
_RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def watch() -> Callable[[], float | None]:
    """Begin to watch the resident memory of this process.

    Returns:
        Its peak since then, in MiB, Python and all that it has loaded included; None where the system does not tell
        (only Linux does). Memory of other processes and of a GPU is not in it.
    """
    _earlier.append(max(_earlier.pop(), peak() or 0.0))
    try:
        _RESET.write_text("5", encoding="ascii")  # of proc(5): the peak is now what is held
    except OSError:
        return lambda: None
    return peak


def highest() -> float | None:
    """The peak of this process' resident memory in MiB since it began, whatever was watched; None if not known."""
    return max(*_earlier, peak() or 0.0) or None


def peak() -> float | None:
    """The peak of this process' resident memory in MiB, since it began or was last watched; None if not known."""
    try:
        return int(_STATUS.read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, ValueError, IndexError):
        return None
