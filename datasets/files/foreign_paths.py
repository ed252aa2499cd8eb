"""Paths as other systems and other machines spell them."""

from __future__ import annotations

import re
from collections.abc import Callable

_FULL = re.compile(r"^(/|[A-Za-z]:/)")


def slashed(path: str) -> str:
    """A path with slashes where Windows has backslashes, and without `./` before it."""
    return re.sub(r"^(\./+)+", "", path.replace("\\", "/"))


def before(path: str, known: Callable[[str], bool], folder: str) -> str:
    """What stands before the longest end of a path that is known; empty where none is.

    Only what another machine may have put there counts: the beginning of a full path, or one that ends with the
    folder's own name.

    Args:
        path: with slashes.
        known: whether a path names something below the folder.
        folder: its name.
    """
    parts = path.split("/")
    for taken in range(1, len(parts)):
        if (_FULL.match(path) or parts[taken - 1] == folder) and known("/".join(parts[taken:])):
            return "/".join(parts[:taken]) + "/"
    return ""
