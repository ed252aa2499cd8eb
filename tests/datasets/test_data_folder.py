"""Folders of identities: the order of labels, and what is refused without naming a person."""

import os
import pickle
import unicodedata
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from facebench.datasets.base import DataError
from facebench.datasets.files.codec import decode
from facebench.datasets.folder import Folder
from facebench.datasets.views.subset import Subset, of_people

PEOPLE = {"Zoé Berg": ["b.png", "a.png"], "adam": ["1.jpg"], "Ärne": ["x.PNG", "y.webp", "z.bmp"]}


def image(seed: int, suffix: str = ".png", side: int = 112) -> bytes:
    column = np.random.default_rng(seed).integers(0, 256, (side, 1, 3), dtype=np.uint8)
    return cv2.imencode(suffix, np.repeat(column, side, axis=1))[1].tobytes()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three people, with things beside them that are no faces."""
    top = tmp_path / "faces"
    for seed, (name, files) in enumerate(PEOPLE.items()):
        (top / name).mkdir(parents=True)
        for number, file in enumerate(files):
            (top / name / file).write_bytes(image(10 * seed + number, Path(file).suffix.lower()))
    (top / "README.md").write_text("stray")
    (top / ".cache").mkdir()
    (top / "adam" / "notes.txt").write_text("stray")
    (top / "adam" / ".hidden.png").write_text("stray")
    return top


def refused(root: Path, match: str) -> str:
    with pytest.raises(DataError, match=match) as caught:
        Folder(root=root).open()
    message = str(caught.value)
    assert not any(name.split()[0] in message for name in PEOPLE), "a person's name in a message"
    return message


def test_labels_follow_the_names_and_faces_the_files(root: Path) -> None:
    faces = Folder(root=root).open()
    assert list(faces.names) == ["Zoé Berg", "adam", "Ärne"]  # by code point, the same on every system
    assert (len(faces), faces.identities, faces.labels.tolist()) == (6, 3, [0, 0, 1, 2, 2, 2])
    assert faces.encoded(0) == (root / "Zoé Berg" / "a.png").read_bytes()
    for index in range(6):
        picture, label = faces[index]
        assert torch.equal(picture, decode(faces.encoded(index), where="x")) and label == faces.labels[index]
    copy = pickle.loads(pickle.dumps(faces))
    assert copy.encoded(5) == faces.encoded(5)


def test_names_in_either_unicode_form_are_in_one_place(root: Path) -> None:
    before = Folder(root=root)
    mark, names = before.fingerprint(), list(before.open().names)
    (root / "Zoé Berg").rename(root / unicodedata.normalize("NFD", "Zoé Berg"))
    after = Folder(root=root)
    assert (after.fingerprint(), list(after.open().names)) == (mark, names)


def test_two_unicode_forms_of_one_name_are_refused(root: Path) -> None:
    twin = root / unicodedata.normalize("NFD", "Ärne")
    twin.mkdir()
    assert "entries 2 and 3" in refused(root, "one name in two Unicode forms")
    twin.rmdir()
    for form in ("NFC", "NFD"):
        (root / "adam" / unicodedata.normalize(form, "ö.png")).write_bytes(image(3))
    refused(root, "identity 1: entries 1 and 2")


def test_the_fingerprint_follows_content_and_not_the_place(root: Path, tmp_path: Path) -> None:
    first = Folder(root=root).fingerprint()
    moved = root.rename(tmp_path / "moved")
    assert Folder(root=moved).fingerprint() == first
    assert Folder(root=moved, people=(0, 2)).fingerprint() != first
    (moved / "adam" / "1.jpg").write_bytes(image(99, ".jpg"))
    changed = Folder(root=moved).fingerprint()
    (moved / "adam" / "1.jpg").rename(moved / "Ärne" / "1.jpg")
    (moved / "adam" / "2.png").write_bytes(image(98))
    assert len({first, changed, Folder(root=moved).fingerprint()}) == 3


def test_links_may_stay_inside_but_not_leave(root: Path, tmp_path: Path) -> None:
    (root / "adam" / "2.png").symlink_to(root / "Zoé Berg" / "a.png")
    assert len(Folder(root=root).open()) == 7
    (tmp_path / "secret.png").write_bytes(image(5))
    (root / "adam" / "3.png").symlink_to(tmp_path / "secret.png")
    refused(root, "identity 1: entry 2 .* link that leaves the folder")
    (root / "adam" / "3.png").unlink()
    (tmp_path / "elsewhere").mkdir()
    (root / "eve").symlink_to(tmp_path / "elsewhere")
    refused(root, "the root: entry 2 .* link that leaves the folder")


def test_a_root_that_is_a_link_itself_is_fine(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert len(Folder(root=tmp_path / "link").open()) == 6


def _empty(root: Path) -> None:
    (root / "eve").mkdir()


def _nested(root: Path) -> None:
    (root / "adam" / "more").mkdir()


def _pipe(root: Path) -> None:
    os.mkfifo(root / "adam" / "pipe.png")


def _dangling_image(root: Path) -> None:
    (root / "adam" / "gone.png").symlink_to(root / "adam" / "nothing.png")


def _dangling_person(root: Path) -> None:
    (root / "bob").symlink_to(root / "nobody")


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (_empty, "identity 2 .* expected images .* got none"),
        (_nested, "identity 1, image 1: expected an image file, got a folder"),
        (_pipe, "identity 1, image 1: expected an image file, got a folder, a special file"),
        (_dangling_image, "identity 1, image 1: .* link to nothing"),
        (_dangling_person, "identity 2 is a link to nothing"),
    ],
)
def test_what_would_be_lost_in_silence_is_refused(root: Path, spoil: Callable[[Path], None], match: str) -> None:
    spoil(root)
    refused(root, match)


def test_a_root_without_people_and_a_missing_one(tmp_path: Path) -> None:
    refused(tmp_path, "expected one folder an identity with images inside, got no such folder")
    refused(tmp_path / "missing", "cannot be read .No such file")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file", "cannot be read .Not a directory")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_rights_that_are_missing_are_told(root: Path) -> None:
    faces = Folder(root=root).open()
    (root / "adam" / "1.jpg").chmod(0)
    with pytest.raises(DataError, match=r"identity 1, image 0 \(face 2\): cannot be read .Permission denied"):
        faces[2]
    (root / "adam").chmod(0)
    refused(root, "identity 1: cannot be read .Permission denied")
    (root / "adam").chmod(0o755)


def test_a_file_that_vanished_or_grew_beyond_reason(root: Path) -> None:
    faces = Folder(root=root).open()
    (root / "adam" / "1.jpg").unlink()
    with pytest.raises(DataError, match=r"identity 1, image 0 \(face 2\): cannot be read .No such file"):
        faces[2]
    with (root / "adam" / "1.jpg").open("wb") as file:
        file.truncate(2**33)
    with pytest.raises(DataError, match="at most 4,194,304 bytes"):
        faces[2]


def test_undecodable_files_are_errors_that_name_no_person(root: Path) -> None:
    for name, data in (("2.gif", b"GIF89a..."), ("3.tif", b"II*\0"), ("4.jpg", b""), ("5.png", image(0, side=80))):
        (root / "adam" / name).write_bytes(data)
    faces = Folder(root=root).open()
    for index, match in ((3, "got a GIF"), (4, "not an image"), (5, "got 0 bytes"), (6, "got 80x80")):
        with pytest.raises(DataError, match=rf"identity 1, image {index - 2} \(face {index}\): .*{match}") as caught:
            faces[index]
        assert "adam" not in str(caught.value)
    assert Folder(root=root, resize=True).open()[6].image.shape == (3, 112, 112)


def test_one_person_with_one_image(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "a.png").write_bytes(image(1))
    faces = Folder(root=tmp_path).open()
    assert (len(faces), faces.identities, faces[0].identity) == (1, 1, 0)


def test_a_subset_numbers_its_people_anew_and_keeps_order_and_names(root: Path) -> None:
    faces = Folder(root=root).open()
    some = Subset(faces, [5, 0, 3])
    assert (some.identities, some.labels.tolist(), some.people.tolist()) == (2, [1, 0, 1], [0, 2])
    assert list(some.names) == ["Zoé Berg", "Ärne"] and some.indices.tolist() == [5, 0, 3]
    assert some.encoded(0) == faces.encoded(5) and some[0].identity == 1
    assert torch.equal(some[2].image, faces[3].image)
    inner = Subset(some, np.array([0]))
    assert (inner.labels.tolist(), list(inner.names), inner.encoded(0)) == ([0], ["Ärne"], faces.encoded(5))
    assert pickle.loads(pickle.dumps(inner)).encoded(0) == faces.encoded(5)
    assert of_people(faces, (1, 3)).labels.tolist() == [0, 1, 1, 1]
    assert Folder(root=root, people=(1, 3)).open().labels.tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("indices", [[], [6], [-1], [[0]], [0.5], [True]])
def test_a_subset_of_faces_that_are_not_there(root: Path, indices: list[int]) -> None:
    with pytest.raises(DataError, match="subset: expected"):
        Subset(Folder(root=root).open(), indices)
