"""What stages make, kept under a key of all that went into it: whole or not at all."""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...reports.result.locks import NO_LOCKS, locked, without_locks
from . import memory, out_of_memory
from .artifact import LAYOUT, TRACE, Artifact, StoreError, digest, file_digest, look, seal
from .system_errors import FORBIDDEN, FULL, room

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TRACE", "Artifact", "Store", "StoreError", "digest", "file_digest"]


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
            return look(name, path, cached=True)
        with _clear_errors(path), self._lock(path):
            if self.has(name, inputs):  # another run was faster
                return look(name, path, cached=True)
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
                seal(partial, name, path.name, inputs, {**cost, **told})
                _replace(partial, path)
                shutil.rmtree(scratch, ignore_errors=True)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        self._forced.add((name, path.name))
        return look(name, path, cached=False)

    def verified(self, name: str, key: str) -> Path | None:
        """The folder of a stage whose every byte is as it was made; None where it is not there.

        Raises:
            StoreError: the stage was changed, or its key does not follow from its inputs.
        """
        path = self.root / "stages" / name / key
        if not (path / TRACE).is_file():
            return None
        look(name, path, cached=True, thorough=True)
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


def _replace(partial: Path, path: Path) -> None:
    if path.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        path.rename(old / "old")
        partial.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        partial.rename(path)


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
