"""A finished stage as it lies in a store: what it is, and whether it is as it was made."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import FacebenchError
from ...datasets.files.regular import LARGEST, open_regular

LAYOUT = 1
TRACE = "stage.json"
"""Beside what a stage wrote: its inputs, the seconds and the memory it took, and a digest."""
_BLOCK = 1 << 24


class StoreError(FacebenchError, RuntimeError):
    """A store that cannot be used; the message says which folder, why, and what to do."""


@dataclass(frozen=True)
class Artifact:
    """A finished stage."""

    name: str
    key: str
    path: Path
    seconds: float
    """What making it took, whenever that was."""
    cached: bool
    peak_mib: float | None = None
    """Resident memory of the process at its peak while it was made; None where that is not known."""
    precision: str | None = None
    """In which arithmetic networks were trained in it; None where none was, or where that is not known."""


def digest(inputs: Any) -> str:
    """16 hex digits that stand for a JSON-like value."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_digest(path: Path, *, most: int = LARGEST) -> str:
    """SHA-256 of a file's content, in hex.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger.
    """
    seen = hashlib.sha256()
    with open_regular(path, most=most) as file:
        while block := file.read(_BLOCK):
            seen.update(block)
    return seen.hexdigest()


def look(name: str, path: Path, *, cached: bool, thorough: bool = False) -> Artifact:
    """A stage of a store, after a check that it is as it was made.

    Names and sizes are looked at always, content where the time stamp differs.

    Args:
        name: of the stage.
        path: its folder.
        cached: whether it was there already.
        thorough: check the content whatever the time stamp.

    Raises:
        StoreError: it was changed, or cannot be read.
    """
    remedy = f"delete the folder {path} or run again with --force {name.split('/', maxsplit=1)[0]}"
    try:
        trace = json.loads((path / TRACE).read_bytes())
        files, seconds = trace["files"], float(trace["seconds"])
        peak = None if trace.get("peak_mib") is None else float(trace["peak_mib"])
        if not (math.isfinite(seconds) and math.isfinite(peak or 0)):
            raise ValueError(f"expected finite costs, got {seconds} and {peak}")
        precision = trace.get("precision")
        if precision is not None and not isinstance(precision, str):
            raise ValueError(f"expected the name of a precision, got {precision!r}")
        there = {p.relative_to(path).as_posix(): p for p in _files(path) if p.name != TRACE}
        if trace["key"] != path.name or set(there) != set(files):
            raise StoreError(
                f"stage {name} in {path}: expected the files {sorted(files)}, got {sorted(there)}; "
                f"it was changed after it was made: {remedy}"
            )
        for relative, (size, stamp, content) in files.items():
            state = there[relative].stat()
            trusted = state.st_mtime_ns == stamp and not thorough
            same = state.st_size == size and (trusted or file_digest(there[relative]) == content)
            if not same:
                raise StoreError(
                    f"stage {name} in {path}: {relative} was changed after it was made "
                    f"(expected {size} bytes with SHA-256 {content[:12]}..., got {state.st_size} bytes): {remedy}"
                )
    except OSError as error:
        what = f"{error.filename or path} cannot be read ({error.strerror or error})"
        raise StoreError(
            f"stage {name} in {path}: {what}; look at the disk and your rights, then run the same command again, or "
            f"{remedy}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"stage {name} in {path}: {TRACE} cannot be read ({error}): {remedy}") from error
    return Artifact(name, path.name, path, seconds, cached, peak, precision)


def seal(partial: Path, name: str, key: str, inputs: Any, told: dict[str, Any]) -> None:
    """Write beside what a stage made how it was made, and what each file was then.

    Args:
        partial: the stage's folder, which is whole but for this.
        name: of the stage.
        key: of the stage.
        inputs: all that the key is made of.
        told: what it cost.

    Raises:
        OSError: it cannot be written, or a file cannot be read.
    """
    made = {}
    for file in sorted(_files(partial)):
        state = file.stat()
        made[file.relative_to(partial).as_posix()] = [state.st_size, state.st_mtime_ns, file_digest(file)]
    trace = {"layout": LAYOUT, "name": name, "key": key, "inputs": inputs, "files": made, **told}
    with (partial / TRACE).open("w", encoding="utf-8") as out:
        json.dump(trace, out, indent=1, sort_keys=True)
        out.flush()
        os.fsync(out.fileno())
    partial.chmod(0o755)  # mkdtemp keeps others of the same store out


def _files(folder: Path) -> Iterator[Path]:
    """All files of a folder. Unlike `rglob`, it does not pass over what it may not list: that would look complete.

    Raises:
        OSError: a folder cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise error

    for where, _, names in os.walk(folder, onerror=fail):
        yield from (path for path in (Path(where, name) for name in names) if path.is_file())
