"""Errors of plug-ins that other packages bring: told as theirs, with the place in their file."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ... import FacebenchError

_GROUP = "facebench."
_OURS = Path(__file__).resolve().parents[2]


class PluginFailed(FacebenchError, RuntimeError):
    """A plug-in of another package raised an error of its own; the message says which, what and where."""


def told(error: BaseException) -> str | None:
    """What to say of an error that the code of another package's plug-in raised, or what it called; else None.

    Where facebench was called by the plug-in and failed itself, the error is facebench's.

    Args:
        error: as it was caught.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename).resolve()
        if found := _owner(file):
            return f"{_spoken(found)} failed: {explained(error)}, at {frame.filename}:{frame.lineno}"
        if _OURS in file.parents and "site-packages" not in file.relative_to(_OURS).parts:
            return None
    return None


def explained(error: BaseException) -> str:
    """An error as one line: its class and what it says."""
    says = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"{type(error).__name__}: {says}" if says else type(error).__name__


def place(error: BaseException) -> str:
    """Where an error was raised, such as `FILE:LINE`; of a file that cannot be read as Python, where that is."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"


def _spoken(entry: EntryPoint) -> str:
    kind = entry.group.removeprefix(_GROUP).removesuffix("s")
    package = entry.dist.name if entry.dist else entry.module.partition(".")[0]
    return f"{kind} `{entry.name}` of package `{package}`"


def _owner(file: Path) -> EntryPoint | None:
    """The plug-in whose file this is, or another plug-in of the same package."""
    beside = None
    for entry in _entries():
        module, top = sys.modules.get(entry.module), sys.modules.get(entry.module.partition(".")[0])
        if _file(module) == file:
            return entry
        folders = [Path(folder).resolve() for folder in getattr(top, "__path__", ())]
        if beside is None and any(folder in file.parents for folder in folders):
            beside = entry
    return beside


def _file(module: object) -> Path | None:
    name = getattr(module, "__file__", None)
    return Path(name).resolve() if name else None


def _entries() -> Iterator[EntryPoint]:
    """Of other packages alone: what an entry point of ours offers is ours."""
    ours = __name__.partition(".")[0]
    for group in entry_points().groups:
        if group.startswith(_GROUP):
            yield from (entry for entry in entry_points(group=group) if entry.module.partition(".")[0] != ours)
