"""What a folder of files contains, as one digest."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path

from .store import file_digest


def folder_digest(root: Path) -> str:
    """SHA-256 over the relative names and the contents of all files below a folder, in hex.

    It changes with any file, and not when the folder is moved or copied. Takes the time of reading all of it. What is
    neither a file nor a folder, and a link to a folder, is passed over.

    Raises:
        OSError: the folder, or a file in it, cannot be read.
    """
    files: list[tuple[bytes, Path]] = []
    for folder, _, names in os.walk(root, onerror=_refuse):
        for file in (Path(folder, name) for name in names):
            if file.is_file():
                name = unicodedata.normalize("NFC", file.relative_to(root).as_posix())
                files.append((name.encode("utf-8", "surrogateescape"), file))
    seen = hashlib.sha256(b"folder\n")
    for spelled, file in sorted(files):
        seen.update(f"{len(spelled)} ".encode() + spelled + bytes.fromhex(file_digest(file)))
    return seen.hexdigest()


def _refuse(error: OSError) -> None:
    raise error
