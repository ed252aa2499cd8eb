"""What a check of a set finds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from facebench.datasets.base import DataError, Face
from facebench.datasets.catalog import check as module
from facebench.datasets.catalog.check import check
from facebench.datasets.files.codec import decode, encode
from facebench.datasets.recordio import RecordIO, RecordIOWriter


class Listed:
    """Faces from encoded bytes."""

    def __init__(self, images: list[bytes], labels: list[int], identities: int) -> None:
        self.images, self.identities = images, identities
        self.labels = np.array(labels, np.int64)
        self.names: Sequence[str] = [str(label) for label in range(identities)]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Face:
        return Face(decode(self.encoded(index), where=f"face {index}"), int(self.labels[index]))

    def encoded(self, index: int) -> bytes:
        if self.images[index] == b"unreadable":
            raise DataError(f"face {index}: cannot be read")
        return self.images[index]


def images(count: int) -> list[bytes]:
    return [encode(torch.full((3, 112, 112), n, dtype=torch.uint8)) for n in range(count)]


def test_a_sound_set_is_usable() -> None:
    seen: list[tuple[int, int]] = []
    report = check(
        Listed(images(150), [n // 15 for n in range(150)], 10),
        card_identities=10,
        card_images=150,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert report.usable and report.fits_card and (report.identities, report.images) == (10, 150)
    assert not any((report.undecodable, report.out_of_range, report.duplicates, report.single_image, report.no_image))
    assert seen == [(64, 150), (128, 150), (150, 150)]


def test_everything_that_can_be_wrong_is_told_apart() -> None:
    some = images(8)
    faces = Listed(
        [some[0], some[1], some[0], b"junk", some[2], some[1], some[1], some[3], b"junk", b"unreadable", some[4][:60]],
        [0, 0, 0, 0, 1, 1, 0, 2, 2, 7, -1],
        5,
    )
    report = check(faces, card_identities=4, card_images=11)
    assert [bad.face for bad in report.undecodable] == [3, 8, 9, 10]
    assert report.undecodable[0].reason.startswith("face 3: not an image")
    assert report.undecodable[2].reason == "face 9: cannot be read"
    assert report.out_of_range == (9, 10)
    assert report.duplicates == ((0, 2), (1, 5, 6), (3, 8)) and report.repeated == 4
    assert report.duplicates_across == ((1, 5, 6), (3, 8))
    assert report.single_image == () and report.no_image == (3, 4)
    assert not report.fits_card and not report.usable
    assert not check(faces, card_identities=5, card_images=12).fits_card
    assert check(faces, card_identities=5, card_images=11).fits_card and check(faces).fits_card


def test_people_with_one_image_are_no_fault() -> None:
    report = check(Listed(images(3), [0, 1, 1], 2))
    assert report.usable and report.single_image == (0,)
    assert check(Listed(images(1), [0], 1)).single_image == (0,)


def test_reasons_are_bounded_but_not_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REASONS", 5)
    report = check(Listed([b"junk"] * 200, [0] * 200, 1))
    assert [bad.face for bad in report.undecodable] == list(range(200))
    assert sum("not an image" in bad.reason for bad in report.undecodable) == 5


def test_a_pack_with_a_flipped_bit_in_an_image(tmp_path: Path) -> None:
    with RecordIOWriter(tmp_path, 2) as writer:
        for number, data in enumerate(images(10)):
            writer.add(data, number // 5)
    faces = RecordIO(root=tmp_path).open()
    at = (tmp_path / "train.rec").read_bytes().index(faces.encoded(6)) + 70
    with (tmp_path / "train.rec").open("r+b") as file:
        file.seek(at)
        file.write(bytes([faces.encoded(6)[70] ^ 16]))
    report = check(RecordIO(root=tmp_path).open(), card_identities=2, card_images=10)
    assert [bad.face for bad in report.undecodable] == [6] and report.fits_card and not report.usable
    assert "train.rec: record 7 (face 6)" in report.undecodable[0].reason


def test_an_interruption_ends_the_check(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(Listed(images(1) * 5000, [0] * 5000, 1), progress=interrupt)


@pytest.mark.realdata
def test_a_real_pack_is_sound(data_root: Path) -> None:
    root = data_root / "faces_lfw_112x112"
    if not root.is_dir():
        pytest.skip(f"no {root}")
    report = check(RecordIO(root=root).open(), card_identities=4416, card_images=9502)
    assert report.usable and not report.no_image and len(report.single_image) == 4416 - 1176
