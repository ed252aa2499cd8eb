"""The faces of an InsightFace pack, memory-mapped.

Source: InsightFace, recognition/_datasets_/face2rec2.py (the order of the records: record 0 holds two counts, then
come the faces, then one record an identity). Packs of faces alone, as MXNet's im2rec writes them, are read, too.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, overload

import numpy as np
from numpy.typing import NDArray

from ..base import SIZE, DataError, Face
from . import sums
from .codec import decode
from .image_header import SCALE
from .mxnet_record import AGAIN, HEADER, LENGTH, MAGIC, MOST_IDENTITIES, image, join, read_index, unreadable
from .regular import open_regular

SUMS = "train.sums"
"""Beside the pack: the digests of its records, where somebody wrote them."""


class LabelNames(Sequence[str]):
    """The names of people of whom only numbers are known: labels, padded so that they sort as text."""

    def __init__(self, identities: int) -> None:
        self.identities = identities

    def __len__(self) -> int:
        return self.identities

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        width = len(str(self.identities - 1))
        chosen = range(self.identities)[index]
        return f"{chosen:0{width}}" if isinstance(chosen, int) else [f"{label:0{width}}" for label in chosen]


class Pack:
    """The faces of a pack, in the order of the file.

    Raises:
        DataError: a file is missing or damaged, or labels and counts contradict each other, or what `train.sums` holds.
    """

    def __init__(self, root: Path, *, resize: bool = False) -> None:
        self.path = root / "train.rec"
        self.resize = resize
        self.identities, shape = read_property(root)
        self.names: Sequence[str] = LabelNames(self.identities)
        if shape != (SIZE, SIZE) and not resize:
            raise DataError(
                f"{root / 'property'}: expected faces of {SIZE}x{SIZE} pixels, got {shape[1]}x{shape[0]}; align "
                f"and crop the faces first, or have aligned squares scaled: {SCALE}"
            )
        self.ranges: NDArray[np.float32] | None = None
        """[identities, 2], the first record of each person and the one after the last, as the identity records have it;
        None where there are none."""
        self._map = _map(self.path)
        self._size = len(self._map)
        self._read_headers(root / "train.idx")
        self._sums = sums.load(root / SUMS, len(self._places) - 1)
        if self._sums and self._sums.labels != sums.digest_labels(self.labels, self.identities):
            self._refuse_changed(self._sums)

    def _read_headers(self, index: Path) -> None:
        """Find every image's place and label with a few gathers over the mapped file, decoding none."""
        self._keys, offsets = read_index(index, self._map, self.path)
        words: NDArray[np.uint32] = np.frombuffer(self._map, "<u4", count=self._size // 4)
        at = offsets // 4
        self._refuse(words[at] != MAGIC, "was expected to begin with the magic number 0xCED7230A and does not", offsets)
        length = (words[at + 1] & LENGTH).astype(np.int64)
        part = words[at + 1] >> 29
        flag, label = words[at + 2].astype(np.int64), words[at + 3].view("<f4")
        end = offsets + 8 + (length + 3) // 4 * 4
        start = offsets + 32 + 4 * flag
        split = np.flatnonzero(part)
        listed = np.flatnonzero((flag > 0) & (part == 0))  # a list of labels behind the header: the first counts
        label[listed] = words[np.minimum(at[listed] + 8, len(words) - 1)].view("<f4")
        for record in split.tolist():
            payload, end[record] = join(self._map, int(offsets[record]), self._where(record))
            length[record] = len(payload)
            flag[record], label[record] = HEADER.unpack_from(payload)[:2]
            if flag[record] and len(payload) >= HEADER.size + 4:
                label[record] = np.frombuffer(payload, "<f4", 1, HEADER.size)[0]
        following = np.append(offsets[1:], self._size)
        self._refuse(end != following, "does not end where the next one begins (or the file ends)", offsets)
        self._refuse(length < HEADER.size + 4 * flag, "is shorter than its own header says", offsets)

        faces = np.arange(len(offsets))
        bare = (flag == 2) & (length == HEADER.size + 8)  # two numbers and no image
        if bare[0]:
            faces = np.flatnonzero(~bare)
            self.ranges = _pairs(words, at[bare][1:])
            self._check_counts(words[int(at[0]) + 8 : int(at[0]) + 10].view("<f4"), len(faces), bare)
        if not len(faces):
            raise DataError(f"{self.path}: expected faces, got none; {AGAIN}")
        self._record, self._places = faces, np.append(offsets, self._size)
        self._split = {record: int(offsets[record]) for record in split.tolist()}
        self._start = start[faces]
        self._stop = (offsets + 8 + length)[faces]
        self.labels = self._labels(label, faces)

    def _labels(self, label: NDArray[np.float32], faces: NDArray[np.int64]) -> NDArray[np.int64]:
        values = label[faces].astype(np.float64)
        with np.errstate(invalid="ignore"):
            wrong = ~((values >= 0) & (values < self.identities) & (values == np.floor(values)))
        if wrong.any():
            first = int(np.argmax(wrong))
            raise DataError(
                f"{self._where(int(faces[first]))}: expected a whole label from 0 to {self.identities - 1} "
                f"(`property` says {self.identities} identities), got {values[first]:g}"
                f"{_more(wrong)}. Correct `property` if its count is wrong; else {AGAIN}"
            )
        labels: NDArray[np.int64] = values.astype(np.int64)
        labels.setflags(write=False)
        return labels

    def _check_counts(self, said: NDArray[np.float32], images: int, bare: NDArray[np.bool_]) -> None:
        """Compare record 0 with what is there; it holds float32, which rounds counts above 2**24."""
        ranges = int(bare.sum()) - 1
        expected = np.array([images + 1, images + 1 + self.identities], np.float32)
        if (said != expected).any() or bare[1 : images + 1].any() or ranges not in (0, self.identities):
            raise DataError(
                f"{self.path}: record 0 and `property` do not fit the other records: expected "
                f"{images} faces followed by {self.identities} identities, so {expected.tolist()}, got "
                f"{said.tolist()} and {ranges} identity records. Correct `property` if its count is wrong; "
                f"else {AGAIN}"
            )

    def _refuse(self, wrong: NDArray[np.bool_], what: str, offsets: NDArray[np.int64]) -> None:
        if wrong.any():
            record = int(np.argmax(wrong))
            raise DataError(
                f"{self._where(record)}: the record at byte {offsets[record]} of {self._size} {what}"
                f"{_more(wrong)}. If `train.idx` belongs to another pack, delete it "
                f"and it is not needed; else {AGAIN}"
            )

    def _where(self, record: int) -> str:
        return f"{self.path}: record {self._keys[record]}"

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Face:
        face = range(len(self))[index]
        where = f"{self._where(int(self._record[face]))} (face {face})"
        return Face(decode(self.encoded(face), where=where, resize=self.resize), int(self.labels[face]))

    def encoded(self, index: int) -> bytes:
        """The image file's own bytes."""
        face = range(len(self))[index]
        record = int(self._record[face])
        if self._sums is not None and not self._sums.fits(record, whole := self._whole(record)):
            self._sums.check(record, whole, f"{self._where(record)} (face {face})")
        if record in self._split:
            return image(join(self._map, self._split[record], self._where(record))[0])
        return self._map[self._start[face] : self._stop[face]]

    def write_sums(self) -> Path:
        """Write the digests of all records, those without an image too.

        Raises:
            DataError: there are some already, or they cannot be written.
        """
        path = self.path.with_name(SUMS)
        records = (self._whole(record) for record in range(len(self._places) - 1))
        sums.write(path, records, sums.digest_labels(self.labels, self.identities))
        return path

    def _whole(self, record: int) -> bytes:
        """A record with its prefix, header, labels and padding."""
        return self._map[self._places[record] : self._places[record + 1]]

    def _refuse_changed(self, kept: sums.Sums) -> NoReturn:
        """Say which record's label was changed; labels are used before any image is read."""
        for record in range(len(self._places) - 1):
            kept.check(record, self._whole(record), self._where(record))
        raise DataError(
            f"{self.path.with_name('property')}: expected the number of identities whose digest {SUMS} holds, got "
            f"{self.identities}; restore `property`, or delete {SUMS} if the change was meant"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_map"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map = _map(self.path)
        if len(self._map) != self._size:
            raise DataError(
                f"{self.path}: expected {self._size} bytes as when it was opened, got {len(self._map)}; "
                "start again, and leave the pack as it is meanwhile"
            )


def read_property(root: Path) -> tuple[int, tuple[int, int]]:
    """Identities, and (height, width)."""
    path = root / "property"
    try:
        with open_regular(path) as file:
            text = file.read(100).decode("ascii", "replace").strip()
    except OSError as error:
        unreadable(path, error, "; it holds one line `identities,112,112`")
    fields = text.split(",")
    if (
        len(fields) != 3
        or not all(field.strip().isdigit() for field in fields)
        or not 1 <= int(fields[0]) <= MOST_IDENTITIES
    ):
        raise DataError(f"{path}: expected one line `identities,112,112`, got {text[:50]!r}; correct it by hand")
    return int(fields[0]), (int(fields[1]), int(fields[2]))


def likely_property(root: Path) -> str | None:
    """The line that `property` of a pack most likely held, by the records' labels; None where they do not tell.

    Faces are taken to be of SIZE x SIZE pixels: other ones are refused when they are decoded.
    """
    path = root / "train.rec"
    try:
        whole = _map(path)
        _, offsets = read_index(root / "train.idx", whole, path)
        words: NDArray[np.uint32] = np.frombuffer(whole, "<u4", count=len(whole) // 4)
        at = offsets // 4
        faces = at[words[at + 2] != 2]  # two labels are those of record 0 and of identity records
        place = np.where(words[faces + 2] > 0, faces + 8, faces + 3)
        highest = float(words[place].view("<f4").max())
    except (DataError, IndexError, ValueError):
        return None
    people = int(highest) + 1 if 0 <= highest < MOST_IDENTITIES else 0
    return f"{people},{SIZE},{SIZE}" if people else None


def _pairs(words: NDArray[np.uint32], at: NDArray[np.int64]) -> NDArray[np.float32]:
    """[N, 2], the two numbers of records without an image that begin at the words `at`."""
    places = np.minimum(at[:, None] + 8 + np.arange(2), len(words) - 1)
    ranges: NDArray[np.float32] = words[places].view("<f4")
    return ranges


def _map(path: Path) -> mmap.mmap:
    try:
        with open_regular(path) as file:
            size = file.seek(0, io.SEEK_END)
            if size >= 8 + HEADER.size and size % 4 == 0:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        unreadable(path, error)
    raise DataError(
        f"{path}: expected at least {8 + HEADER.size} bytes and a multiple of 4, got {size}: truncated; {AGAIN}"
    )


def _more(wrong: NDArray[np.bool_]) -> str:
    others = int(wrong.sum()) - 1
    return f" (and {others} records more)" if others else ""
