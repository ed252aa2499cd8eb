"""Paths as other systems and other machines spell them, brought to those below a folder of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ...datasets.files.foreign_paths import before, slashed

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE = 1000
"""Paths that are looked at to tell how a column is spelled; they are spread over it."""


def relative(paths: pa.StringArray, known: Callable[[str], bool], folder: str) -> pa.StringArray:
    """The paths of a column as they are spelled below a folder; as they are where they cannot be understood.

    Backslashes become slashes. What stands before all paths is taken away where it is that of a full path, or ends
    with the folder's name, and what is left is known.

    Args:
        paths: [R], one spelling for all; empty ones are passed over.
        known: whether a path names something below the folder.
        folder: its name.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    filled = paths.filter(pc.not_equal(paths, ""))
    places = np.unique(np.linspace(0, len(filled) - 1, min(len(filled), _SAMPLE)).astype(int))
    sample = filled.take(places).to_pylist()
    if any(map(known, sample)):
        return paths
    if any("\\" in path for path in sample):
        paths, filled = (pa.array(map(slashed, each.to_pylist()), pa.string()) for each in (paths, filled))
        sample = filled.take(places).to_pylist()
        if any(map(known, sample)):
            return paths
    for path in sample:
        if (lead := before(path, known, folder)) and pc.all(pc.starts_with(filled, lead)).as_py():
            return pc.utf8_slice_codeunits(paths, len(lead))
    return paths
