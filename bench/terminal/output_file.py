"""Files that a command writes where the user says: whole or not at all, and never over what is not its own."""

from __future__ import annotations

from pathlib import Path

from ... import FacebenchError
from ...reports.result.files import replace

OPENINGS = (
    b"### ", b"dataset,recipe,", b'[\n {\n  "dataset"', b"% Made by `bench report", b"<!doctype html",
    b"\x89PNG\r\n\x1a\n", b"%PDF-", b'<?xml version="1.0" encoding="utf-8" standalone="no"?>\n<!DOCTYPE svg',
)  # fmt: skip
"""How boards and pictures begin, in lower case where letters are."""


class OutputError(FacebenchError, ValueError):
    """A file that is not written; the message says why and what to do."""


def check(path: Path, option: str) -> None:
    """Whether a board or a picture may be written to a path.

    Args:
        path: may be there already, if it is an earlier board or picture, or empty.
        option: that named it, for messages.

    Raises:
        OutputError: the folder is missing, or something else is there.
        OSError: what is there cannot be read.
    """
    if not path.parent.is_dir():
        raise OutputError(f"{option} {path}: there is no folder {path.parent}; make it first")
    if not path.exists():
        return
    if not path.is_file():
        raise OutputError(f"{option} {path}: expected a file's name, got a folder or a device")
    with path.open("rb") as file:
        beginning = file.read(80)
    openings = tuple(opening.lower() for opening in OPENINGS)
    if beginning and not beginning.lower().startswith(openings):
        raise OutputError(
            f"{option} {path}: a file is there that `bench report` did not write; name another, or move it away"
        )


def write(path: Path, text: str) -> None:
    """Write a text whole or not at all; where the path is a link, the file it points to.

    Raises:
        OSError: it cannot be written.
    """
    replace(path.resolve(), text.encode())
