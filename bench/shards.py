"""Shards of a private set: some of its rows, made by any process on any machine, kept until all are there.

A shard is two files: the images one behind the other, and an index, which appears last and makes the shard whole.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.base import FaceSource
from ..methods.base import Method, PrivateFaces, Publish
from . import outfile
from .privatize import Encoding, encoded


class ShardError(ValueError):
    """A shard that cannot be used; the message says which, expected, got and what to do."""


@dataclass(frozen=True)
class Task:
    """All that a process needs to make shards of a private set."""

    source: FaceSource
    places: NDArray[np.int64]
    """[N], where each original stands in its dataset, sorted by identity."""
    method: Method
    fitted: Path
    secret: bytes = field(repr=False)
    """32 bytes, from which all randomness of the faces follows."""
    device: str
    encoding: Encoding
    folder: Path
    """Where the shards go."""
    key: str
    """Of everything that decides the private faces; a shard with another one is another command's."""
    size: int
    """Faces a shard."""
    tag: str
    """Of the caller, so that two machines that make one shard do not write into one file."""

    def open(self) -> PrivateFaces:
        """The private set.

        Raises:
            MethodError, DataError: as `Method.publish`.
        """
        import torch

        from ..datasets.subset import Subset

        originals = Subset(self.source.open(), self.places)
        how = Publish(self.secret, torch.device(self.device), self.places)
        return self.method.publish(self.fitted, originals, how)

    def make(self, private: PrivateFaces, number: int, told: Callable[[int], None]) -> None:
        """Make one shard, whole or not at all.

        Args:
            private: what `open` gave.
            number: of the shard, from 0.
            told: called with the number of faces that were done since it was called last.

        Raises:
            MethodError, DataError: a face cannot be made, or its original cannot be read.
            OSError: the disk is full, or the folder cannot be written.
        """
        rows = range(number * self.size, min((number + 1) * self.size, len(private)))
        images, index = _paths(self.folder, number)
        parts = [path.with_name(f".{path.name}.{self.tag}.part") for path in (images, index)]
        sizes: list[int] = []
        digests: list[bytes] = []
        try:
            with outfile.private(parts[0]) as file:  # in the order of the originals
                for _, image in encoded(private, rows, self.encoding):
                    file.write(image)
                    sizes.append(len(image))
                    digests.append(hashlib.sha256(image).digest())
                    told(1)
                _sync(file.fileno(), file.flush)
            which = slice(rows.start, rows.stop)
            with outfile.private(parts[1]) as file:
                np.savez(
                    file,
                    key=np.array(self.key),
                    identity=private.labels[which],
                    source=np.full(len(rows), -1) if private.source is None else self.places[private.source[which]],
                    digest=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
                    size=np.array(sizes, np.int64),
                )
                _sync(file.fileno(), file.flush)
            parts[0].replace(images)
            parts[1].replace(index)
        finally:
            for part in parts:
                part.unlink(missing_ok=True)


@dataclass(frozen=True)
class Shard:
    """A finished shard."""

    images: Path
    identity: NDArray[np.int64]
    """[N], labels of the private set."""
    source: NDArray[np.int64]
    """[N], the original's place in its dataset; -1 where there is none."""
    digest: NDArray[np.uint8]
    """[N, 32], SHA-256 of the image files."""
    size: NDArray[np.int64]
    """[N], in bytes; the images stand one behind the other."""


def is_made(folder: Path, number: int, key: str) -> bool:
    """Whether a shard is there.

    Raises:
        ShardError: it is damaged, or was made by another command.
    """
    index = _paths(folder, number)[1]
    return index.is_file() and _load(index, key, ("key",)) is not None


def read(folder: Path, number: int, key: str) -> Shard:
    """The index of a finished shard; its images are checked when they are read.

    Raises:
        ShardError: it is missing, damaged, or was made by another command.
    """
    images, index = _paths(folder, number)
    found = _load(index, key, ("identity", "source", "digest", "size"))
    n = len(found["size"])
    stored = images.stat().st_size if images.is_file() else -1
    if stored != found["size"].sum() or any(len(each) != n for each in found.values()):
        raise ShardError(f"{images}: not what its index says; delete {index.name} and run the same command again")
    return Shard(images, found["identity"], found["source"], found["digest"], found["size"])


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"{number:06d}.images", folder / f"{number:06d}.npz"


def _load(index: Path, key: str, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    try:
        with np.load(index, allow_pickle=False) as kept:
            made, found = str(kept["key"]), {name: kept[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ShardError(
            f"{index}: cannot be read ({error}); delete it and run the same command again, which makes that shard anew"
        ) from error
    if made != key:
        raise ShardError(
            f"{index}: a shard of another command: of other faces, another method, key, encoding, kind of device or "
            "shard size; delete it to have it made anew, or choose another output"
        )
    return found


def _sync(file: int, flush: Callable[[], None]) -> None:
    flush()
    os.fsync(file)
