"""Which entries of other people's folders are data: litter of other systems is not; images are, by name or content."""

from __future__ import annotations

import os
from pathlib import Path

from .image_header import looks_like_image

IMAGES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
        *(".avif", ".heic", ".heif", ".jp2", ".jxl", ".ppm", ".pgm"),
    )
)
"""Ends of names that claim to be images; what cannot be decoded among them is an error, not an omission."""
_LITTER = frozenset(
    {
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),  # Windows
        *("__macosx", "icon\r"),  # macOS; its ._NAME and .DS_Store are hidden
        *("lost+found", "@eadir", "#recycle"),  # ext4, Synology
    }
)
_FIRST = 32
"""Bytes of a file that tell what it is."""


def is_litter(name: str) -> bool:
    """Whether a file or folder is hidden, or one that a system makes for itself."""
    return name.startswith(".") or name.casefold() in _LITTER


def nobodys(root: Path) -> int:
    """How many images lie directly in the root of a folder of identities: they belong to nobody.

    Raises:
        OSError: the folder cannot be read.
    """
    with os.scandir(root) as entries:
        return sum(not is_litter(entry.name) and not entry.is_dir() and is_image(entry.path) for entry in entries)


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether a file claims to be an image by its name, or is one by its first bytes; one that cannot be read is none.

    Only regular files are opened: a pipe would wait for ever.
    """
    if Path(path).suffix.lower() in IMAGES:
        return True
    try:
        if not Path(path).is_file():
            return False
        with Path(path).open("rb") as file:
            return looks_like_image(file.read(_FIRST))
    except OSError:
        return False
