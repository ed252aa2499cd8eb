"""InsightFace verification sets: one `.bin` file, a pickle of encoded images and genuine/impostor flags.

Source: insightface `recognition/arcface_torch/eval/verification.py` (`load_bin`) reads such files as
`(bins, issame_list)`: images 2i and 2i + 1 are pair i.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .base import DataError, Pairs, PairSource
from .files import sums
from .files.pair_images import MAX_PAIRS, decode_pairs
from .files.regular import read_regular
from .files.unpickle import Part, unpickle

MAX_BYTES = 4 << 30
"""A set of 6,000 pairs takes 20 to 80 MB; what is larger than 4 GiB is something else."""
_SPARE = 20_000
_LEAST = 64
"""Bytes of a file for each of its images, after the first so many, which may all be one: an image of a face takes 600
and more, and decoded 37,632. So memory stays in proportion to the file's size."""


class Bin(PairSource):
    """Verification pairs from an InsightFace `.bin` file, of any pickle protocol, from Python 2 or 3."""

    path: Path
    """Of the file."""
    resize: bool = False
    """Whether to scale square faces of another size."""

    def open(self) -> Pairs:
        """Decode all pairs, on as many threads as there are processors.

        Raises:
            DataError: the file is missing, damaged or hostile, holds no pairs, or an image that is not a face of
                SIZE x SIZE pixels.
        """
        images, same, where = self.encoded()
        return decode_pairs(images, same, where, resize=self.resize)

    def encoded(self) -> tuple[list[bytes], NDArray[np.bool_], list[str]]:
        """The images [2N] undecoded, the flags [N], and the place of each image for messages.

        Raises:
            DataError: the file is missing, damaged or hostile, or holds no pairs.
        """
        images, same = read(self.path)
        return images, same, [f"{self.path}: image {i} (of pair {i // 2})" for i in range(len(images))]

    def fingerprint(self) -> str:
        """SHA-256 of the file; another one where faces are scaled.

        Raises:
            DataError: the file cannot be read.
        """
        digest = hashlib.sha256(_contents(self.path)).hexdigest()
        return hashlib.sha256(f"{digest} resize".encode()).hexdigest() if self.resize else digest

    def write_sums(self) -> Path:
        path = _sums_of(self.path)
        sums.refuse_new(path)
        images, same = read(self.path)
        sums.write(path, images, sums.digest_labels(same, 2))
        return path


def read(path: Path) -> tuple[list[bytes], NDArray[np.bool_]]:
    """Read a verification set without decoding its images.

    Returns:
        The encoded images [2N] and the flags [N]; images 2i and 2i + 1 are pair i.

    Raises:
        DataError: the file is missing, damaged or hostile, or holds no pairs.
    """
    content = _contents(path)
    images, flags = unpickle(content, where=str(path))
    if len(images) != 2 * len(flags) or not 1 <= len(flags) <= MAX_PAIRS:
        raise DataError(
            f"{path}: expected two images for each flag and 1 to {MAX_PAIRS:,} flags, got {len(images):,} images "
            f"and {len(flags):,} flags. Get the file again from where it is published."
        )
    if len(images) > _SPARE + len(content) // _LEAST:
        raise DataError(
            f"{path}: expected encoded images, got {len(images):,} in {len(content):,} bytes, which repeat a few "
            "over and over. Get the file again from where it is published."
        )
    same = _flags(flags, path)
    found = _images(images, path)
    _compare(found, same, path)
    return found, same


def _sums_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sums")


def _compare(images: list[bytes], same: NDArray[np.bool_], path: Path) -> None:
    """Refuse images and flags that are not what they were, where their digests lie beside the file."""
    known = sums.load(_sums_of(path), len(images))
    if known is None:
        return
    for index, image in enumerate(images):
        known.check(index, image, f"{path}: image {index} (of pair {index // 2})")
    if known.labels != sums.digest_labels(same, 2):
        raise DataError(
            f"{path}: expected the flags whose digest {known.path.name} holds, got others: pairs were changed from "
            f"genuine to impostor or back; get the file again, or delete {known.path.name} if the change was meant"
        )


def write(path: Path, images: Sequence[bytes], same: Sequence[bool], *, protocol: int = 4) -> None:
    """Write a verification set, whole or not at all.

    Args:
        path: the file to write; one that is there is replaced.
        images: [2N] encoded images (JPEG or PNG); 2i and 2i + 1 are pair i.
        same: [N], whether a pair is genuine.
        protocol: pickle protocol, 0 to 5.

    Raises:
        DataError: counts do not fit, or the file cannot be written.
    """
    if len(images) != 2 * len(same) or not len(same):
        raise DataError(
            f"{path}: cannot write a verification set of {len(images):,} images and {len(same):,} flags; expected "
            "at least one flag and two images for each."
        )
    if not 0 <= protocol <= 5:
        raise DataError(f"{path}: expected a pickle protocol from 0 to 5, got {protocol}.")
    whole = pickle.dumps(([bytes(image) for image in images], [bool(flag) for flag in same]), protocol=protocol)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(whole)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(
            f"{path}: the verification set cannot be written ({error.strerror}). Check the folder's rights and "
            "free space; nothing was changed."
        ) from error


def _contents(path: Path) -> bytes:
    try:
        return read_regular(path, most=MAX_BYTES)
    except OSError as error:
        raise DataError(
            f"{path}: the verification set cannot be read ({error.strerror}). Expected an InsightFace .bin file "
            "there, of about 10 to 80 MB; check the path and its rights."
        ) from error


def _flags(flags: Part, path: Path) -> NDArray[np.bool_]:
    found = np.empty(len(flags), np.bool_)
    for index, flag in enumerate(flags):
        value = flag.item() if isinstance(flag, np.ndarray | np.generic) and flag.size == 1 else flag
        if not isinstance(value, bool | int | float) or value not in (0, 1):
            got = f"{value:g}" if isinstance(value, int | float) else type(value).__name__
            raise DataError(
                f"{path}: flag {index}: expected whether the pair is genuine, as true or false or as 1 or 0, got "
                f"{got}. Write the flags so, or get the file again from where it is published."
            )
        found[index] = bool(value)
    return found


def _images(images: Part, path: Path) -> list[bytes]:
    # one object stays one object, so that an image of several pairs is decoded once
    seen: dict[int, bytes] = {}
    rows = images.tolist() if isinstance(images, np.ndarray) and images.dtype.kind == "S" else images
    for index, image in enumerate(rows):
        if id(image) in seen:
            continue
        if isinstance(image, bytes | bytearray):
            seen[id(image)] = bytes(image)
        elif isinstance(image, np.ndarray) and (image.dtype.itemsize == 1 or image.dtype.kind == "S"):
            seen[id(image)] = image.tobytes()
        else:
            raise DataError(
                f"{path}: image {index}: expected an encoded image (bytes, or an array of them), got a "
                f"{type(image).__name__}. Get the file again from where it is published."
            )
    return [seen[id(image)] for image in rows]
