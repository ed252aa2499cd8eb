"""`bench data verify`: the verification sets beside the faces, and one set alone."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from facebench.bench.cli.main import main
from facebench.datasets.bin import write
from facebench.datasets.catalog.check_pairs import one_kind
from facebench.datasets.recordio import RecordIOWriter
from facebench.datasets.synthetic import Synthetic

MADE = Synthetic(people=4, images=5).open()
IMAGES = [MADE.encoded(row) for row in range(20)]
MIXED = [True, False] * 20


def pairs(count: int = 40) -> list[bytes]:
    return [IMAGES[row % 20] for row in range(2 * count)]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    folder.mkdir()
    with RecordIOWriter(folder, 4) as made:
        for row, image in enumerate(IMAGES):
            made.add(image, int(MADE.labels[row]))
    return folder


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(code: int, *args: object) -> str:
        capsys.readouterr()
        assert main(["data", "verify", *map(str, args), "-q"]) == code
        said = capsys.readouterr()
        return said.out + said.err

    return run


def test_every_set_beside_the_faces_is_opened_and_counted(pack: Path, verify: Callable[..., str]) -> None:
    write(pack / "agedb_30.bin", pairs(), MIXED)
    write(pack / "lfw.bin", pairs(), [True] * 10 + MIXED[:30])
    assert verify(0, pack).splitlines() == [
        "20 images of 4 people: good",
        "agedb_30: 40 pairs, 20 genuine and 20 impostor: good",
        "lfw: 40 pairs, 25 genuine and 15 impostor: good",
        "  folds that hold one kind of pair only: 1, 2 of 10; the usual accuracy expects both kinds in every tenth of "
        "the pairs: bring them into another order",
    ]
    said = json.loads(verify(0, pack, "--format", "json"))
    assert [(found["name"], found["genuine"], found["one_kind"]) for found in said["pairs"]] == [
        ("agedb_30", 20, []),
        ("lfw", 25, [1, 2]),
    ]


def test_faces_without_a_set_say_so(pack: Path, verify: Callable[..., str]) -> None:
    assert "no verification set beside the faces" in verify(0, pack)


@pytest.mark.parametrize(("content", "says"), [
    (pickle.dumps((pairs()[:-1], MIXED)), "got 79 images and 40 flags"),
    (b"cos\nsystem\n(S'true'\ntR.", "the pickle asks for 'os.system'"),
    (pickle.dumps((pairs(), MIXED))[:-100], "a complete pickle"),
    (b"", "the file ends too early"),
])  # fmt: skip
def test_a_set_that_cannot_be_read_spoils_the_verdict_and_no_other_set(
    pack: Path, verify: Callable[..., str], content: bytes, says: str
) -> None:
    (pack / "bad.bin").write_bytes(content)
    write(pack / "good.bin", pairs(), MIXED)
    said = verify(1, pack)
    assert "20 images of 4 people: good" in said
    assert "bad: NOT good: " in said
    assert says in said
    assert "good: 40 pairs, 20 genuine and 20 impostor: good" in said
    assert says in verify(2, pack / "bad.bin")


@pytest.mark.parametrize("genuine", [True, False])
def test_a_set_of_one_kind_of_pair_is_read_and_called_no_good(
    pack: Path, verify: Callable[..., str], genuine: bool
) -> None:
    write(pack / "lfw.bin", pairs(), [genuine] * 40)
    for said in (verify(1, pack), verify(1, pack / "lfw.bin")):
        assert f"got 40 pairs that are all {'genuine' if genuine else 'impostor'}; accuracy needs both" in said


def test_images_that_are_none_are_counted_and_named(pack: Path, verify: Callable[..., str]) -> None:
    images = pairs()
    images[3], images[10] = b"no image", images[10][:200]
    write(pack / "lfw.bin", images, MIXED)
    said = verify(1, pack)
    assert "lfw: 40 pairs, 20 genuine and 20 impostor: NOT good" in said
    assert "undecodable images: 2;" in said
    assert "lfw.bin: image 3 (of pair 1): not an image that can be read" in said
    assert "lfw.bin: image 10 (of pair 5): expected a whole image" in said
    assert json.loads(verify(1, pack, "--format", "json"))["sound"] is False


def test_an_image_of_many_pairs_counts_in_each(tmp_path: Path, verify: Callable[..., str]) -> None:
    bad = b"no image"
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps(([bad] * 4 + pairs()[4:], MIXED)))
    assert "undecodable images: 4;" in verify(1, tmp_path / "lfw.bin")


def test_a_single_file_is_verified_alone(tmp_path: Path, verify: Callable[..., str]) -> None:
    write(tmp_path / "my set.bin", pairs(), MIXED)
    assert verify(0, tmp_path / "my set.bin") == "my set: 40 pairs, 20 genuine and 20 impostor: good\n"
    assert json.loads(verify(0, tmp_path / "my set.bin", "--format", "json"))["pairs"][0]["pairs"] == 40
    assert "cannot be read (No such file" in verify(2, tmp_path / "none.bin")
    os.mkfifo(tmp_path / "pipe.bin")
    assert "expected a regular file, got a pipe" in verify(2, tmp_path / "pipe.bin")


def test_folds_of_one_kind_are_told_by_their_number() -> None:
    assert one_kind(np.array([True] * 10 + [False] * 10)) == tuple(range(1, 11))
    assert one_kind(np.array([True, False] * 10)) == ()
    assert one_kind(np.array([True, False] * 9 + [True, True])) == (10,)
    assert one_kind(np.array([True, False])) == (1, 2)  # eight folds are empty
