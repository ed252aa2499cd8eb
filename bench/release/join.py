"""From shards to the dataset that is shared: a pack, or one folder a person, and the manifests.

People and their faces are numbered by the SHA-256 of the private images. So how the set was cut into shards leaves no
trace, and neither do the originals' names and order, which a number in their order would tell.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import DataError, Progress
from ...datasets.files.image_header import inspect
from ...methods.parts.private_pack import MANIFEST, write_manifest
from ...methods.parts.release_order import release_order
from .shards import Shard, ShardError

Layout = Literal["recordio", "folder"]
METADATA = "metadata.csv"


@dataclass(frozen=True)
class Whole:
    """A private set, arranged, with its images still in shards."""

    labels: NDArray[np.int64]
    """[N], ascending: each person's number in the release."""
    source: NDArray[np.int64] | None
    """[N], the place of each original; None where private faces were made from none."""
    digest: NDArray[np.uint8]
    """[N, 32], SHA-256 of the image files."""
    size: NDArray[np.int64]
    """[N], bytes of the image files."""
    _files: Sequence[Path]
    _file: NDArray[np.int64]
    _offset: NDArray[np.int64]

    @property
    def identities(self) -> int:
        """How many people there are."""
        return int(self.labels[-1]) + 1

    @property
    def most_images(self) -> int:
        """How many images the person with most of them has."""
        return int(np.bincount(self.labels).max())

    def images(self) -> Iterator[bytes]:
        """The image files in order, each compared with its digest.

        Raises:
            ShardError: an image was changed, or is no face.
        """
        for row in range(len(self.labels)):
            path = self._files[self._file[row]]
            with path.open("rb", buffering=0) as file:  # thousands of shards must not all be open at once
                file.seek(int(self._offset[row]))
                image = file.read(int(self.size[row]))
            if hashlib.sha256(image).digest() != self.digest[row].tobytes():
                raise ShardError(
                    f"{path}: it was changed after it was made; delete {path.stem}.npz beside it and run "
                    "the same command again"
                )
            try:
                inspect(image, "", False)
            except DataError as error:
                raise ShardError(
                    f"{path}: at byte {self._offset[row]}: expected a face as methods make them, got another image, or "
                    f"none; delete {path.stem}.npz beside it and run the same command again"
                ) from error
            yield image


def arrange(shards: Sequence[Shard], key: bytes) -> Whole:
    """Bring shards, given in their order, into the order of the release.

    Args:
        shards: all of them.
        key: the release's secret one, which orders faces that are equal.
    """
    identity = np.concatenate([shard.identity for shard in shards])
    digest = np.concatenate([shard.digest for shard in shards])
    source = np.concatenate([shard.source for shard in shards])
    size = np.concatenate([shard.size for shard in shards])
    offset = np.concatenate([np.cumsum(shard.size) - shard.size for shard in shards])
    file = np.repeat(np.arange(len(shards)), [len(shard.size) for shard in shards])
    labels, order = release_order(identity, digest, _ties(digest, key))
    return Whole(
        labels=labels,
        source=None if (source < 0).any() else source[order],
        digest=digest[order],
        size=size[order],
        _files=[shard.images for shard in shards],
        _file=file[order],
        _offset=offset[order],
    )


def _ties(digest: NDArray[np.uint8], key: bytes) -> NDArray[np.uint64]:
    """[N], secret numbers; zeros where no two images are equal."""
    from ...facemae.runtime.randomness import derived

    count = len(digest)
    if len(np.unique(digest, axis=0)) == count:
        return np.zeros(count, np.uint64)
    words = (derived(key, row.to_bytes(8, "little"), purpose="order")[:8] for row in range(count))
    return np.frombuffer(b"".join(words), np.uint64)


def write(
    whole: Whole,
    out: Path,
    links: Path,
    layout: Layout,
    name: str,
    parameters: Mapping[str, Any],
    notes: Mapping[str, str],
    progress: Progress,
) -> None:
    """Write the set and its manifest into the empty folder `out`, and to `links` the manifest with the originals.

    Raises:
        ShardError: a shard was changed.
        DataError, OSError: the disk is full.
    """
    {"recordio": _pack, "folder": _folder}[layout](whole, out, progress)
    hashes = [row.tobytes().hex() for row in whole.digest]
    write_manifest(out / MANIFEST, name, parameters, whole.labels, hashes, index=None, linked=False, notes=notes)
    write_manifest(links, name, parameters, whole.labels, hashes, index=whole.source, private=True, notes=notes)


def _pack(whole: Whole, out: Path, progress: Progress) -> None:
    from ...datasets.recordio import RecordIOWriter

    with RecordIOWriter(out, whole.identities) as pack:
        for row, image in enumerate(whole.images()):
            pack.add(image, int(whole.labels[row]))
            progress(row + 1, len(whole.labels))


def _folder(whole: Whole, out: Path, progress: Progress) -> None:
    """One folder a person, numbered, and `metadata.csv` as Hugging Face's ImageFolder reads it."""
    from ...datasets.files.image_header import suffix

    counts = np.bincount(whole.labels)
    width, places = len(str(len(counts) - 1)), len(str(int(counts.max()) - 1))
    number = np.arange(len(whole.labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    with (out / METADATA).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("file_name", "label"))
        for row, image in enumerate(whole.images()):
            label = int(whole.labels[row])
            name = f"{label:0{width}}/{number[row]:0{places}}{suffix(image)}"
            if number[row] == 0:
                (out / name).parent.mkdir()
            (out / name).write_bytes(image)
            rows.writerow((name, label))
            progress(row + 1, len(whole.labels))
