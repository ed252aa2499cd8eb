"""A disk on which the N-th operation of a program fails, once or from then on: what SQLite's tests do to SQLite.

Counted are calls of Python on files below one folder: open, write, close, fsync, mkdir, rename, unlink, link, rmdir,
chmod and listing. What libraries do in C by a path of their own (Arrow's Parquet) is not seen.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BUFFER = 1 << 16
"""A file's writes count as one operation up to so many bytes, as they reach the system."""
GROWS = {"create", "write", "close", "fsync", "mkdir", "link"}
"""What a full disk refuses: no file is opened for reading there, renamed or removed in vain."""


def _path_of(number: int) -> str:
    """Of an open file or folder."""
    return str(Path(f"/proc/self/fd/{number}").readlink())


def counts(what: str, code: int) -> bool:
    """Whether an operation can fail with an error; rights are looked at when a file is opened."""
    if code == errno.ENOSPC:
        return what in GROWS
    return code != errno.EACCES or what not in ("write", "close", "fsync")


class Disk:
    """Counts, and fails at one of the operations."""

    def __init__(self, root: Path, *, at: int = -1, code: int = errno.EIO, lasting: bool = False) -> None:
        self.root = str(root)
        self.at = at
        self.code = code
        self.lasting = lasting
        self.seen: list[str] = []
        self.failed: list[str] = []

    def ask(self, what: str, path: str) -> None:
        """Count an operation; fail where it is its turn."""
        if not counts(what, self.code):
            return
        self.seen.append(f"{what} {path.removeprefix(self.root)}")
        number = len(self.seen) - 1
        if number == self.at or (self.lasting and 0 <= self.at < number):
            self.failed.append(self.seen[-1])
            if what in ("write", "close", "fsync"):  # of an open file the system knows no name
                raise OSError(self.code, os.strerror(self.code))
            raise OSError(self.code, os.strerror(self.code), path)

    def below(self, path: Any, folder: int | None = None) -> str | None:
        """The path where it is below the root."""
        if isinstance(path, int):
            return None
        name = os.fsdecode(os.fspath(path))
        if folder is not None:
            name = os.path.join(_path_of(folder), name)  # noqa: PTH118
        name = os.path.abspath(name)  # noqa: PTH100
        return name if name.startswith(self.root) else None


class File:
    """An open file whose writes are counted."""

    def __init__(self, inner: Any, path: str, disk: Disk) -> None:
        self._inner, self._path, self._disk, self._free = inner, path, disk, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __enter__(self) -> File:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._inner)

    def write(self, data: Any) -> Any:
        if self._free <= 0:
            self._disk.ask("write", self._path)
            self._free = BUFFER
        self._free -= len(data)
        return self._inner.write(data)

    def close(self) -> None:
        if not self._inner.closed:
            self._inner.close()
            self._disk.ask("close", self._path)


def _opening(disk: Disk, real: Callable[..., Any]) -> Callable[..., Any]:
    def open_(file: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        path = disk.below(file)
        writes = any(sign in mode for sign in "wax+")
        if path is None:
            return real(file, mode, *rest, **more)
        if more.get("opener") is None:  # else `os.open` is asked
            disk.ask("create" if writes else "open", path)
        found = real(file, mode, *rest, **more)
        return File(found, path, disk) if writes else found

    return open_


def _os_open(disk: Disk, real: Callable[..., Any]) -> Callable[..., Any]:
    def open_(path: Any, flags: int, *rest: Any, dir_fd: int | None = None, **more: Any) -> Any:
        found = disk.below(path, dir_fd)
        if found is not None:
            disk.ask("create" if flags & os.O_CREAT else "open", found)
        return real(path, flags, *rest, dir_fd=dir_fd, **more)

    return open_


def _plain(disk: Disk, what: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: Any = ".", *rest: Any, **more: Any) -> Any:
        found = disk.below(path, more.get("dir_fd") or more.get("src_dir_fd"))
        if found is not None:
            disk.ask(what, found)
        return real(path, *rest, **more)

    return call


def _fsync(disk: Disk, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(file: Any) -> Any:
        number = file if isinstance(file, int) else file.fileno()
        path = _path_of(number)
        if path.startswith(disk.root):
            disk.ask("fsync", path)
        return real(number)

    return call


PLAIN = {"mkdir": "mkdir", "rename": "rename", "replace": "rename", "unlink": "unlink", "remove": "unlink",
         "link": "link", "rmdir": "rmdir", "chmod": "chmod", "scandir": "list", "listdir": "list"}  # fmt: skip


@contextmanager
def failing(disk: Disk) -> Iterator[None]:
    """Within it, operations below the disk's root are counted, and fail where they shall."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "open", _opening(disk, builtins.open))
        patch.setattr(io, "open", _opening(disk, io.open))
        patch.setattr(os, "open", _os_open(disk, os.open))
        patch.setattr(os, "fsync", _fsync(disk, os.fsync))
        for name, what in PLAIN.items():
            patch.setattr(os, name, _plain(disk, what, getattr(os, name)))
        yield
