"""InsightFace packs (`train.rec`, `train.idx`, `property`) as a dataset, read and written without MXNet."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from .base import SIZE, DataError, Faces, FaceSource
from .files.mxnet_pack import Pack, read_property
from .files.mxnet_record import HEADER, LENGTH, MOST_IDENTITIES, pack, unreadable
from .files.regular import open_regular
from .views.subset import of_people


class RecordIO(FaceSource):
    """Faces in an InsightFace pack (MXNet RecordIO)."""

    root: Path
    """The folder with `train.rec`, `train.idx` (made up from `train.rec` where it is missing) and `property`."""
    people: tuple[int, int] | None = None
    """Half-open range of labels; None for all people."""
    resize: bool = False
    """Whether to scale square faces of another size."""

    def open(self) -> Faces:
        faces = Pack(self.root, resize=self.resize)
        return faces if self.people is None else of_people(faces, self.people)

    def fingerprint(self) -> str:
        how = json.dumps([self.people, self.resize])
        return hashlib.sha256(f"{content_digest(self.root)} {how}".encode()).hexdigest()

    def write_sums(self) -> Path:
        return Pack(self.root, resize=self.resize).write_sums()


def content_digest(root: Path) -> str:
    """The digest of all images and labels of a pack; takes the time of reading it once.

    Raises:
        DataError: `train.rec` or `property` cannot be read.
    """
    identities, _ = read_property(root)
    digest = hashlib.sha256(f"recordio {identities}\n".encode())
    path = root / "train.rec"
    try:
        with open_regular(path) as file:
            while block := file.read(16 * 2**20):
                digest.update(block)
    except OSError as error:
        unreadable(path, error)
    return digest.hexdigest()


class RecordIOWriter:
    """Writes a pack as InsightFace's own tool does, byte for byte; a context manager.

    Faces are added person by person, labels ascending. When the block is left without an error the pack is complete
    and on the disk; else it is not to be used, which is why a caller writes into a temporary folder.

    Args:
        folder: an existing folder without a pack.
        identities: how many people there are; labels run from 0 to identities - 1.

    Raises:
        DataError: a label or an image that cannot be stored, or the disk is full.
    """

    def __init__(self, folder: Path, identities: int) -> None:
        if not 1 <= identities <= MOST_IDENTITIES:
            raise DataError(f"{folder}: expected 1 to {MOST_IDENTITIES} identities, got {identities}")
        self.folder = folder
        self.images = 0
        self._ends = np.zeros(identities, np.int64)  # by label: number of the person's last face, plus 1
        self._label = 0
        self._files = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._rec = self._create("train.rec")
            self._idx = self._create("train.idx")
            self._put(0, [0, 0], 0, b"")  # the counts are not known yet
        except OSError as error:
            self._files.close()
            raise self._failed(error) from error
        return self

    def _create(self, name: str) -> BinaryIO:
        return self._files.enter_context((self.folder / name).open("xb", buffering=2**20))

    def add(self, encoded: bytes, label: int) -> None:
        """Append an image file as it is.

        Raises:
            DataError: see above.
        """
        where = f"{self.folder}: face {self.images}"
        if not self._label <= label < len(self._ends):
            raise DataError(
                f"{where}: expected labels in ascending order, so one from {self._label} to "
                f"{len(self._ends) - 1}, got {label}; sort the faces by label"
            )
        if not 0 < len(encoded) <= LENGTH - HEADER.size:
            raise DataError(f"{where}: expected 1 to {LENGTH - HEADER.size} bytes, got {len(encoded)}")
        self._label = label
        self.images += 1
        self._ends[label] = self.images + 1
        try:
            self._put(self.images, [], float(label), encoded)
        except OSError as error:
            raise self._failed(error) from error

    def _put(self, number: int, values: list[float], label: float, encoded: bytes) -> None:
        self._idx.write(f"{number}\t{self._rec.tell()}\n".encode())
        header = HEADER.pack(len(values), label, number, 0) + np.array(values, "<f4").tobytes()
        self._rec.write(pack(header + encoded))

    def _finish(self) -> None:
        if not self.images:
            raise DataError(f"{self.folder}: expected at least one face, got none")
        first, people, after = 1, len(self._ends), self.images + 1
        for label, end in enumerate(self._ends.tolist()):
            last = end or first  # nobody's range is empty
            self._put(after + label, [first, last], 0, b"")
            first = last
        self._rec.seek(0)
        counts = np.array([after, after + people], "<f4").tobytes()
        self._rec.write(pack(HEADER.pack(2, 0, 0, 0) + counts))
        about = self._create("property")
        about.write(f"{people},{SIZE},{SIZE}".encode())
        for file in (self._rec, self._idx, about):
            file.flush()
            os.fsync(file.fileno())

    def _failed(self, error: OSError) -> DataError:
        return DataError(
            f"{self.folder}: the pack cannot be written ({error.strerror or error}) at face {self.images}; "
            "free space or choose another folder, then run the same command again"
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            try:
                if kind is None:
                    self._finish()
            finally:
                self._files.close()
        except OSError as failure:
            if kind is None:  # else the first error is the one to tell
                raise self._failed(failure) from failure
