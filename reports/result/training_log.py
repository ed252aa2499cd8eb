"""Loss curves: the lines of a training log, and the names they go by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

MOST_POINTS = 1000
"""Points of one loss curve; of a longer one every n-th step is taken, the last one always."""


def word(name: str) -> str:
    """A name as one part of a metric's name: `@` is `_at_`, all but letters, digits, `_`, `-`, `.` becomes `_`.

    `leak@1 image` is `leak_at_1_image`. The dots at both ends go too: a tracker takes them for folders.
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name.replace("@", "_at_")).strip(".") or "_"


def log_lines(path: Path) -> Iterator[dict[str, float]]:
    """The numbers of a training log, line by line, those of sound lines; each has a `step`.

    Raises:
        OSError: the log cannot be read.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if not isinstance(line, dict):
                continue
            numbers = {
                str(key): float(value)
                for key, value in line.items()
                if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
            }
            if "step" in numbers:
                yield numbers
