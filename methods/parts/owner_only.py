"""Files that their owner alone may read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO


def owner_only(path: Path) -> IO[bytes]:
    """Open a file to write that its owner alone may read, whatever the umask: what links faces to their originals.

    Raises:
        OSError: it cannot be written.
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    try:
        path.chmod(0o600)  # the umask may have taken rights away; an older file may have had more
        return os.fdopen(file, "wb")
    except BaseException:
        os.close(file)
        raise
