"""Where matplotlib keeps its list of fonts while we draw: in the temporary folder, not among the user's files."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "MPLCONFIGDIR"


@contextmanager
def matplotlib_aside() -> Iterator[None]:
    """Around the first import of matplotlib: it asks once for the folder, and makes it.

    A user who names a folder in $MPLCONFIGDIR, or has imported matplotlib, has said where its files belong.

    Raises:
        OSError: the temporary folder cannot be written.
    """
    if "matplotlib" in sys.modules or os.environ.get(VARIABLE):
        yield
        return
    os.environ[VARIABLE] = str(_folder())
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)


def _folder() -> Path:
    """A folder that later commands find again, since to look for fonts takes seconds; nobody else may write to it."""
    if hasattr(os, "getuid"):
        shared = Path(tempfile.gettempdir()) / f"facebench-{os.getuid()}"
        try:
            shared.mkdir(mode=0o700, exist_ok=True)
            found = shared.lstat()
        except OSError:  # a file of that name
            pass
        else:
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
                return shared
    own = Path(tempfile.mkdtemp(prefix="facebench-"))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return own
