"""Open files that were named by others: regular files of a bounded size, and nothing that never ends.

A device, a pipe or a socket can be waited for, or read, without end. They are refused before they are opened, by an
`OSError`, so that whoever reads a file says it in the words in which other troubles with that file are said.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}
LARGEST = 1 << 40
"""One TiB: no pack, no weights and no image file is larger."""


def open_regular(path: Path, *, most: int = LARGEST) -> BufferedReader:
    """Open a file, or what a link to one leads to, for reading bytes.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        OSError: it is missing, no regular file, or larger; `strerror` says which.
    """
    _check(path, path.stat(), most)
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe that took its place is not waited for
    try:
        _check(path, os.fstat(file), most)
        return os.fdopen(file, "rb")
    except BaseException:
        os.close(file)
        raise


def read_regular(path: Path, *, most: int) -> bytes:
    """The content of a file.

    Raises:
        OSError: as `open_regular`, also where it grew meanwhile.
    """
    with open_regular(path, most=most) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise _too_large(path, most)
    return content


def _check(path: Path, state: os.stat_result, most: int) -> None:
    if not stat.S_ISREG(state.st_mode):
        kind = _KINDS.get(stat.S_IFMT(state.st_mode), "something else")
        raise OSError(errno.EINVAL, f"expected a regular file, got {kind}", str(path))
    if state.st_size > most:
        raise _too_large(path, most)


def _too_large(path: Path, most: int) -> OSError:
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if most >= 1 << shift:
            return OSError(errno.EFBIG, f"expected at most {most >> shift:,} {unit}, got more", str(path))
    return OSError(errno.EFBIG, f"expected at most {most} bytes, got more", str(path))
