"""Files of results: read with care, since anybody may have written them, and written whole or not at all."""

from __future__ import annotations

import glob
import os
import tempfile
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from stat import S_ISREG
from typing import IO, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from ... import FacebenchError
from .harmless import one_line
from .locks import NO_LOCKS

LARGEST = 32 << 20
"""Bytes of a file that is still read; a record has some ten thousand."""

M = TypeVar("M", bound=BaseModel)


class RecordError(FacebenchError, ValueError):
    """A record that cannot be read or written; the message says which file and why."""


def why(error: Exception) -> str:
    """What went wrong with a file that a message names already: the system's own words without number and path."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def listed(folder: Path, what: str) -> list[Path]:
    """The `*.json` files of a folder, sorted by name; none where there is no folder.

    Subfolders are not looked into; what macOS leaves beside files (`._NAME`) is passed over.

    Raises:
        RecordError: it is no folder, or cannot be read.
    """
    try:
        return sorted(
            path for path in folder.iterdir() if path.name.endswith(".json") and not path.name.startswith("._")
        )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecordError(f"{what} {folder}: cannot be read ({error.strerror or error}); name a folder") from error


def read_object(path: Path, what: str, wanted: str) -> dict[str, Any]:
    """The object in a JSON file.

    Args:
        path: of the file.
        what: what the file is, for messages.
        wanted: what was expected of it, for messages.

    Raises:
        RecordError: it is missing, no file, too large, or no JSON object.
    """
    try:
        state = path.stat()
        if not S_ISREG(state.st_mode):  # reading a pipe would wait for ever
            raise RecordError(f"{what} {path}: cannot be read (it is a folder or a device); {wanted}")
        if state.st_size > LARGEST:
            raise RecordError(
                f"{what} {path}: expected at most {LARGEST >> 20} MiB, got {state.st_size >> 20} MiB; "
                "move it out of the folder"
            )
        text = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{what} {path}: cannot be read ({error.strerror or error})") from error
    try:
        content = from_json(text)
    except ValueError as error:
        raise RecordError(f"{what} {path}: no JSON ({error}); {wanted}") from error
    if not isinstance(content, dict):
        raise RecordError(f"{what} {path}: no JSON object; {wanted}")
    return content


def validated(model: type[M], content: dict[str, Any], what: str, wanted: str) -> M:
    """What was read, as a model.

    Raises:
        RecordError: it does not fit; the message names the first entry that is wrong, and says what is wanted.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = one_line(".".join(str(part) for part in first["loc"])[:100]) or "the file"
        raise RecordError(f"{what}: {where}: {first['msg']}; {wanted}") from error


def _sweep(path: Path) -> None:
    """Remove what a killed write of a file left beside it; what is being written now is locked, and stays."""
    for left in path.parent.glob(f".{glob.escape(path.name[:80])}.*.part"):
        with suppress(OSError), left.open("rb") as file:
            flock(file, LOCK_EX | LOCK_NB)
            left.unlink()


def _hold(file: IO[bytes]) -> None:
    """Let nobody sweep a file away that is being written; the lock goes with its process."""
    try:
        flock(file, LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:  # where there are none, nobody sweeps either
            raise


def replace(path: Path, content: bytes) -> None:
    """Write a file in one go: a reader sees the old one or the new one, and a failure leaves the old one.

    Raises:
        OSError: it cannot be written.
    """
    partial = ""
    _sweep(path)
    try:
        prefix = f".{path.name[:80]}."
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=prefix, suffix=".part", delete=False) as file:
            partial = file.name
            _hold(file)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)  # temporary files are for their owner alone; results are for all
        Path(partial).replace(path)
    except OSError:
        if partial:
            with suppress(OSError):  # the next write of the file removes it
                Path(partial).unlink(missing_ok=True)
        raise
