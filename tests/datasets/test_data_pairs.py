"""LFW's own pairs.txt over a folder of identities."""

import os
from pathlib import Path

import pytest
import torch
from facebench.datasets import pairs
from facebench.datasets.base import DataError
from facebench.datasets.files import codec
from facebench.datasets.pairs import PairsTxt

PEOPLE = ("Ann_Secret", "Bob_Secret", "Zoë_Secret")
HEAD = "2\t1\n"
LINES = (
    "Ann_Secret\t1\t2\n",
    "Ann_Secret\t1\tBob_Secret\t2\n",
    "Zoë_Secret\t3\t1\n",
    "Bob_Secret\t3\tZoë_Secret\t2\n",
)


def face(person: int, number: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(10 * person + number)
    tiles = torch.randint(0, 256, (3, 8, 8), generator=generator, dtype=torch.uint8)
    return tiles.repeat_interleave(14, 1).repeat_interleave(14, 2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "lfw"
    for person, name in enumerate(PEOPLE):
        (root / name).mkdir(parents=True)
        for number in (1, 2, 3):
            suffix = ".png" if number == 2 else ".jpg"  # what the bytes are is seen in them, not in the name
            (root / name / f"{name}_{number:04d}{suffix}").write_bytes(codec.encode(face(person, number)))
    return root


def source(root: Path, text: str | bytes) -> PairsTxt:
    path = root.parent / "pairs.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return PairsTxt(root=root, path=path)


def refused(root: Path, text: str | bytes) -> str:
    with pytest.raises(DataError) as error:
        source(root, text).open()
    message = str(error.value)
    assert str(root.parent / "pairs.txt") in message
    assert "Secret" not in message
    return message


def test_pairs_are_read_in_the_order_of_the_list(root: Path) -> None:
    opened = source(root, HEAD + "".join(LINES)).open()
    assert opened.same.tolist() == [True, False, True, False]
    assert torch.equal(opened.first, torch.stack([face(0, 1), face(0, 1), face(2, 3), face(1, 3)]))
    assert torch.equal(opened.second, torch.stack([face(0, 2), face(1, 2), face(2, 1), face(2, 2)]))


def test_a_development_list_has_one_fold(root: Path) -> None:
    text = "2\n" + LINES[0] + LINES[2] + LINES[1] + LINES[3]
    assert source(root, text).open().same.tolist() == [True, True, False, False]
    assert [pair.line for pair in pairs.read(root.parent / "pairs.txt")] == [2, 3, 4, 5]


def test_line_ends_marks_and_blanks_of_other_systems_are_read(root: Path) -> None:
    text = "".join((HEAD, *LINES))
    plain = source(root, text).fingerprint()
    for other in (
        text.replace("\n", "\r\n"),
        "\ufeff" + text,
        text + "\n\n",
        text.replace("\t", " "),
        text.rstrip("\n"),
    ):
        assert source(root, other).fingerprint() == plain


def test_the_fingerprint_follows_images_and_flags_and_not_the_place(root: Path) -> None:
    whole = source(root, HEAD + "".join(LINES))
    before = whole.fingerprint()
    moved = root.rename(root.with_name("elsewhere"))
    assert source(moved, HEAD + "".join(LINES)).fingerprint() == before
    assert source(moved, HEAD + LINES[2] + LINES[1] + LINES[0] + LINES[3]).fingerprint() != before
    (moved / PEOPLE[0] / f"{PEOPLE[0]}_0001.jpg").write_bytes(codec.encode(face(9, 9)))
    assert source(moved, HEAD + "".join(LINES)).fingerprint() != before


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("pairs\n" + LINES[0], 1, "number of folds"),
        ("1\t2\t3\n" + LINES[0], 1, "number of folds"),
        ("-1\t1\n" + LINES[0], 1, "number of folds"),
        ("0\t300\n" + LINES[0], 1, "got 0 folds"),
        ("100\t1000\n" + LINES[0], 1, "1 to 100,000 pairs"),
        ("9999999999\n" + LINES[0], 1, "number of folds"),
        (HEAD + "".join(LINES[:3]), 1, "4 in all; got 3"),
        (HEAD + "".join(LINES) + LINES[0], 1, "4 in all; got 5"),
        (HEAD + LINES[0] + "\n" + LINES[2] + LINES[3], 3, "got 0"),
        (HEAD + LINES[0] + "Ann_Secret\t1\n" + LINES[2] + LINES[3], 3, "3 columns (genuine) or 4 (impostor), got 2"),
        (HEAD + LINES[0] + "Ann_Secret\t1\tBob_Secret\t1\t1\n" + LINES[2] + LINES[3], 3, "got 5"),
        (HEAD + LINES[0] + LINES[2] + LINES[1] + LINES[3], 2, "1 genuine pairs in fold 1, which starts here; got 2"),
        (HEAD + LINES[0] + "Ann_Secret\t0\tBob_Secret\t1\n" + LINES[2] + LINES[3], 3, "from 1 to 999999"),
        (HEAD + LINES[0] + "Ann_Secret\t-1\tBob_Secret\t1\n" + LINES[2] + LINES[3], 3, "from 1 to 999999"),
        (HEAD + LINES[0] + "Ann_Secret\tx\tBob_Secret\t1\n" + LINES[2] + LINES[3], 3, "from 1 to 999999"),
        (HEAD + LINES[0] + "Ann_Secret\t1\tBob_Secret\t1000000\n" + LINES[2] + LINES[3], 3, "from 1 to 999999"),
        (HEAD + LINES[0] + "Ann_Secret\t1\tBob_Secret\t٣\n" + LINES[2] + LINES[3], 3, "from 1 to 999999"),
        (HEAD + LINES[0] + "Ann_Secret\t1\tAnn_Secret\t2\n" + LINES[2] + LINES[3], 3, "of one person"),
        (HEAD + "Ann_Secret\t1\t1\n" + "".join(LINES[1:]), 2, "with itself"),
        (HEAD + LINES[0] + "../Ann_Secret\t1\tBob_Secret\t1\n" + LINES[2] + LINES[3], 3, "leads out"),
        (HEAD + LINES[0] + "..\t1\tBob_Secret\t1\n" + LINES[2] + LINES[3], 3, "leads out"),
        (HEAD + LINES[0] + "/etc/Secret\t1\tBob_Secret\t1\n" + LINES[2] + LINES[3], 3, "leads out"),
        (HEAD + LINES[0] + "a\\Secret\t1\tBob_Secret\t1\n" + LINES[2] + LINES[3], 3, "leads out"),
        (HEAD + LINES[0] + "a\0Secret\t1\tBob_Secret\t1\n" + LINES[2] + LINES[3], 3, "leads out"),
        (HEAD + "Ann_Secret\t1\t9\n" + "".join(LINES[1:]), 2, "face 2: image 9 of that person is missing"),
        (HEAD + LINES[0] + "Eve_Secret\t1\tBob_Secret\t1\n" + LINES[2] + LINES[3], 3, "face 1: image 1 of that person"),
        (HEAD + LINES[0] + "x" * 300 + "Secret\t1\tBob_Secret\t1\n" + LINES[2] + LINES[3], 3, "cannot be read"),
    ],
)
def test_a_wrong_line_is_told_by_its_number_and_not_by_the_name(root: Path, text: str, line: int, said: str) -> None:
    message = refused(root, text)
    assert f"pairs.txt, line {line}" in message
    assert said in message


def test_what_is_no_list_is_told(root: Path) -> None:
    assert "empty file" in refused(root, "")
    assert "UTF-8" in refused(root, b"\xff\xfe1\x00")
    assert "16 MiB" in refused(root, b"1\n" * (8 << 20) + b"1")
    with pytest.raises(DataError, match=r"none.txt: .*No such file"):
        PairsTxt(root=root, path=root / "none.txt").open()
    with pytest.raises(DataError, match="cannot be read"):
        PairsTxt(root=root, path=root).open()
    whole = source(root, HEAD + "".join(LINES))
    with pytest.raises(DataError, match="one folder an identity"):
        PairsTxt(root=root / "none", path=whole.path).open()


def test_links_that_leave_the_folder_are_refused(root: Path) -> None:
    outside = root.parent / "Outside_Secret.jpg"
    outside.write_bytes(codec.encode(face(5, 5)))
    image = root / PEOPLE[0] / f"{PEOPLE[0]}_0001.jpg"
    image.unlink()
    image.symlink_to(outside)
    message = refused(root, HEAD + "".join(LINES))
    assert "line 2, face 1: a link that leaves the folder" in message
    image.unlink()
    image.symlink_to(f"{PEOPLE[0]}_0003.jpg")  # inside it is as good as a copy
    assert torch.equal(source(root, HEAD + "".join(LINES)).open().first[0], face(0, 3))
    image.unlink()
    image.symlink_to(image)
    assert "line 2, face 1" in refused(root, HEAD + "".join(LINES))


def test_an_image_that_is_none_a_pipe_or_unreadable_is_told_by_its_line(root: Path) -> None:
    image = root / PEOPLE[1] / f"{PEOPLE[1]}_0003.jpg"
    image.write_bytes(b"no image")
    assert "line 5, face 1: not an image" in refused(root, HEAD + "".join(LINES))
    image.unlink()
    os.mkfifo(image)
    assert "line 5, face 1: expected an image" in refused(root, HEAD + "".join(LINES))
    image.unlink()
    image.mkdir()
    assert "line 5, face 1: expected an image" in refused(root, HEAD + "".join(LINES))


def test_the_folds_of_the_list_are_kept_and_are_part_of_what_the_set_is(root: Path) -> None:
    opened = source(root, HEAD + "".join(LINES)).open()
    assert opened.fold is not None
    assert opened.fold.tolist() == [0, 0, 1, 1]
    two = source(root, HEAD + "".join(LINES)).fingerprint()
    one = source(root, "2\n" + "".join(LINES))
    assert one.open().fold is None  # of one fold no threshold can be chosen on others
    assert one.fingerprint() != two
