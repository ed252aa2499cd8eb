"""A manifest for a private set that came without one: from its own links, or from equal names of files."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from pathlib import Path

from ...datasets.base import DataError, FaceSource
from ...datasets.files.entries import is_image, is_litter
from ...datasets.folder import Folder, FolderFaces
from ..store.store import Store

_LINKS = ("private_index", "source_index")
LEAST = 0.5
"""Share of the private images that must have an original of the same name; fewer are chance."""


def manifest_of(private: Path, originals: FaceSource, store: Store) -> Path:
    """Find or write the manifest that says which original each private image was made from.

    Args:
        private: a folder of any depth, or a pack.
        originals: the dataset it was made from.
        store: where a manifest is written that had to be made.

    Returns:
        Its file, for the method `external`.

    Raises:
        DataError: neither links nor names tell it.
        StoreError: it cannot be written.
    """
    links = private.with_name(f"{private.name}.manifest.parquet")
    if links.is_file():
        return _kept(_linked(links), store)
    if (private / "train.rec").is_file() or not isinstance(originals, Folder):
        raise DataError(
            f"{private}: expected a manifest, since a pack has no names of files: a CSV with the columns `private` and "
            f"`source`, as `bench show external` says, with --manifest; or {links.name} beside it, as releases of "
            "facebench have it"
        )
    return _kept(_by_names(private, FolderFaces(originals.root)), store)


def _linked(path: Path) -> list[tuple[str, str]]:
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(path, columns=list(_LINKS)).to_pydict()
    except (OSError, ArrowException, ValueError) as error:
        raise DataError(
            f"{path}: expected the links of a release, cannot be read ({error}); name it with --manifest"
        ) from error
    return [(str(own), str(source)) for own, source in zip(table[_LINKS[0]], table[_LINKS[1]], strict=True)]


def _by_names(private: Path, originals: FolderFaces) -> list[tuple[str, str]]:
    """Images of equal paths, whatever they end in."""
    sources = {_plain(path): str(row) for row, path in enumerate(originals.files)}
    found, images = [], 0
    for folder, folders, names in os.walk(private):
        folders[:] = sorted(name for name in folders if not is_litter(name))
        for name in sorted(names):
            path = Path(folder, name)
            if is_litter(name) or not is_image(path):
                continue
            images += 1
            inside = path.relative_to(private).as_posix()
            if source := sources.get(_plain(inside)):
                found.append((inside, source))
    if not images or len(found) < LEAST * images:
        raise DataError(
            f"{private}: expected images of the same paths as the originals', got {len(found):,} of {images:,}; say "
            "which was made from which with --manifest, as `bench show external` says"
        )
    return found


def _plain(path: str) -> str:
    return path.rpartition(".")[0] or path


def _kept(rows: list[tuple[str, str]], store: Store) -> Path:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([("private", "source"), *rows])
    text = out.getvalue()
    path = store.root / "manifests" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.csv"
    store.keep(path, text)
    return path
