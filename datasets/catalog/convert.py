"""Packs to folders and back; the encoded bytes are copied, so no image loses anything."""

from __future__ import annotations

import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..base import DataError, Faces, Progress, silent
from ..files.entries import is_litter
from ..files.image_header import suffix
from ..recordio import RecordIOWriter


def to_recordio(faces: Faces, out: Path, *, progress: Progress = silent) -> None:
    """Write faces as an InsightFace pack, person by person, in their order within a person.

    Args:
        faces: what to write.
        out: the folder to make; it must not exist. It is whole, or not there at all.
        progress: told as faces are written.

    Raises:
        DataError: `out` exists or cannot be written, or a face cannot be read.
    """
    order = np.argsort(faces.labels, kind="stable").tolist()
    with _whole(out) as folder, RecordIOWriter(folder, faces.identities) as writer:
        for done, index in enumerate(order, 1):
            writer.add(faces.encoded(index), int(faces.labels[index]))
            progress(done, len(order))


def to_folder(faces: Faces, out: Path, *, progress: Progress = silent) -> None:
    """Write faces as one folder an identity, with the images numbered in their order.

    Folders have the identities' names where these can be folders and sort as the labels do, else the labels' numbers.
    People without an image get no folder, since an empty one could not be told from a damaged one.

    Args:
        faces: what to write.
        out: the folder to make; it must not exist. It is whole, or not there at all.
        progress: told as faces are written.

    Raises:
        DataError: `out` exists or cannot be written, or a face cannot be read or is no image by its first bytes.
    """
    counts = np.bincount(faces.labels, minlength=faces.identities)
    width = len(str(int(counts.max()) - 1))
    written = np.zeros(faces.identities, np.int64)
    names = _folder_names(faces)
    with _whole(out) as folder:
        for index, label in enumerate(faces.labels.tolist()):
            data = faces.encoded(index)
            kind = suffix(data)
            if kind is None:
                raise DataError(
                    f"face {index}: expected a JPEG, PNG, WebP or BMP image, got bytes {data[:8].hex(' ')}; "
                    "convert it, or leave it out"
                )
            person = folder / names[label]
            if not written[label]:
                person.mkdir()
            (person / f"{written[label]:0{width}}{kind}").write_bytes(data)
            written[label] += 1
            progress(index + 1, len(faces))


def _folder_names(faces: Faces) -> Sequence[str]:
    names = list(faces.names)
    plain = all(name not in ("", ".", "..") and not set(name) & set("/\\\0") for name in names)
    shown = not any(is_litter(name) for name in names)  # such folders are not read
    normal = [unicodedata.normalize("NFC", name) for name in names]
    if plain and shown and all(one < other for one, other in pairwise(normal)):
        return names
    width = len(str(faces.identities - 1))
    return [f"{label:0{width}}" for label in range(faces.identities)]


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """Give a temporary folder beside `out` that becomes `out` if all goes well, and vanishes otherwise."""
    if out.exists() or out.is_symlink():
        raise DataError(f"{out}: expected a folder that does not exist yet; remove it or choose another one")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
        try:
            yield partial
            partial.chmod(0o755)  # mkdtemp makes it private
            partial.rename(out)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise DataError(
            f"{out}: cannot be written ({error.strerror or error}); free space or choose another folder, then "
            "run the same command again"
        ) from error
