"""Paths as other systems and other machines spell them, brought to those below a folder of ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE = 1000
"""Paths that are looked at to tell how a column is spelled; they are spread over it."""
_FULL = re.compile(r"^(/|[A-Za-z]:/)")


def relative(paths: pa.StringArray, known: Callable[[str], bool], folder: str) -> pa.StringArray:
    """The paths of a column as they are spelled below a folder; as they are where they cannot be understood.

    Backslashes become slashes. What stands before all paths is taken away where it is that of a full path, or ends
    with the folder's name, and what is left is known.

    Args:
        paths: [R], one spelling for all; empty ones are passed over.
        known: whether a path names something below the folder.
        folder: its name.
    """
    import pyarrow.compute as pc

    filled = paths.filter(pc.not_equal(paths, ""))
    places = np.unique(np.linspace(0, len(filled) - 1, min(len(filled), _SAMPLE)).astype(int))
    sample = filled.take(places).to_pylist()
    if any(map(known, sample)):
        return paths
    if any("\\" in path for path in sample):
        paths, filled = (
            pc.replace_substring_regex(pc.replace_substring(each, "\\", "/"), r"^(\./+)+", "")
            for each in (paths, filled)
        )
        sample = filled.take(places).to_pylist()
        if any(map(known, sample)):
            return paths
    for path in sample:
        if (before := _before(path, known, folder)) and pc.all(pc.starts_with(filled, before)).as_py():
            return pc.utf8_slice_codeunits(paths, len(before))
    return paths


def _before(path: str, known: Callable[[str], bool], folder: str) -> str:
    """What stands before the longest end of a path that is known; empty where none is."""
    parts = path.split("/")
    for taken in range(1, len(parts)):
        if (_FULL.match(path) or parts[taken - 1] == folder) and known("/".join(parts[taken:])):
            return "/".join(parts[:taken]) + "/"
    return ""
