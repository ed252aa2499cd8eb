"""Digests beside the data: what was changed since they were written is refused, by number and not by name."""

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from facebench.bench.cli.main import main
from facebench.datasets import bin as bins
from facebench.datasets.base import DataError, FaceSource
from facebench.datasets.bin import Bin
from facebench.datasets.catalog.convert import to_folder
from facebench.datasets.folder import Folder
from facebench.datasets.recordio import RecordIO
from facebench.datasets.synthetic import Synthetic
from handmade_packs import FACES, insightface_records, plain_records, record, store

PERSON = "Ada_Lovelace"


def written(folder: Path, seed: int = 0) -> Path:
    """A folder of three people, whose names are not to be told."""
    for person, label in ((PERSON, 0), ("Blaise_Pascal", 1), ("Carl_Gauss", 2)):
        (folder / person).mkdir(parents=True)
        for number in range(2):
            (folder / person / f"{person}_{number}.png").write_bytes(FACES[2 * label + number])
    return folder


def changed(path: Path, at: int, bit: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(bytes(data))


def refusal(source: FaceSource) -> str:
    with pytest.raises(DataError) as caught:
        faces = source.open()
        for face in range(len(faces)):
            faces.encoded(face)
    return str(caught.value)


@pytest.mark.parametrize("records", [insightface_records, plain_records])
def test_a_pack_with_digests_is_read_as_before(tmp_path: Path, records: Callable[[], list[bytes]]) -> None:
    source = RecordIO(root=store(tmp_path, records()))
    before, labels = [source.open().encoded(face) for face in range(6)], source.open().labels.tolist()
    print_ = source.fingerprint()
    assert source.write_sums() == tmp_path / "train.sums"
    faces = pickle.loads(pickle.dumps(source.open()))
    assert [faces.encoded(face) for face in range(6)] == before and faces.labels.tolist() == labels
    assert faces[5].identity == 2 and source.fingerprint() == print_


def test_every_byte_of_a_record_counts(tmp_path: Path) -> None:
    source = RecordIO(root=store(tmp_path, insightface_records()))
    source.write_sums()
    first, length = len(insightface_records()[0]), len(insightface_records()[1])
    for at in (*range(first + 12, first + 32), *range(first + 32, first + length, 97)):
        changed(tmp_path / "train.rec", at)
        assert refusal(source)
        changed(tmp_path / "train.rec", at)
    assert source.open()[0].identity == 0


def test_a_label_that_was_changed_is_refused_when_the_pack_is_opened(tmp_path: Path) -> None:
    source = RecordIO(root=store(tmp_path, insightface_records()))
    source.write_sums()
    at = sum(map(len, insightface_records()[:3])) + 12
    data = bytearray((tmp_path / "train.rec").read_bytes())
    assert struct.unpack_from("<f", data, at) == (1.0,)
    data[at : at + 4] = struct.pack("<f", 2.0)
    (tmp_path / "train.rec").write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"train\.rec: record 3: expected the bytes whose digest train\.sums holds"):
        source.open()


def test_a_changed_image_is_told_by_its_record_and_found_by_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = RecordIO(root=store(tmp_path, plain_records()))
    source.write_sums()
    changed(tmp_path / "train.rec", sum(map(len, plain_records()[:4])) + 100)
    assert "record 4 (face 4): expected the bytes whose digest train.sums holds" in refusal(source)
    assert main(["data", "verify", str(tmp_path), "-q"]) == 1
    assert "undecodable images: 1" in capsys.readouterr().out


def test_records_that_were_lost_and_people_that_were_added_are_refused(tmp_path: Path) -> None:
    source = RecordIO(root=store(tmp_path, plain_records()))
    source.write_sums()
    store(tmp_path, plain_records()[:-1])
    assert "the digests of 5 records, as many as there are, got 6" in refusal(source)
    store(tmp_path, plain_records(), about="4,112,112")
    assert "property: expected the number of identities whose digest" in refusal(source)


@pytest.mark.parametrize("what", ["cut", "longer", "flipped", "text", "empty", "header"])
def test_damaged_digests_are_told_as_such(tmp_path: Path, what: str) -> None:
    source = RecordIO(root=store(tmp_path, plain_records()))
    path = source.write_sums()
    assert path is not None
    data = path.read_bytes()
    path.write_bytes({
        "cut": data[:-1], "longer": data + b"\0", "flipped": data[:-1] + bytes([data[-1] ^ 1]), "text": b"hello" * 999,
        "empty": b"", "header": data.replace(b'"sums":1', b'"sums":2'),
    }[what])  # fmt: skip
    assert "train.sums" in refusal(source) and "delete it and write it anew" in refusal(source)


def test_a_folder_is_told_by_numbers_alone(tmp_path: Path) -> None:
    source = Folder(root=written(tmp_path / "people"))
    assert source.write_sums() == tmp_path / "people" / "faces.sums"
    assert PERSON.encode() not in (tmp_path / "people" / "faces.sums").read_bytes()
    assert len(source.open()) == 6
    changed(tmp_path / "people" / PERSON / f"{PERSON}_1.png", 60)
    message = refusal(source)
    assert "identity 0, image 1 (face 1): expected the bytes whose digest faces.sums holds" in message
    assert "Ada" not in message and "Lovelace" not in message


def test_images_that_went_to_another_person_are_refused(tmp_path: Path) -> None:
    source = Folder(root=written(tmp_path / "people"))
    source.write_sums()
    (tmp_path / "people" / PERSON / f"{PERSON}_1.png").rename(tmp_path / "people" / "Blaise_Pascal" / "0.png")
    assert "as many images of each identity" in refusal(source)
    (tmp_path / "people" / "Blaise_Pascal" / "Blaise_Pascal_1.png").rename(tmp_path / "people" / PERSON / "x.png")
    assert "identity 0, image 1" in refusal(source)


def test_a_verification_set_is_compared_image_by_image_and_flag_by_flag(tmp_path: Path) -> None:
    path = tmp_path / "lfw.bin"
    bins.write(path, FACES[:4], [True, False])
    source = Bin(path=path)
    assert source.write_sums() == tmp_path / "lfw.bin.sums"
    assert source.open().same.tolist() == [True, False]
    bins.write(path, FACES[:4], [False, True])
    with pytest.raises(DataError, match="expected the flags whose digest"):
        source.open()
    bins.write(path, [FACES[0], FACES[5], *FACES[2:4]], [True, False])
    with pytest.raises(DataError, match=r"image 1 \(of pair 0\): expected the bytes"):
        source.open()


def test_the_command_writes_once_and_only_of_good_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = store(tmp_path / "pack", insightface_records())
    bins.write(root / "lfw.bin", FACES[:4], [True, False])
    command = ["data", "verify", str(root), "-q", "--write-sums"]
    assert main([*command, "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sums"] == [str(root / "train.sums"), str(root / "lfw.bin.sums")] and told["sound"]
    kept = (root / "train.sums").read_bytes()
    assert main(command) == 2
    assert "train.sums: expected no digests yet, got a file" in capsys.readouterr().err
    assert (root / "train.sums").read_bytes() == kept

    (root / "train.sums").unlink()
    store(root, [record(0, 0, 0, image=b"no image"), *plain_records()[1:]])
    assert main(command) == 2
    assert "expected data that are good" in capsys.readouterr().err and not (root / "train.sums").exists()


def test_the_check_tells_of_verification_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = store(tmp_path, plain_records())
    bins.write(root / "lfw.bin", FACES[:4], [True, False])
    assert main(["data", "verify", str(root), "-q"]) == 0
    assert "lfw: 2 pairs, 1 genuine and 1 impostor: good" in capsys.readouterr().out
    (root / "lfw.bin").write_bytes((root / "lfw.bin").read_bytes()[:-9])
    assert main(["data", "verify", str(root), "-q"]) == 1
    assert "lfw: NOT good: " in capsys.readouterr().out


def test_drawn_faces_have_no_digests() -> None:
    assert Synthetic(people=4, images=2).write_sums() is None


def test_a_folder_made_of_a_pack_with_digests_has_none_yet(tmp_path: Path) -> None:
    source = RecordIO(root=store(tmp_path / "pack", plain_records()))
    source.write_sums()
    to_folder(source.open(), tmp_path / "folder")
    assert not (tmp_path / "folder" / "faces.sums").exists()
    assert np.array_equal(Folder(root=tmp_path / "folder").open().labels, source.open().labels)
