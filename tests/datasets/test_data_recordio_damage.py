"""Packs that are damaged: each is refused with what, where, expected, got and what to do."""

import struct
from pathlib import Path

import pytest
import torch
from facebench.datasets.base import DataError
from facebench.datasets.files.codec import decode
from facebench.datasets.recordio import RecordIO
from handmade_packs import FACES, LABELS, MAGIC, insightface_records, plain_records, record, store

WHERE = "train.rec: record"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    root: Path = store(tmp_path / "pack", insightface_records())
    return root


def refused(root: Path, match: str) -> str:
    with pytest.raises(DataError, match=match) as caught:
        RecordIO(root=root).open()
    return str(caught.value)


def test_a_truncated_pack(good: Path) -> None:
    data = (good / "train.rec").read_bytes()
    for size in (0, 3, 32, 41, 400, len(data) // 2 // 4 * 4, len(data) - 40, len(data) - 4, len(data) - 1):
        (good / "train.rec").write_bytes(data[:size])
        message = refused(good, "train")
        assert "copy or download it again" in message or "delete it" in message
    (good / "train.idx").unlink()
    for size in (40, 400, len(data) // 2 // 4 * 4, len(data) - 40, len(data) - 4):
        (good / "train.rec").write_bytes(data[:size])
        refused(good, "again")


def test_a_flipped_bit_of_the_structure_never_gives_another_face(good: Path) -> None:
    """Every bit of magic number, length and flag; the two that only move the padding may pass."""
    data = (good / "train.rec").read_bytes()
    offsets = [int(line.split()[1]) for line in (good / "train.idx").read_text().splitlines()]
    passed = 0
    for record_number, bits in ((0, 64), (3, 96), (8, 64)):
        for bit in range(bits):
            broken = bytearray(data)
            broken[offsets[record_number] + bit // 8] ^= 1 << bit % 8
            (good / "train.rec").write_bytes(broken)
            try:
                faces = RecordIO(root=good).open()
                assert torch.equal(faces[2].image, decode(FACES[2], where="x"))
                assert faces.labels.tolist() == list(LABELS)
                passed += 1
            except DataError as error:
                assert "train.rec" in str(error)
    assert passed <= 2


@pytest.mark.parametrize(
    ("index", "match"),
    [
        ("", "train.idx: expected lines"),
        (" \n", "train.idx: expected lines"),
        ("0\t0\n1\tabc\n", "could not convert string 'abc'"),
        ("0\t0\n1\t40.5\n", "could not convert string '40.5'"),
        ("0\t0\n1\n", "number of columns changed"),
        ("0\t0\t5\n", "1 lines of 3 numbers"),
        ("0\t0\n1\t99999999999999999999999\n", "could not convert"),
        ("0\t0\n1\t900000000\n", r"line 2: .* lie within .* got record 1 at 900000000 after 0"),
        ("0\t40\n", "line 1: expected offsets that begin with 0"),
        ("0\t0\n1\t-40\n", "line 2: .*at -40"),
        ("0\t0\n1\t40\n2\t40\n", "line 3: .*at 40 after 40"),
        ("0\t0\n1\t400\n2\t40\n", "line 3: .*at 40 after 400"),
        ("0\t0\n1\t42\n", "line 2: .*multiples of 4"),
        ("-1\t0\n", "line 1"),
        ("0\t0\n0\t40\n", "got one twice"),
        ("0\t0\n1\t44\n", f"{WHERE} 1: the record at byte 44 .* magic number"),
        ("0\t0\n", f"{WHERE} 0: .*does not end where the next one begins"),
        ("\0\1\2\n", "train.idx: expected lines"),
        ("0\t0\n" * 100_000, "larger than train.rec"),
    ],
)
def test_a_damaged_index(good: Path, index: str, match: str) -> None:
    (good / "train.idx").write_text(index)
    message = refused(good, match)
    assert "delete it" in message


def test_an_index_that_misses_the_last_records(good: Path) -> None:
    lines = (good / "train.idx").read_text().splitlines(keepends=True)
    for kept in range(1, len(lines)):
        (good / "train.idx").write_text("".join(lines[:kept]))
        refused(good, "does not end where the next one begins")


@pytest.mark.parametrize(
    ("about", "match"),
    [
        ("", "expected one line"),
        ("three,112,112", "expected one line `identities,112,112`, got 'three,112,112'"),
        ("3,112", "expected one line"),
        ("-3,112,112", "expected one line"),
        ("0,112,112", "expected one line"),
        ("3.5,112,112", "expected one line"),
        ("99999999999,112,112", "expected one line"),
        ("3,250,250", "expected faces of 112x112 pixels, got 250x250"),
        ("2,112,112", "from 0 to 1|do not fit"),
        ("4,112,112", "record 0 and `property` do not fit"),
    ],
)
def test_a_wrong_property(good: Path, about: str, match: str) -> None:
    (good / "property").write_text(about)
    refused(good, match)


@pytest.mark.parametrize("name", ["property", "train.rec"])
def test_a_missing_file_is_named(good: Path, name: str) -> None:
    (good / name).unlink()
    for read in (RecordIO(root=good).open, RecordIO(root=good).fingerprint):
        with pytest.raises(DataError, match=f"{name}: cannot be read .No such file"):
            read()


@pytest.mark.parametrize("label", [-1.0, float("nan"), float("inf"), 0.5, 3.0, 1e30])
@pytest.mark.parametrize("listed", [False, True])
def test_a_label_that_is_nobodys(tmp_path: Path, label: float, listed: bool) -> None:
    records = plain_records()
    records[3] = record(1, 0, 3, (label,), FACES[3]) if listed else record(0, label, 3, image=FACES[3])
    message = refused(store(tmp_path / "p", records), f"{WHERE} 3: expected a whole label from 0 to 2")
    assert f"got {label:g}" in message


def test_counts_of_record_0_that_do_not_fit(tmp_path: Path) -> None:
    for wrong in ((8.0, 11.0), (7.0, 10.5), (float("nan"), 10.0), (7.0, 11.0)):
        records = insightface_records()
        records[0] = record(2, 0, 0, wrong)
        refused(store(tmp_path / "p", records), "record 0 and `property` do not fit the other records")
    refused(store(tmp_path / "p", insightface_records()[:-1]), "2 identity records")


def test_absurd_lengths_and_empty_packs(tmp_path: Path) -> None:
    records = plain_records()
    records[2] = record(2**31, 0, 2, image=FACES[2])
    refused(store(tmp_path / "p", records), f"{WHERE} 2: .*is shorter than its own header says")
    records[2] = struct.pack("<II", MAGIC, 2**29 - 1) + records[2][8:]
    refused(store(tmp_path / "p", records), f"{WHERE} 2: .*does not end where the next one begins")
    records[2] = struct.pack("<II", MAGIC, 8) + bytes(8)
    refused(store(tmp_path / "p", records), "again")
    refused(store(tmp_path / "p", [record(2, 0, 0, (1.0, 4.0))]), "expected faces, got none|do not fit")
    for part in (1, 2, 3, 5):
        records[2] = struct.pack("<II", MAGIC, part << 29 | 40) + bytes(40)
        refused(store(tmp_path / "p", records), f"{WHERE} 2: a record in parts that do not fit")


def test_an_undecodable_image_is_told_by_its_record(tmp_path: Path) -> None:
    records = insightface_records()
    records[4] = record(0, 2, 4, image=b"no image")
    faces = RecordIO(root=store(tmp_path / "p", records)).open()
    with pytest.raises(DataError, match=rf"{WHERE} 4 \(face 3\): not an image"):
        faces[3]
    assert faces[4].identity == 2
