"""How rows of a board are called."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from .rows import Row

_TAUGHT = "teacher.version"


def label(rows: Sequence[Row]) -> None:
    """Tell rows of one method apart by the parameters in which they differ."""
    by_method: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_method[row.method].append(row)
    for members in by_method.values():
        given = [{**row.parameters, "version": row.version, "source": row.source} for row in members]
        names = sorted({name for own in given for name in own})
        if not all(_TAUGHT in own for own in given):  # an older record does not tell how its teacher was made
            names = [name for name in names if name == _TAUGHT or not name.startswith("teacher.")]
        differing = [name for name in names if any(own.get(name) != given[0].get(name) for own in given)]
        for row, own in zip(members, given, strict=True):
            told = [f"{name}={_short(own[name])}" for name in differing if name in own]
            if told:
                row.label = f"{row.method} ({', '.join(told)})"


def _short(value: Any) -> str:
    """A parameter in a label; of a file's digest the first digits."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 24 else f"{text[:21]}..."
