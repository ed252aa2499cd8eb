"""Faces in folders: one folder an identity, its images directly inside."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from .base import DataError, Face, Faces, FaceSource
from .files import sums
from .files.codec import decode
from .files.entries import IMAGES, is_image, is_litter
from .files.image_header import MAX_BYTES
from .files.regular import open_regular
from .views.subset import of_people

SUMS = "faces.sums"
"""In the root: the digests of the images, where somebody wrote them."""


class Folder(FaceSource):
    """Faces in folders, one folder an identity."""

    root: Path
    """Holds one folder an identity; labels follow the folders' names in Unicode order (NFC)."""
    people: tuple[int, int] | None = None
    """Half-open range of labels; None for all people."""
    resize: bool = False
    """Whether to scale square faces of another size."""

    def open(self) -> Faces:
        faces = FolderFaces(self.root, resize=self.resize)
        return faces if self.people is None else of_people(faces, self.people)

    def fingerprint(self) -> str:
        faces = FolderFaces(self.root, resize=self.resize)
        digest = hashlib.sha256(json.dumps(["folder", self.people, self.resize]).encode())
        for index in range(len(faces)):
            name = unicodedata.normalize("NFC", faces.files[index]).encode("utf-8", "surrogateescape")
            content = faces.encoded(index)
            digest.update(f"{len(name)} {len(content)}\n".encode() + name + content)
        return digest.hexdigest()

    def write_sums(self) -> Path:
        faces = FolderFaces(self.root, resize=self.resize)
        sums.refuse_new(self.root / SUMS)
        sums.write(self.root / SUMS, (faces.encoded(face) for face in range(len(faces))), faces.labels_digest)
        return self.root / SUMS


class FolderFaces:
    """The faces below a folder. Errors name people and files by number only: a folder's name is a person's.

    Raises:
        DataError: there are no identities, or one has no image, cannot be read, or is ambiguous.
    """

    def __init__(self, root: Path, *, resize: bool = False) -> None:
        self.root = root
        self.resize = resize
        self.files: list[str] = []
        """[N], paths relative to the root."""
        inside = root.resolve()
        folders = _listing(root, inside, "the root", lambda entry: entry.is_dir() or _dangling(entry))
        counts: list[int] = []
        for label, (_, folder) in enumerate(folders):
            where = f"identity {label}"
            if not folder.is_dir():
                raise DataError(f"{root}: {where} is a link to nothing; remove it or restore its target")
            images = _listing(Path(folder.path), inside, where, _is_face)
            if not images:
                raise DataError(
                    f"{root}: {where} (the folders counted from 0 in the order of their names): expected images "
                    f"({' '.join(sorted(IMAGES))}), got none; remove the folder or put its images back"
                )
            for number, (_, entry) in enumerate(images):
                if not _is_file(entry):
                    raise DataError(
                        f"{root}: {where}, image {number}: expected an image file, got a folder, a special "
                        "file, or a link to nothing; images stand directly in the identity's folder"
                    )
                self.files.append(f"{folder.name}/{entry.name}")
            counts.append(len(images))
        if not counts:
            raise DataError(
                f"{root}: expected one folder an identity with images inside, got no such folder; give the folder "
                "above the identities, or a pack's folder with train.rec"
            )
        self.identities = len(counts)
        self.names: Sequence[str] = [name for name, _ in folders]
        self.labels: NDArray[np.int64] = np.repeat(np.arange(self.identities), counts)
        self.labels.setflags(write=False)
        self._sums = sums.load(root / SUMS, len(self.files))
        if self._sums and self._sums.labels != self.labels_digest:
            raise DataError(
                f"{root}: expected as many images of each identity as when {SUMS} was written, got other numbers; copy "
                f"the folder again, or delete {SUMS} if the change was meant"
            )

    @property
    def labels_digest(self) -> str:
        """Of which image is whose."""
        return sums.digest_labels(self.labels, self.identities)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Face:
        face = range(len(self))[index]
        image = decode(self.encoded(face), where=self._where(face), resize=self.resize)
        return Face(image, int(self.labels[face]))

    def encoded(self, index: int) -> bytes:
        """The image file's own bytes."""
        face = range(len(self))[index]
        try:
            with open_regular(self.root / self.files[face]) as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            _unreadable(self._where(face), error)
        if len(data) > MAX_BYTES:
            raise DataError(f"{self._where(face)}: expected a file of at most {MAX_BYTES:,} bytes, got more")
        if self._sums is not None:
            self._sums.check(face, data, self._where(face))
        return data

    def _where(self, face: int) -> str:
        label = int(self.labels[face])
        number = face - int(np.searchsorted(self.labels, label))
        return f"{self.root}: identity {label}, image {number} (face {face})"


def _listing(
    folder: Path, inside: Path, where: str, wanted: Callable[[os.DirEntry[str]], bool]
) -> list[tuple[str, os.DirEntry[str]]]:
    """The entries that are wanted, with their normalised names, in the order of these.

    Raises:
        DataError: the folder cannot be read, two names are one, or a link leaves the root.
    """
    try:
        with os.scandir(folder) as entries:
            found = [
                (unicodedata.normalize("NFC", entry.name), entry)
                for entry in entries
                if not is_litter(entry.name) and wanted(entry)
            ]
        found.sort(key=lambda item: item[0])
        for number, (name, entry) in enumerate(found):
            if number and found[number - 1][0] == name:
                raise DataError(
                    f"{inside}: {where}: entries {number - 1} and {number} (in the order of their names) have one "
                    "name in two Unicode forms (NFC and NFD); rename or remove one of them"
                )
            if entry.is_symlink() and _leaves(entry, inside):
                raise DataError(
                    f"{inside}: {where}: entry {number} (in the order of the names) is a link that leaves the folder, "
                    "or leads back to itself; copy what it points to into the folder, or remove it"
                )
    except OSError as error:
        _unreadable(f"{inside}: {where}", error)
    return found


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # such as a loop of links; its message would hold the name
        return False


def _leaves(entry: os.DirEntry[str], inside: Path) -> bool:
    try:
        return not Path(entry.path).resolve().is_relative_to(inside)
    except RuntimeError:  # a loop of links, before Python 3.13
        return True


def _is_face(entry: os.DirEntry[str]) -> bool:
    return is_image(entry.path) or entry.is_dir()


def _dangling(entry: os.DirEntry[str]) -> bool:
    return entry.is_symlink() and not Path(entry.path).exists()


def _unreadable(where: str, error: OSError) -> NoReturn:
    raise DataError(
        f"{where}: cannot be read ({error.strerror}); expected a folder with one folder an identity; check the path "
        "and its rights"
    ) from error
