"""What stages make, kept under a key of all that went into it: whole or not at all."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import FacebenchError
from ...datasets.files.regular import LARGEST, open_regular
from ...reports.result.locks import NO_LOCKS, locked, without_locks
from . import memory, out_of_memory
from .system_errors import FORBIDDEN, FULL, room

if TYPE_CHECKING:
    from collections.abc import Iterator

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


class Store:
    """A folder of finished stages, safe with several runs at once and with a run that is killed.

    A stage is made in a temporary sibling folder under a lock, and renamed when it is whole. The lock goes
    with its process, so a killed run blocks nobody; what it left is removed by the next that needs the stage.
    """

    def __init__(
        self,
        root: Path,
        *,
        force: frozenset[str] = frozenset(),
        waiting: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Open a store.

        Args:
            root: made when the first stage is.
            force: names of stages to make again though they are there.
            waiting: told the name of a stage that another run is just making.
        """
        self.root = root
        self._force = force
        self._waiting = waiting
        self._forced: set[tuple[str, str]] = set()

    def path(self, name: str, inputs: Any) -> Path:
        """Where a stage is, or would be."""
        return self.root / "stages" / name / self.key(name, inputs)

    def key(self, name: str, inputs: Any) -> str:
        """The key of a stage: the digest of its name and of all that goes into it."""
        return digest({"layout": LAYOUT, "stage": name, "inputs": inputs})

    def scratch(self, name: str, inputs: Any) -> Path:
        """A folder of a stage that outlives a killed try at it, to go on from; removed once the stage is whole."""
        path = self.path(name, inputs)
        return path.with_name(f".{path.name}.scratch")

    def has(self, name: str, inputs: Any) -> bool:
        """Whether a stage is there and will not be made again."""
        path = self.path(name, inputs)
        return (path / TRACE).is_file() and not self._must_force(name, path.name)

    def stage(self, name: str, inputs: Any, make: Callable[[Path], None], *, precision: str | None = None) -> Artifact:
        """A finished stage: looked up, or made now.

        Args:
            name: of the stage; a folder name.
            inputs: JSON-like; everything that decides what `make` writes.
            make: writes into the empty folder it is given.
            precision: in which arithmetic it trains, to be told beside what it cost; no part of the key.

        Raises:
            StoreError: the folder cannot be written, the disk is full, or a kept stage was tampered with.
        """
        path = self.path(name, inputs)
        if self.has(name, inputs):
            return _open(name, path, cached=True)
        with _clear_errors(path), self._lock(path):
            if self.has(name, inputs):  # another run was faster
                return _open(name, path, cached=True)
            self._sweep(path)
            scratch = self.scratch(name, inputs)
            if self._must_force(name, path.name):  # made again from the start
                shutil.rmtree(scratch, ignore_errors=True)
            partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
            try:
                started, peak = time.monotonic(), memory.watch()
                with out_of_memory.of_stage(name):
                    make(partial)
                cost = {"seconds": time.monotonic() - started, "peak_mib": peak()}
                told = {} if precision is None else {"precision": precision}
                _trace(partial, name, path.name, inputs, {**cost, **told})
                _replace(partial, path)
                shutil.rmtree(scratch, ignore_errors=True)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        self._forced.add((name, path.name))
        return _open(name, path, cached=False)

    def verified(self, name: str, key: str) -> Path | None:
        """The folder of a stage whose every byte is as it was made; None where it is not there.

        Raises:
            StoreError: the stage was changed, or its key does not follow from its inputs.
        """
        path = self.root / "stages" / name / key
        if not (path / TRACE).is_file():
            return None
        _open(name, path, cached=True, thorough=True)
        inputs = json.loads((path / TRACE).read_bytes())["inputs"]
        if self.key(name, inputs) != key:
            raise StoreError(
                f"stage {name} in {path}: expected the key {self.key(name, inputs)} of its inputs; "
                f"{TRACE} was changed after it was made: delete the folder"
            )
        return path

    def keep(self, path: Path, text: str) -> None:
        """Write a small file of the store whole or not at all.

        Raises:
            StoreError: it cannot be written.
        """
        with _clear_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.{os.getpid()}.part")
            try:
                partial.write_text(text, encoding="utf-8")
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)

    @contextmanager
    def anew(self, path: Path) -> Iterator[Path]:
        """Make a folder that is no stage: give an empty one, which takes the place of `path` once it is whole.

        Raises:
            StoreError: it cannot be written; what was there before is there still.
        """
        with _clear_errors(path), self._lock(path):
            self._sweep(path)
            partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
            try:
                yield partial
                partial.chmod(0o755)
                _replace(partial, path)
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    def _sweep(self, path: Path) -> None:
        """Remove what a killed run left beside a folder whose lock is ours."""
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
            shutil.rmtree(left, ignore_errors=True)

    def _must_force(self, name: str, key: str) -> bool:
        return name.split("/", maxsplit=1)[0] in self._force and (name, key) not in self._forced

    @contextmanager
    def _lock(self, path: Path) -> Iterator[None]:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent / f".{path.name}.lock", busy=lambda: self._waiting(path.parent.name)):
            yield


def _files(folder: Path) -> Iterator[Path]:
    """All files of a folder. Unlike `rglob`, it does not pass over what it may not list: that would look complete.

    Raises:
        OSError: a folder cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise error

    for where, _, names in os.walk(folder, onerror=fail):
        yield from (path for path in (Path(where, name) for name in names) if path.is_file())


def _trace(partial: Path, name: str, key: str, inputs: Any, told: dict[str, Any]) -> None:
    files = {}
    for file in sorted(_files(partial)):
        state = file.stat()
        files[file.relative_to(partial).as_posix()] = [state.st_size, state.st_mtime_ns, file_digest(file)]
    trace = {"layout": LAYOUT, "name": name, "key": key, "inputs": inputs, "files": files, **told}
    with (partial / TRACE).open("w", encoding="utf-8") as out:
        json.dump(trace, out, indent=1, sort_keys=True)
        out.flush()
        os.fsync(out.fileno())
    partial.chmod(0o755)  # mkdtemp keeps others of the same store out


def _replace(partial: Path, path: Path) -> None:
    if path.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        path.rename(old / "old")
        partial.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        partial.rename(path)


def _open(name: str, path: Path, *, cached: bool, thorough: bool = False) -> Artifact:
    """Check that a stage is as it was made: names and sizes always, content where the time stamp differs.

    Args:
        name: of the stage.
        path: its folder.
        cached: whether it was there already.
        thorough: check the content whatever the time stamp.
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


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """Say what a full or forbidden disk means; every other error of making a stage passes as it is."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StoreError(
                f"stage {path.parent.name} in {path.parent}: {room(path, error)}; nothing "
                "half-made was kept. Free space or name another folder with --store, then run the same "
                "command again: finished stages are kept"
            ) from error
        if error.errno in NO_LOCKS:
            raise StoreError(f"store: {without_locks(path.parent, error)}; --store names another") from error
        if error.errno in FORBIDDEN:
            raise StoreError(
                f"store {path.parent}: cannot be written ({error.strerror}: {error.filename}); "
                "give yourself the right to write there, or name another folder with --store"
            ) from error
        if error.errno in (None, errno.ENOENT):  # no disk's fault
            raise
        what = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        raise StoreError(
            f"stage {path.parent.name} in {path.parent}: a file could not be read or written ({what}); nothing "
            "half-made was kept. Look at the disk, then run the same command again: finished stages are kept"
        ) from error
