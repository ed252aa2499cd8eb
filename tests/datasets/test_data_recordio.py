"""Packs: read as MXNet writes them, written as InsightFace writes them, and refused when they are damaged."""

import filecmp
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facebench.datasets.base import DataError
from facebench.datasets.codec import decode, encode
from facebench.datasets.pack import Pack
from facebench.datasets.recordformat import pack
from facebench.datasets.recordio import RecordIO, RecordIOWriter, content_digest

MAGIC = 0xCED7230A
LABELS = (0, 0, 1, 2, 2, 2)
WHERE = "train.rec: record"


def face(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    image: bytes = encode(torch.from_numpy(np.repeat(rng.integers(0, 256, (3, 112, 1), dtype=np.uint8), 112, axis=2)))
    return image


FACES = tuple(face(seed) for seed in range(len(LABELS)))


def record(flag: int, label: float, number: int, values: tuple[float, ...] = (), image: bytes = b"") -> bytes:
    """One record as MXNet's `recordio.pack` and dmlc-core's writer lay it out, by hand."""
    payload = struct.pack("<IfQQ", flag, label, number, 0) + struct.pack(f"<{len(values)}f", *values) + image
    return struct.pack("<II", MAGIC, len(payload)) + payload + b"\0" * (-len(payload) % 4)


def store(folder: Path, records: list[bytes], about: str = "3,112,112") -> Path:
    folder.mkdir(exist_ok=True)
    offsets = np.cumsum([0, *map(len, records)]).tolist()
    (folder / "train.rec").write_bytes(b"".join(records))
    (folder / "train.idx").write_text("".join(f"{n}\t{at}\n" for n, at in enumerate(offsets[:-1])))
    (folder / "property").write_text(about)
    return folder


def insightface_records() -> list[bytes]:
    count = len(LABELS)
    ranges = [(1.0, 3.0), (3.0, 4.0), (4.0, 7.0)]
    return [
        record(2, 0, 0, (count + 1.0, count + 4.0)),
        *(record(0, label, n, image=FACES[n - 1]) for n, label in enumerate(LABELS, 1)),
        *(record(2, 0, count + 1 + person, pair) for person, pair in enumerate(ranges)),
    ]


def plain_records() -> list[bytes]:
    return [record(0, label, n, image=FACES[n]) for n, label in enumerate(LABELS)]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return store(tmp_path / "pack", insightface_records())


def refused(root: Path, match: str) -> str:
    with pytest.raises(DataError, match=match) as caught:
        RecordIO(root=root).open()
    return str(caught.value)


def test_a_pack_as_insightface_lays_it_out(good: Path) -> None:
    faces = RecordIO(root=good).open()
    assert (len(faces), faces.identities, list(faces.names)) == (6, 3, ["0", "1", "2"])
    assert faces.labels.tolist() == list(LABELS) and faces.labels.dtype == np.int64
    for index in range(6):
        assert faces.encoded(index) == FACES[index]
        image, label = faces[index]
        assert torch.equal(image, decode(FACES[index], where="x")) and label == LABELS[index]
    assert [faces.encoded(-1), faces.encoded(-6)] == [FACES[5], FACES[0]]
    with pytest.raises(IndexError):
        faces[6]


def test_a_pack_of_faces_alone(tmp_path: Path) -> None:
    faces = RecordIO(root=store(tmp_path / "p", plain_records())).open()
    assert [faces.encoded(n) for n in range(6)] == list(FACES) and faces.labels.tolist() == list(LABELS)


def test_labels_in_a_list_behind_the_header_count_by_their_first(tmp_path: Path) -> None:
    listed = [record(2, 9, n, (label, 77.5), FACES[n]) for n, label in enumerate(LABELS)]
    faces = RecordIO(root=store(tmp_path / "p", listed)).open()
    assert faces.labels.tolist() == list(LABELS) and faces.encoded(4) == FACES[4]


@pytest.mark.parametrize("records", [insightface_records, plain_records])
def test_without_an_index_the_same_faces_are_found(tmp_path: Path, records: Callable[[], list[bytes]]) -> None:
    root = store(tmp_path / "p", records())
    with_index = RecordIO(root=root).open()
    (root / "train.idx").unlink()
    without = RecordIO(root=root).open()
    assert without.labels.tolist() == with_index.labels.tolist()
    assert [without.encoded(n) for n in range(6)] == list(FACES)


def dmlc(payload: bytes) -> bytes:
    """dmlc-core's RecordIOWriter::WriteRecord, line by line."""
    out, done = b"", 0
    for at in range(0, len(payload) // 4 * 4, 4):
        if payload[at : at + 4] == struct.pack("<I", MAGIC):
            out += struct.pack("<II", MAGIC, ((2 if done else 1) << 29) | (at - done)) + payload[done:at]
            done = at + 4
    rest = payload[done:]
    return out + struct.pack("<II", MAGIC, ((3 if done else 0) << 29) | len(rest)) + rest + bytes(-len(rest) % 4)


@pytest.mark.parametrize("hits", [(), (24,), (24, 28), (0,), (40, 44, 52), (41,), (42, 61), (25, 28), (56,)])
def test_the_magic_number_inside_an_image_is_split_and_joined_as_dmlc_does(
    tmp_path: Path, hits: tuple[int, ...]
) -> None:
    """Alone (0), in the first place (24 is the first byte of the image), twice in a row, and unaligned."""
    payload = bytearray(record(0, 1, 7, image=bytes(range(60, 100)))[8:])
    for at in hits:
        payload[at : at + 4] = struct.pack("<I", MAGIC)
    assert pack(bytes(payload)) == dmlc(bytes(payload))
    if 0 in hits:
        return  # as a flag this is no image record
    for index in (True, False):
        root = store(tmp_path / "p", [plain_records()[0], pack(bytes(payload)), plain_records()[5]])
        if not index:
            (root / "train.idx").unlink()
        faces = RecordIO(root=root).open()
        assert faces.labels.tolist() == [0, 1, 2]
        assert faces.encoded(1) == bytes(payload[24:]) and faces.encoded(2) == FACES[5]


def test_a_split_record_with_a_list_of_labels(tmp_path: Path) -> None:
    payload = struct.pack("<IfQQ2f", 2, 0, 0, 0, 1.0, 5.0) + b"abcd" + struct.pack("<I", MAGIC) + b"efg"
    faces = RecordIO(root=store(tmp_path / "p", [pack(payload)])).open()
    assert faces.labels.tolist() == [1] and faces.encoded(0) == payload[32:]


def test_people_cut_a_pack_and_are_numbered_anew(good: Path) -> None:
    faces = RecordIO(root=good, people=(1, 3)).open()
    assert (faces.identities, faces.labels.tolist(), list(faces.names)) == (2, [0, 1, 1, 1], ["1", "2"])
    assert faces.encoded(0) == FACES[2] and faces[3].identity == 1
    for wrong in ((2, 2), (-1, 2), (0, 4)):
        with pytest.raises(DataError, match=r"half-open range of identities within \[0, 3\]"):
            RecordIO(root=good, people=wrong).open()


def test_faces_survive_pickling_and_notice_a_pack_that_changed(good: Path) -> None:
    stored = pickle.dumps(RecordIO(root=good).open())
    copy = pickle.loads(stored)
    assert [copy.encoded(n) for n in range(6)] == list(FACES) and copy[5].identity == 2
    store(good, plain_records())
    with pytest.raises(DataError, match="leave the pack as it is"):
        pickle.loads(stored)


def test_one_identity_with_one_image_is_a_pack(tmp_path: Path) -> None:
    with RecordIOWriter(tmp_path, 1) as writer:
        writer.add(FACES[0], 0)
    faces = RecordIO(root=tmp_path).open()
    assert (len(faces), faces.identities, list(faces.names), faces[0].identity) == (1, 1, ["0"], 0)


def test_the_fingerprint_follows_content_and_not_the_place(good: Path, tmp_path: Path) -> None:
    source = RecordIO(root=good)
    first = source.fingerprint()
    moved = store(tmp_path / "elsewhere", insightface_records())
    assert RecordIO(root=moved).fingerprint() == first == source.fingerprint()
    assert RecordIO(root=good, people=(0, 2)).fingerprint() != first
    data = bytearray((moved / "train.rec").read_bytes())
    data[300] ^= 1
    (moved / "train.rec").write_bytes(data)
    assert RecordIO(root=moved).fingerprint() != first
    assert content_digest(good) != content_digest(store(moved, insightface_records(), "4,112,112"))


def test_the_writer_writes_what_insightface_writes(good: Path, tmp_path: Path) -> None:
    with RecordIOWriter(tmp_path, 3) as writer:
        for image, label in zip(FACES, LABELS, strict=True):
            writer.add(image, label)
    assert writer.images == 6
    for name in ("train.rec", "train.idx", "property"):
        assert (tmp_path / name).read_bytes() == (good / name).read_bytes()


def test_people_without_a_face_keep_their_labels(tmp_path: Path) -> None:
    with RecordIOWriter(tmp_path, 5) as writer:
        writer.add(FACES[0], 1)
        writer.add(FACES[1], 3)
    faces = RecordIO(root=tmp_path).open()
    assert (faces.identities, faces.labels.tolist()) == (5, [1, 3])


def test_the_writer_refuses_what_cannot_be_read_back(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match="ascending order, so one from 1 to 2, got 0; sort"),
        RecordIOWriter(tmp_path, 3) as writer,
    ):
        writer.add(FACES[0], 1)
        writer.add(FACES[0], 0)
    (again := tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="got 3"), RecordIOWriter(again, 3) as writer:
        writer.add(FACES[0], 3)
    (again := tmp_path / "c").mkdir()
    with pytest.raises(DataError, match="at least one face, got none"), RecordIOWriter(again, 3):
        pass
    (again := tmp_path / "d").mkdir()
    with pytest.raises(DataError, match="expected 1 to"), RecordIOWriter(again, 3) as writer:
        writer.add(b"", 0)
    with pytest.raises(DataError, match="cannot be written"):
        RecordIOWriter(tmp_path / "missing", 3).__enter__()
    with pytest.raises(DataError, match="identities, got 0"):
        RecordIOWriter(again, 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("name", ["train.rec", "train.idx"])
def test_a_full_disk_is_told_when_writing(tmp_path: Path, name: str) -> None:
    writer: Any = RecordIOWriter(tmp_path, 1)
    full = Path("/dev/full")
    create = writer._create
    writer._create = lambda wanted: writer._files.enter_context(full.open("wb")) if wanted == name else create(wanted)
    with pytest.raises(DataError, match=r"No space left on device.*free space"), writer:
        for _ in range(400):
            writer.add(FACES[0], 0)


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


def test_it_is_a_frozen_closed_description(good: Path) -> None:
    source: Any = RecordIO(root=good)
    with pytest.raises(ValueError, match="frozen"):
        source.root = good
    with pytest.raises(ValueError, match="Extra inputs"):
        RecordIO.model_validate({"root": good, "roots": good})


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["faces_lfw_112x112", "faces_celeba_112x112"])
def test_a_pack_of_mxnet_written_anew_is_equal_byte_for_byte(data_root: Path, tmp_path: Path, name: str) -> None:
    root = data_root / name
    if not root.is_dir():
        pytest.skip(f"no {root}")
    faces = Pack(root)
    with RecordIOWriter(tmp_path, faces.identities) as writer:
        for index, label in enumerate(faces.labels.tolist()):
            writer.add(faces.encoded(index), label)
    for part in ("train.rec", "train.idx", "property"):
        assert filecmp.cmp(root / part, tmp_path / part, shallow=False)
    assert faces[len(faces) - 1].image.float().std() > 10
