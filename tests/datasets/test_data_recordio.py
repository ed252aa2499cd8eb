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
from facebench.datasets.files.codec import decode
from facebench.datasets.files.mxnet_pack import Pack
from facebench.datasets.files.mxnet_record import pack
from facebench.datasets.recordio import RecordIO, RecordIOWriter, content_digest
from handmade_packs import FACES, LABELS, MAGIC, insightface_records, plain_records, record, store


@pytest.fixture
def good(tmp_path: Path) -> Path:
    root: Path = store(tmp_path / "pack", insightface_records())
    return root


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
