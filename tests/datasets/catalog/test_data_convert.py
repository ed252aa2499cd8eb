"""Packs to folders and back: every byte and label is there again, or nothing at all is."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from facebench.datasets.base import DataError, Face, Faces, Progress
from facebench.datasets.catalog.convert import to_folder, to_recordio
from facebench.datasets.files.codec import decode, encode
from facebench.datasets.folder import Folder
from facebench.datasets.recordio import RecordIO
from facebench.datasets.views.subset import Subset

Convert = Callable[..., None]


class Listed:
    """Faces from encoded bytes."""

    def __init__(self, images: list[bytes], labels: list[int], names: list[str]) -> None:
        self.images, self.identities = images, len(names)
        self.labels = np.array(labels, np.int64)
        self.names: Sequence[str] = names

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Face:
        return Face(decode(self.images[index], where=f"face {index}"), int(self.labels[index]))

    def encoded(self, index: int) -> bytes:
        return self.images[index]


def images(count: int) -> list[bytes]:
    shades = (torch.full((3, 112, 112), n, dtype=torch.uint8) for n in range(count))
    return [encode(shade, kind="jpeg" if n % 3 else "png") for n, shade in enumerate(shades)]


def content(faces: Faces) -> list[tuple[bytes, int]]:
    return [(faces.encoded(n), int(faces.labels[n])) for n in range(len(faces))]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def faces() -> Listed:
    return Listed(images(26), sorted([0, 1, 2] * 5 + [1] * 11), ["anna", "bo", "Ćiro"])


def test_recordio_to_folder_to_recordio_changes_nothing(faces: Listed, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    progress: Progress = lambda done, total: seen.append((done, total))  # noqa: E731
    to_recordio(faces, tmp_path / "pack", progress=progress)
    pack = RecordIO(root=tmp_path / "pack").open()
    assert content(pack) == content(faces)
    assert seen == [(n, 26) for n in range(1, 27)]
    to_folder(pack, tmp_path / "folder", progress=progress)
    assert files(tmp_path / "folder") == ["0", "1", "2"]
    assert files(tmp_path / "folder" / "0") == ["00.png", "01.jpg", "02.jpg", "03.png", "04.jpg"]
    assert content(Folder(root=tmp_path / "folder").open()) == content(faces)
    to_recordio(Folder(root=tmp_path / "folder").open(), tmp_path / "again")
    for name in ("train.rec", "train.idx", "property"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "pack" / name).read_bytes()
    assert files(tmp_path) == ["again", "folder", "pack"]


def test_a_folder_keeps_the_names_of_its_people(faces: Listed, tmp_path: Path) -> None:
    to_folder(faces, tmp_path / "folder")
    assert files(tmp_path / "folder") == ["anna", "bo", "Ćiro"]
    assert content(Folder(root=tmp_path / "folder").open()) == content(faces)


@pytest.mark.parametrize(
    "names",
    [["b", "a", "c"], ["../../up", "x", "y"], [".", "x", "y"], [".hid", "x", "y"], ["a", "a", "b"], ["", "a", "b"]],
)
def test_names_that_cannot_be_folders_in_this_order_become_numbers(
    faces: Listed, tmp_path: Path, names: list[str]
) -> None:
    faces.names = names
    to_folder(faces, tmp_path / "deep" / "folder")
    assert files(tmp_path / "deep" / "folder") == ["0", "1", "2"] and files(tmp_path) == ["deep"]
    assert content(Folder(root=tmp_path / "deep" / "folder").open()) == content(faces)


def test_faces_in_any_order_are_written_person_by_person(faces: Listed, tmp_path: Path) -> None:
    mixed = Subset(faces, [25, 3, 17, 0, 24])
    to_recordio(mixed, tmp_path / "pack")
    got = RecordIO(root=tmp_path / "pack").open()
    assert content(got) == [(faces.encoded(n), label) for n, label in ((3, 0), (0, 0), (17, 1), (25, 2), (24, 2))]
    to_folder(mixed, tmp_path / "folder")
    assert content(Folder(root=tmp_path / "folder").open()) == content(got)


def test_more_than_ten_people_and_images_keep_their_order(tmp_path: Path) -> None:
    many = Listed(images(120), [0] * 101 + list(range(1, 20)), [str(n) for n in range(20)])
    to_folder(many, tmp_path / "folder")
    assert content(Folder(root=tmp_path / "folder").open()) == content(many)


def test_one_person_with_one_image(tmp_path: Path) -> None:
    one = Listed(images(1), [0], ["only"])
    to_recordio(one, tmp_path / "pack")
    to_folder(RecordIO(root=tmp_path / "pack").open(), tmp_path / "folder")
    assert content(Folder(root=tmp_path / "folder").open()) == content(one)


@pytest.mark.parametrize("convert", [to_recordio, to_folder])
def test_what_exists_is_never_overwritten(faces: Listed, tmp_path: Path, convert: Convert) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for name in ("out", "link"):
        with pytest.raises(DataError, match="does not exist yet; remove it or choose another one"):
            convert(faces, tmp_path / name)
    assert files(tmp_path) == ["link", "out"] and not files(tmp_path / "out")


@pytest.mark.parametrize("convert", [to_recordio, to_folder])
def test_a_failure_or_an_interruption_leaves_nothing(faces: Listed, tmp_path: Path, convert: Convert) -> None:
    def stop(error: type[BaseException]) -> Progress:
        def progress(done: int, total: int) -> None:
            if done == 20:
                raise error

        return progress

    for error in (KeyboardInterrupt, OSError):
        with pytest.raises(DataError if error is OSError else error):
            convert(faces, tmp_path / "out", progress=stop(error))
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="out: cannot be written"):
        convert(faces, tmp_path / "file" / "out")
    assert files(tmp_path) == ["file"]


def test_bytes_that_are_no_image_are_copied_into_a_pack_but_have_no_file_name(faces: Listed, tmp_path: Path) -> None:
    faces.images[7] = b"no image at all"
    with pytest.raises(DataError, match="face 7: expected a JPEG, PNG, WebP or BMP image"):
        to_folder(faces, tmp_path / "folder")
    assert files(tmp_path) == []
    to_recordio(faces, tmp_path / "pack")
    assert RecordIO(root=tmp_path / "pack").open().encoded(7) == b"no image at all"


@pytest.mark.realdata
def test_a_real_pack_comes_back_byte_for_byte(data_root: Path, tmp_path: Path) -> None:
    root = data_root / "faces_lfw_112x112"
    if not root.is_dir():
        pytest.skip(f"no {root}")
    to_folder(RecordIO(root=root).open(), tmp_path / "folder")
    to_recordio(Folder(root=tmp_path / "folder").open(), tmp_path / "pack")
    for name in ("train.rec", "train.idx", "property"):
        assert (tmp_path / "pack" / name).read_bytes() == (root / name).read_bytes()
