"""Locks of files that go with their process, and what to say where a file system has none."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a file system answers that keeps no locks, as network folders that are mounted without them."""


def without_locks(folder: Path, error: Exception) -> str:
    """Where the locks are missing, and what to do.

    Args:
        folder: in which a file was to be locked.
        error: as it was raised.
    """
    says = getattr(error, "strerror", None) or os.strerror(errno.ENOLCK)
    return (
        f"{folder.absolute()} lies on a file system that keeps no locks ({says}), as network folders mounted without "
        "them (NFS with `nolock`, or its lock service not running): two runs could write into each other's files. "
        "Name a folder on another disk, or have this one mounted with locks"
    )


@contextmanager
def locked(path: Path, *, timeout: float = -1, busy: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock of a file, which is made.

    A lock that stays behind when its process is killed is never taken, as some libraries do where there is no other.

    Args:
        path: of the file.
        timeout: seconds to wait for who holds it; below 0 as long as it takes.
        busy: called once where somebody else holds it.

    Raises:
        filelock.Timeout: somebody else held it for so long.
        OSError: of `NO_LOCKS`, where the file system keeps no locks; or the file cannot be made.
    """
    from filelock import FileLock, SoftFileLock, Timeout

    lock = FileLock(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if busy is None:
                lock.acquire(timeout=timeout)
            else:
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    busy()
                    lock.acquire(timeout=timeout, poll_interval=0.2)
    except NotImplementedError as error:  # as earlier versions of the library say it
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(path)) from error
    try:
        if isinstance(lock, SoftFileLock):  # the library took another kind
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(path))
        yield
    finally:
        lock.release()
