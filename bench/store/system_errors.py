"""What the system's errors mean to somebody who waits for a command: what, where, and what to do."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from ... import FacebenchError
from . import out_of_memory, plugin_errors

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""There is no room for what is written."""
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
"""Nothing may be written there."""
_ADVICE = {
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "a part of the path is a file; check it",
    errno.EISDIR: "name a file, not a folder",
    errno.EACCES: "give yourself the right to it, or name another place",
    errno.EPERM: "give yourself the right to it, or name another place",
    errno.EROFS: "the disk can only be read: name a place on another one",
    errno.EMFILE: "allow more open files (ulimit -n), then run the same command again",
    errno.ENFILE: "too many files are open on this machine; try again later",
    errno.ENAMETOOLONG: "name a shorter path",
    errno.ELOOP: "links lead in a circle; check the path",
    errno.EAGAIN: "too many processes; try again later, or with fewer --workers",
    errno.ENOMEM: "free memory, or use fewer --workers or a smaller batch",
    errno.EIO: "the disk or its connection fails; copy the data to another one",
    errno.ESTALE: "the network folder went away; mount it again, then run the same command again",
}


def told(error: Exception, command: str) -> str | None:
    """What to say of an error that comes from input, machine or another package's plug-in; None where it is ours.

    Args:
        error: that ended a command.
        command: which one.
    """
    if memory := out_of_memory.told(error, command):
        return memory
    if isinstance(error, FacebenchError):
        return str(error)
    if isinstance(error, OSError):
        return explained(error)
    if theirs := plugin_errors.told(error):
        return theirs
    if isinstance(error, UnicodeEncodeError) or (isinstance(error, ValueError) and "embedded null" in str(error)):
        return (
            "a path or a name holds what no file's name can hold: a zero byte, or half a character; look for it in "
            "options, recipes and tables, and write it without"
        )
    return None


def explained(error: OSError) -> str:
    """An error of the system as a sentence, without its number.

    Args:
        error: as it was raised.
    """
    says = error.strerror or str(error) or type(error).__name__
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    place = f"{where}: " if where else ""
    if "usable temporary directory" in says:  # Python's own, which lists where it looked
        return (
            "no folder for temporary files can be written (a full disk, or no right to it); free one, or name another: "
            "TMPDIR=FOLDER before the command, then run it again"
        )
    if error.errno in FULL and not where:  # as from a file that is open, which may be on another disk than the store
        scratch = tempfile.tempdir or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - named, not used
        return (
            f"a disk is full ({says}): that of the store, or of temporary files ({scratch}); free it, or "
            "name another with --store or TMPDIR=FOLDER before the command, then run the same command again"
        )
    if error.errno in FULL:
        return (
            f"{place}{room(Path(where or '.'), error)}; free it or name another place, then run the same command again"
        )
    if advice := _ADVICE.get(error.errno or 0):
        return f"{place}{says}; {advice}"
    return f"{place}{says}"


def room(path: Path, error: OSError) -> str:
    """Of what there is none left where a file was to be written: space, files, or what the user may have.

    Args:
        path: of the file, or of a folder near it; neither needs to exist.
        error: as it was raised, one of `FULL`.
    """
    says = error.strerror or os.strerror(error.errno or 0)
    if error.errno == errno.EDQUOT:
        return f"your share of the disk is used up ({says})"
    disk = _disk(path)
    if disk is None:
        return f"the disk is full ({says})"
    free = disk.f_bavail * disk.f_frsize
    if error.errno == errno.ENOSPC and disk.f_files and not disk.f_favail:
        return (
            f"the disk can hold no more files (no inodes are left of {disk.f_files:,}, though {free / 1e6:,.0f} MB are "
            "free): delete files that are not needed, such as many small ones"
        )
    if error.errno == errno.EFBIG:
        return f"the disk is full ({says}; {free / 1e6:,.0f} MB free; `ulimit -f` shows whether files may grow)"
    return f"the disk is full ({says}; {free / 1e6:,.0f} MB free)"


def _disk(path: Path) -> os.statvfs_result | None:
    for place in (path, *path.absolute().parents):
        try:
            return os.statvfs(place)
        except OSError:
            continue
    return None
