"""InsightFace packs: `train.rec`, `train.idx` and `property`, memory-mapped, read without MXNet.

Source: the record layout is dmlc-core's (include/dmlc/recordio.h), the header of an image record MXNet's
(python/mxnet/recordio.py, IRHeader), the order of the records InsightFace's (recognition/_datasets_/face2rec2.py):
record 0 holds two counts, then come the faces, then one record an identity. Packs of faces alone are read, too.
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, overload

import numpy as np
from numpy.typing import NDArray

from .base import SIZE, DataError, Face, Faces, FaceSource
from .codec import decode
from .recordformat import HEADER, LENGTH, MAGIC, SplitRecord, join, scan
from .subset import of_people

AGAIN = "the pack is damaged: copy or download it again, or write it anew with `bench data convert`"


class RecordIO(FaceSource):
    """Faces in an InsightFace pack (MXNet RecordIO)."""

    root: Path
    """The folder with `train.rec`, `train.idx` (made up from `train.rec` where it is missing) and `property`."""
    people: tuple[int, int] | None = None
    """Half-open range of labels; None for all people."""
    resize: bool = False
    """Whether to scale square faces of another size."""

    def open(self) -> Faces:
        pack = Pack(self.root, resize=self.resize)
        return pack if self.people is None else of_people(pack, self.people)

    def fingerprint(self) -> str:
        how = json.dumps([self.people, self.resize])
        return hashlib.sha256(f"{content_digest(self.root)} {how}".encode()).hexdigest()


def content_digest(root: Path) -> str:
    """The digest of all images and labels of a pack; takes the time of reading it once.

    Raises:
        DataError: `train.rec` or `property` cannot be read.
    """
    identities, _ = _property(root)
    digest = hashlib.sha256(f"recordio {identities}\n".encode())
    path = root / "train.rec"
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(16 * 2**20):
                digest.update(block)
    except OSError as error:
        _unreadable(path, error)
    return digest.hexdigest()


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
        DataError: a file is missing or damaged, or labels and counts contradict each other.
    """

    def __init__(self, root: Path, *, resize: bool = False) -> None:
        self.path = root / "train.rec"
        self.resize = resize
        self.identities, shape = _property(root)
        self.names: Sequence[str] = LabelNames(self.identities)
        if shape != (SIZE, SIZE) and not resize:
            raise DataError(
                f"{root / 'property'}: expected faces of {SIZE}x{SIZE} pixels, got {shape[1]}x{shape[0]}; align "
                "and crop the faces first, or set resize=true if they are aligned squares"
            )
        self._map = _map(self.path)
        self._size = len(self._map)
        self._read_headers(root / "train.idx")

    def _read_headers(self, index: Path) -> None:
        """Find every image's place and label with a few gathers over the mapped file, decoding none."""
        self._keys, offsets = _offsets(index, self._map, self.path)
        words: NDArray[np.uint32] = np.frombuffer(self._map, "<u4", count=self._size // 4)
        at = offsets // 4
        self._refuse(words[at] != MAGIC, "does not begin with the magic number 0xCED7230A", offsets)
        length = (words[at + 1] & LENGTH).astype(np.int64)
        part = words[at + 1] >> 29
        flag, label = words[at + 2].astype(np.int64), words[at + 3].view("<f4")
        end = offsets + 8 + (length + 3) // 4 * 4
        start = offsets + 32 + 4 * flag
        self._split: dict[int, SplitRecord] = {}
        for record in np.flatnonzero(part).tolist():
            whole = self._split[record] = join(self._map, int(offsets[record]), self._where(record))
            end[record], length[record] = whole.end, len(whole.payload)
            flag[record], label[record] = HEADER.unpack_from(whole.payload)[:2]
        following = np.append(offsets[1:], self._size)
        self._refuse(end != following, "does not end where the next one begins (or the file ends)", offsets)
        self._refuse(length < HEADER.size + 4 * flag, "is shorter than its own header says", offsets)

        listed = np.flatnonzero(flag)  # these have a list of labels behind the header: the first one counts
        simple = listed[part[listed] == 0]
        label[simple] = words[at[simple] + 8].view("<f4")
        for record in set(listed.tolist()) & self._split.keys():
            label[record] = np.frombuffer(self._split[record].payload, "<f4", 1, HEADER.size)[0]

        faces = np.arange(len(offsets))
        bare = (flag == 2) & (length == HEADER.size + 8)  # two numbers and no image
        if bare[0]:
            faces = np.flatnonzero(~bare)
            self._check_counts(words[int(at[0]) + 8 : int(at[0]) + 10].view("<f4"), len(faces), bare)
        if not len(faces):
            raise DataError(f"{self.path}: expected faces, got none; {AGAIN}")
        self._record = faces
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
                f"(`property` says {self.identities} identities), got {values[first]:g}; so do "
                f"{int(wrong.sum()) - 1} further records. Correct `property` if its count is wrong; else {AGAIN}"
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
                f"{self._where(record)}: the record at byte {offsets[record]} of {self._size} {what}; so do "
                f"{int(wrong.sum()) - 1} further ones. If `train.idx` belongs to another pack, delete it "
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
        whole = self._split.get(int(self._record[face])) if self._split else None
        if whole is not None:
            return whole.image()
        return self._map[self._start[face] : self._stop[face]]

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


def _property(root: Path) -> tuple[int, tuple[int, int]]:
    """Identities, and (height, width)."""
    path = root / "property"
    try:
        with path.open("rb") as file:
            text = file.read(100).decode("ascii", "replace").strip()
    except OSError as error:
        _unreadable(path, error, "; it holds one line `identities,112,112`")
    fields = text.split(",")
    if len(fields) != 3 or not all(field.strip().isdigit() for field in fields) or int(fields[0]) < 1:
        raise DataError(f"{path}: expected one line `identities,112,112`, got {text[:50]!r}; correct it by hand")
    return int(fields[0]), (int(fields[1]), int(fields[2]))


def _map(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            if size >= 8 + HEADER.size and size % 4 == 0:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        _unreadable(path, error)
    raise DataError(
        f"{path}: expected at least {8 + HEADER.size} bytes and a multiple of 4, got {size}: truncated; {AGAIN}"
    )


def _offsets(index: Path, data: mmap.mmap, rec: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The number and the place in bytes of every record, in the order of the file."""
    try:
        if not index.exists():
            offsets = scan(data, rec)
            return np.arange(len(offsets)), offsets
        if not index.stat().st_size:
            raise DataError(f"{index}: expected lines `number<TAB>offset`, got an empty file; delete it: {_REBUILT}")
        table = np.loadtxt(index, dtype=np.int64, delimiter="\t", ndmin=2, comments=None, encoding="latin-1")
    except OSError as error:
        _unreadable(index, error)
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{index}: expected lines `number<TAB>offset`: {error}; delete it: {_REBUILT}") from error
    if table.shape[1] != 2:
        raise DataError(f"{index}: expected two columns, got {table.shape[1]}; delete it: {_REBUILT}")
    keys, offsets = table[:, 0].copy(), table[:, 1].copy()
    before = np.append(-1, offsets[:-1])
    wrong = (offsets <= before) | (offsets > len(data) - 8 - HEADER.size) | (offsets % 4 != 0) | (keys < 0)
    if offsets[0] != 0 or wrong.any():
        line = int(np.argmax(wrong)) if wrong.any() else 0
        raise DataError(
            f"{index}: line {line + 1}: expected offsets that begin with 0, grow, are multiples of 4 and lie within "
            f"the {len(data)} bytes of train.rec, got record {keys[line]} at {offsets[line]} after "
            f"{before[line]}; delete it: {_REBUILT}; or if train.rec is too short, {AGAIN}"
        )
    if len(np.unique(keys)) != len(keys):
        raise DataError(f"{index}: expected record numbers that differ, got one twice; delete it: {_REBUILT}")
    return keys, offsets


_REBUILT = "it is then made up from train.rec"


def _unreadable(path: Path, error: OSError, hint: str = "") -> NoReturn:
    raise DataError(
        f"{path}: cannot be read ({error.strerror or error}); expected a pack of train.rec, train.idx and "
        f"property in one folder{hint}; check the path and its rights"
    ) from error
