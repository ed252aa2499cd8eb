"""Shards of a private set: some of its rows, made by any process on any machine, kept until all are there.

A shard is two files: the images one behind the other, and an index, which appears last and makes the shard whole.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import FacebenchError
from ...datasets.base import FaceSource
from ...datasets.files.image_header import MAX_BYTES
from ...datasets.files.regular import open_regular
from ...methods.base import Method, PrivateFaces, Publish
from ...methods.parts.owner_only import owner_only
from ...methods.parts.private_pack import Encoding, encoded

_HEADER = 4096
"""Bytes that an array's header and a job's key surely fit into."""


class ShardError(FacebenchError, ValueError):
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

        from ...datasets.views.subset import Subset

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
        rows = self._rows(private, number)
        images, index = _paths(self.folder, number)
        parts = [path.with_name(f".{path.name}.{self.tag}.part") for path in (images, index)]
        sizes: list[int] = []
        digests: list[bytes] = []
        try:
            with owner_only(parts[0]) as file:  # in the order of the originals
                for _, image in encoded(private, rows, self.encoding):
                    file.write(image)
                    sizes.append(len(image))
                    digests.append(hashlib.sha256(image).digest())
                    told(1)
                _sync(file.fileno(), file.flush)
            identity, source = self._links(private, rows)
            with owner_only(parts[1]) as file:
                np.savez(
                    file,
                    key=np.array(self.key),
                    identity=identity,
                    source=source,
                    digest=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
                    size=np.array(sizes, np.int64),
                )
                _sync(file.fileno(), file.flush)
            parts[0].replace(images)
            parts[1].replace(index)
        finally:
            for part in parts:
                part.unlink(missing_ok=True)

    def read(self, private: PrivateFaces, number: int) -> Shard:
        """A finished shard, whose labels and sources are those that `make` gives it.

        Args:
            private: what `open` gave.
            number: of the shard, from 0.

        Raises:
            ShardError: it is missing, damaged, forged, or was made by another command.
        """
        identity, source = self._links(private, self._rows(private, number))
        return read(self.folder, number, self.key, identity=identity, source=source)

    def _rows(self, private: PrivateFaces, number: int) -> range:
        return range(number * self.size, min((number + 1) * self.size, len(private)))

    def _links(self, private: PrivateFaces, rows: range) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        which = slice(rows.start, rows.stop)
        none = np.full(len(rows), -1)
        source = none if private.source is None else self.places[private.source[which]]
        return np.asarray(private.labels[which], np.int64), source


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


def read(folder: Path, number: int, key: str, *, identity: NDArray[np.int64], source: NDArray[np.int64]) -> Shard:
    """The index of a finished shard; its images are checked when they are read.

    Args:
        folder: where shards are.
        number: of the shard, from 0.
        key: of the job.
        identity: [N], the labels that the job gives to the faces of this shard.
        source: [N], likewise the places of their originals.

    Raises:
        ShardError: it is missing, damaged, forged, or was made by another command.
    """
    images, index = _paths(folder, number)
    found = _load(index, key, ("identity", "source", "digest", "size"), most=len(identity))
    n, size = len(identity), found["size"]
    kinds = {"identity": ("i8", (n,)), "source": ("i8", (n,)), "digest": ("u1", (n, 32)), "size": ("i8", (n,))}
    for name, (kind, shape) in kinds.items():
        got = found[name]
        if got.dtype != np.dtype(kind) or got.shape != shape:
            raise _odd(index, f"expected {name} as {kind} {list(shape)}, got {got.dtype} {list(got.shape)}")
    for name, expected in (("identity", identity), ("source", source)):
        if not np.array_equal(found[name], expected):
            row = int(np.argmax(found[name] != expected))
            raise _odd(index, f"face {row}: expected {name} {expected[row]} as the job has it, got {found[name][row]}")
    if n and not (size.min() >= 1 and size.max() <= MAX_BYTES):
        raise _odd(index, f"expected images of 1 to {MAX_BYTES:,} bytes, got {size.min():,} to {size.max():,}")
    stored = images.stat().st_size if images.is_file() else -1
    if stored != size.sum():
        raise ShardError(f"{images}: not what its index says; delete {index.name} and run the same command again")
    return Shard(images, found["identity"], found["source"], found["digest"], size)


def _odd(index: Path, what: str) -> ShardError:
    return ShardError(f"{index}: not an index that this command made: {what}; delete it and run the same command again")


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"{number:06d}.images", folder / f"{number:06d}.npz"


def _load(index: Path, key: str, names: tuple[str, ...], *, most: int = 0) -> dict[str, NDArray[Any]]:
    """Arrays of an index of at most so many faces; a file that unpacks to more is not unpacked."""
    try:
        with open_regular(index) as file, np.load(file, allow_pickle=False) as kept:
            for entry in kept.zip.infolist():
                if entry.filename.removesuffix(".npy") in (*names, "key") and entry.file_size > _HEADER + 32 * most:
                    raise ValueError(f"{entry.filename} of {entry.file_size:,} bytes, for {most:,} faces")
            made, found = str(kept["key"]), {name: kept[name] for name in names}
    except Exception as error:  # what a damaged or forged archive ends in has no common class
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
