"""LFW's own list of verification pairs (`pairs.txt`) over a folder of identities.

The first line holds the number of folds and of pairs of each kind in a fold (`10<TAB>300`), or that of pairs
alone where there is one fold (`pairsDevTest.txt`). A genuine pair is `name, number, number`, an impostor pair
`name, number, name, number`; image 7 of somebody is `root/NAME/NAME_0007.jpg`.

Source: Huang et al., Labeled Faces in the Wild (UMass Amherst 07-49, 2007), section on evaluation; README of the set.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from .base import DataError, Pairs, PairSource
from .files.entries import is_image, is_litter
from .files.image_header import MAX_BYTES as LARGEST_IMAGE
from .files.pair_images import MAX_PAIRS, decode_pairs
from .files.regular import open_regular

MAX_BYTES = 16 << 20
SUFFIXES = (".jpg", ".png", ".jpeg")
"""Ends of names that are tried first, in this order; whatever else is an image is found in the person's folder."""
_Files = dict[str, Path]


class PairsTxt(PairSource):
    """Verification pairs from LFW's `pairs.txt` over a folder of identities, folds in the list's order."""

    root: Path
    """The folder with one folder a person."""
    path: Path
    """Of the list."""
    resize: bool = False
    """Whether to scale square faces of another size."""

    def open(self) -> Pairs:
        """Decode all pairs.

        Raises:
            DataError: the list is damaged, or an image is missing, unreadable, outside the folder, or no face.
        """
        images, pairs, where = self._images()
        same, fold = (np.array([getattr(pair, name) for pair in pairs]) for name in ("same", "fold"))
        decoded = decode_pairs(images, same, where, resize=self.resize)
        return decoded._replace(fold=fold) if fold.any() else decoded

    def encoded(self) -> tuple[list[bytes], NDArray[np.bool_], list[str]]:
        """The images [2N] undecoded, the flags [N], and the place of each image for messages.

        Raises:
            DataError: the list is damaged, or an image is missing, unreadable or outside the folder.
        """
        images, pairs, where = self._images()
        return images, np.array([pair.same for pair in pairs]), where

    def fingerprint(self) -> str:
        """SHA-256 over the images' digests and the flags, pair by pair; takes the time of reading all images.

        The number of folds is part of it, except for LFW's ten: its digest is older than that.
        """
        images, pairs, _ = self._images()
        digests: dict[int, bytes] = {}
        folds = 1 + max(pair.fold for pair in pairs)
        whole = hashlib.sha256(f"pairs {self.resize}{'' if folds == 10 else f' folds {folds}'}".encode())
        for index, image in enumerate(images):
            if id(image) not in digests:
                digests[id(image)] = hashlib.sha256(image).digest()
            whole.update(digests[id(image)] + bytes([pairs[index // 2].same]))
        return whole.hexdigest()

    def _images(self) -> tuple[list[bytes], list[Pair], list[str]]:
        pairs = read(self.path)
        if not self.root.is_dir():
            raise DataError(f"{self.root}: expected a folder with one folder an identity, got none. Check the path.")
        root = self.root.resolve()
        kept: dict[tuple[str, int], bytes] = {}
        folders: dict[str, _Files] = {}
        images, where = [], []
        for pair in pairs:
            for side, (name, number) in enumerate((pair.first, pair.second)):
                place = f"{self.path}, line {pair.line}, face {side + 1}"
                if (name, number) not in kept:
                    kept[name, number] = _image(root, name, number, place, folders)
                images.append(kept[name, number])
                where.append(place)
        return images, pairs, where


class Pair(NamedTuple):
    """One line of the list."""

    line: int
    first: tuple[str, int]
    """Name and number of an image."""
    second: tuple[str, int]
    same: bool
    fold: int = 0
    """From 0, as the list counts them."""


def read(path: Path) -> list[Pair]:
    """Read the list of pairs.

    Returns:
        The pairs in their order, each with its fold.

    Raises:
        DataError: a line has another number of columns, a number is out of range, or counts differ from the head.
    """
    lines = _lines(path)
    head = lines[0].split()
    if len(head) not in (1, 2) or not all(part.isascii() and part.isdigit() and len(part) <= 6 for part in head):
        _fail(path, 1, "expected the number of folds and of pairs (as `10<TAB>300`), got something else")
    folds, size = (1, int(head[0])) if len(head) == 1 else (int(head[0]), int(head[1]))
    if not 1 <= folds * size * 2 <= MAX_PAIRS:
        _fail(path, 1, f"expected 1 to {MAX_PAIRS:,} pairs in all, got {folds} folds of 2 x {size}")
    if len(lines) - 1 != folds * size * 2:
        _fail(
            path, 1, f"announces {folds} folds of 2 x {size} pairs, {folds * size * 2:,} in all; got {len(lines) - 1:,}"
        )
    pairs = [_pair(line, place + 2, path)._replace(fold=place // (size * 2)) for place, line in enumerate(lines[1:])]
    for fold in range(folds):
        part = pairs[fold * size * 2 : (fold + 1) * size * 2]
        genuine = sum(pair.same for pair in part)
        if genuine != size:
            _fail(
                path,
                part[0].line,
                f"expected {size} genuine pairs in fold {fold + 1}, which starts here; got {genuine}",
            )
    return pairs


def _lines(path: Path) -> list[str]:
    try:
        with open_regular(path) as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise DataError(f"{path}: expected a list of pairs of at most 16 MiB, got more. Is it the right file?")
        text = raw.decode("utf-8-sig").rstrip()
    except OSError as error:
        raise DataError(
            f"{path}: the list of pairs cannot be read ({error.strerror}). Expected a file as LFW's pairs.txt there; "
            "check the path and its rights."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected a list of pairs in UTF-8, got other bytes. Is it the right file?") from error
    if not text:
        raise DataError(f"{path}: expected a list of pairs, got an empty file. Get it again.")
    return text.replace("\r\n", "\n").split("\n")


def _pair(text: str, line: int, path: Path) -> Pair:
    columns = [column.strip() for column in text.split("\t")] if "\t" in text else text.split()
    match columns:
        case [name, one, two]:
            pair = Pair(line, (name, _number(one, path, line)), (name, _number(two, path, line)), True)
        case [name, one, other, two]:
            pair = Pair(line, (name, _number(one, path, line)), (other, _number(two, path, line)), False)
            if name == other:
                _fail(path, line, "an impostor pair (4 columns) of one person; expected two people")
        case _:
            _fail(path, line, f"expected 3 columns (genuine) or 4 (impostor), got {len(columns)}")
    if pair.first == pair.second:
        _fail(path, line, "a pair of an image with itself; expected two images")
    for name, _ in (pair.first, pair.second):
        if name in ("", ".", "..") or any(sign in name for sign in "/\\\0:"):
            _fail(path, line, "a name that leads out of the folder; expected a folder's plain name")
    return pair


def _number(text: str, path: Path, line: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) >= 1):
        _fail(path, line, "an image's number that is no whole number from 1 to 999999")
    return int(text)


def _image(root: Path, name: str, number: int, place: str, folders: dict[str, _Files]) -> bytes:
    for path in _candidates(root, name, number, folders, place):
        try:
            inside = path.resolve(strict=True)
            if not inside.is_relative_to(root):
                raise DataError(f"{place}: a link that leaves the folder {root}. Copy the image there instead.")
            if not inside.is_file() or inside.stat().st_size > LARGEST_IMAGE:
                raise DataError(f"{place}: expected an image of at most {LARGEST_IMAGE >> 20} MiB, got something else.")
            return inside.read_bytes()
        except FileNotFoundError:
            continue
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
            reason = error.strerror if isinstance(error, OSError) else "a loop of links"
            raise DataError(f"{place}: the image cannot be read ({reason}). Check its rights.") from error
    raise DataError(
        f"{place}: image {number} of that person is missing in {root} (looked for NAME/NAME_{number:04d} with any "
        "end of an image's name). Complete the folder, or use the list that belongs to it."
    )


def _candidates(root: Path, name: str, number: int, folders: dict[str, _Files], place: str) -> Iterator[Path]:
    """Where an image may be: by the usual names, then as a look into the person's folder says."""
    stem = f"{name}_{number:04d}"
    yield from (root / name / f"{stem}{suffix}" for suffix in SUFFIXES)
    if name not in folders:
        folders[name] = _by_stem(root, name, place)
    if found := folders[name].get(unicodedata.normalize("NFC", stem)):
        yield found


def _by_stem(root: Path, name: str, place: str) -> _Files:
    """A person's images by their names without their ends; names are compared in Unicode's form NFC."""
    wanted = unicodedata.normalize("NFC", name)
    folder = root / name
    found: _Files = {}
    try:
        if not folder.is_dir():  # written in another form, as macOS does
            same = (entry for entry in sorted(root.iterdir()) if unicodedata.normalize("NFC", entry.name) == wanted)
            folder = next(same, folder)
        if folder.is_dir() and folder.resolve().is_relative_to(root):
            for path in sorted(folder.iterdir()):
                if not is_litter(path.name) and is_image(path):
                    for known in (path.name, path.stem):  # a name without an end may have a point in it
                        found.setdefault(unicodedata.normalize("NFC", known), path)
    except OSError as error:
        raise DataError(f"{place}: the person's folder cannot be read ({error.strerror}). Check its rights.") from error
    return found


def _fail(path: Path, line: int, what: str) -> NoReturn:
    raise DataError(f"{path}, line {line}: {what}. Correct the line, or get the list again from LFW's page.")
