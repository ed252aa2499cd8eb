"""Verification sets: every pickle that is one is read, nothing in any pickle is run."""

import io
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bin_files import FACES, FLAGS_0, FLAGS_2, IMAGES, NUMPY_0, NUMPY_2, SAME, python2, saved
from facebench.datasets import bin as bins
from facebench.datasets.base import DataError
from facebench.datasets.bin import Bin
from facebench.datasets.files import codec, unpickle


@pytest.mark.parametrize("protocol", range(6))
def test_a_written_set_is_read_back_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "set.bin"
    bins.write(path, IMAGES, SAME, protocol=protocol)
    with path.open("rb") as file:  # other readers of the format read it, too
        assert pickle.load(file) == (IMAGES, SAME)
    pairs = Bin(path=path).open()
    assert pairs.first.shape == pairs.second.shape == (3, 3, 112, 112)
    assert pairs.first.dtype == torch.uint8
    assert torch.equal(pairs.first, torch.stack(FACES[0::2]))
    assert torch.equal(pairs.second, torch.stack(FACES[1::2]))
    assert pairs.same.dtype == np.bool_
    assert pairs.same.tolist() == SAME
    assert [file.name for file in tmp_path.iterdir()] == ["set.bin"]


KINDS_OF_IMAGES: dict[str, Any] = {
    "bytes": IMAGES,
    "bytearray": [bytearray(image) for image in IMAGES],
    "read-only uint8": [np.frombuffer(image, np.uint8) for image in IMAGES],
    "uint8": [np.frombuffer(image, np.uint8).copy() for image in IMAGES],
    "int8": [np.frombuffer(image, np.int8) for image in IMAGES],
    "columns": [np.frombuffer(image, np.uint8).reshape(-1, 1) for image in IMAGES],
    "rows": [np.frombuffer(image, np.uint8)[None].copy() for image in IMAGES],
    "tuple": tuple(IMAGES),
    "array of bytes": np.array(IMAGES),
    "array of objects": np.array(IMAGES, dtype=object),
    "column of objects": np.array(IMAGES, dtype=object)[:, None],
    "numpy.bytes_": [np.bytes_(image) for image in IMAGES],
    "arrays of one": [np.array(image) for image in IMAGES],
}
KINDS_OF_FLAGS: dict[str, Any] = {
    "bool": SAME,
    "int": [1, 0, 1],
    "float": [1.0, 0.0, 1.0],
    "tuple": tuple(SAME),
    "numpy.bool_": [np.bool_(flag) for flag in SAME],
    "numpy.int64": [np.int64(1), np.int64(0), np.int64(1)],
    "numpy.float32": [np.float32(1), np.float32(0), np.float32(1)],
    "bool array": np.array(SAME),
    "int array": np.array([1, 0, 1]),
    "big-endian array": np.array([1, 0, 1], ">i4"),
    "uint8 array": np.array([1, 0, 1], np.uint8),
    "float array": np.array([1.0, 0.0, 1.0]),
    "column": np.array([[1.0], [0.0], [1.0]], np.float32),
    "array of objects": np.array(SAME, dtype=object),
    "arrays of one": [np.array([flag]) for flag in SAME],
    "0-d arrays": [np.array(flag) for flag in SAME],
}
KINDS = [(images, "bool") for images in KINDS_OF_IMAGES] + [("bytes", flags) for flags in KINDS_OF_FLAGS]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(("images", "same"), [*KINDS, ("columns", "column"), ("uint8", "numpy.bool_")])
def test_whatever_python_3_and_numpy_write_is_read(tmp_path: Path, images: str, same: str, protocol: int) -> None:
    content = pickle.dumps((KINDS_OF_IMAGES[images], KINDS_OF_FLAGS[same]), protocol=protocol)
    read, flags = bins.read(saved(tmp_path, content))
    assert read == IMAGES
    assert flags.tolist() == SAME
    old = content.replace(b"numpy._core", b"numpy.core")  # as numpy 1 writes it; lengths of names are not kept
    if protocol < 4:
        read, flags = bins.read(saved(tmp_path, old))
        assert (read, flags.tolist()) == (IMAGES, SAME)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("make", [
    list, tuple, lambda both: both, lambda both: [tuple(both[0]), np.array(both[1])],
    lambda both: ([*both[0]], tuple(both[1])), lambda both: (tuple(both[0]), tuple(both[1])),
], ids=["list", "tuple", "array of objects", "list of others", "tuple in it", "tuples"])  # fmt: skip
@pytest.mark.parametrize("count", [2, 3, 20])
def test_the_two_parts_may_stand_in_any_sequence(tmp_path: Path, make: Any, protocol: int, count: int) -> None:
    images, same = (IMAGES * 7)[: 2 * count], ([True, False] * 10)[:count]
    whole = np.empty(2, object)
    whole[:] = [images, same]
    read, flags = bins.read(saved(tmp_path, pickle.dumps(make(whole), protocol=protocol)))
    assert (read, flags.tolist()) == (images, same)


def test_an_empty_image_is_read_as_such_and_named_when_decoded(tmp_path: Path) -> None:
    for protocol in range(6):
        path = saved(tmp_path, pickle.dumps(([*IMAGES[:5], b""], SAME), protocol=protocol))
        assert bins.read(path)[0][5] == b""
        with pytest.raises(DataError, match=r"lfw.bin: image 5 \(of pair 2\)"):
            Bin(path=path).open()


@pytest.mark.parametrize("flags", [FLAGS_0, NUMPY_0], ids=["bool", "numpy.bool_"])
def test_python_2_protocol_0_is_read(tmp_path: Path, flags: bytes) -> None:
    images = [*IMAGES[:4], b"it's \\ \n\r\t\0\xff", b"'\""]
    read, same = bins.read(saved(tmp_path, python2(images, flags, 0)))
    assert read == images
    assert same.tolist() == SAME


@pytest.mark.parametrize("flags", [FLAGS_2, NUMPY_2], ids=["bool", "numpy.bool_"])
def test_python_2_protocol_2_is_read(tmp_path: Path, flags: bytes) -> None:
    images = [*IMAGES[:5], b"short \xff"]  # SHORT_BINSTRING; the others are BINSTRING
    content = python2(images, flags, 2)
    assert pickle.loads(content, encoding="bytes")[0] == images  # the hand-made bytes are a pickle
    read, same = bins.read(saved(tmp_path, content))
    assert read == images
    assert same.tolist() == SAME


def test_an_image_of_several_pairs_is_the_same_in_each(tmp_path: Path) -> None:
    shared = [IMAGES[0], IMAGES[1], IMAGES[0], IMAGES[2]]
    pairs = Bin(path=saved(tmp_path, pickle.dumps((shared, [True, False])))).open()
    assert torch.equal(pairs.first, torch.stack([FACES[0], FACES[0]]))
    assert torch.equal(pairs.second, torch.stack([FACES[1], FACES[2]]))


def test_the_fingerprint_follows_content_and_not_place(tmp_path: Path) -> None:
    one, two = tmp_path / "one.bin", tmp_path / "two.bin"
    bins.write(one, IMAGES, SAME)
    bins.write(two, IMAGES, SAME)
    assert Bin(path=one).fingerprint() == Bin(path=two).fingerprint() != Bin(path=one, resize=True).fingerprint()
    bins.write(two, IMAGES, [True, False, False])
    assert Bin(path=one).fingerprint() != Bin(path=two).fingerprint()


def test_a_set_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "set.bin"
    bins.write(path, IMAGES, SAME)
    before = path.read_bytes()
    with pytest.raises(DataError, match="6 images and 2 flags"):
        bins.write(path, IMAGES, [True, False])
    with pytest.raises(DataError, match="0 to 5"):
        bins.write(path, IMAGES, SAME, protocol=6)
    with pytest.raises(DataError, match="cannot be written"):
        bins.write(tmp_path / "none" / "set.bin", IMAGES, SAME)
    (tmp_path / "folder.bin").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        bins.write(tmp_path / "folder.bin", IMAGES, SAME)
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder.bin", "set.bin"]


def test_reading_takes_no_longer_than_pickle_by_much() -> None:
    images = [bytes(3000 + index % 7) for index in range(4000)]
    content = pickle.dumps((images, [True, False] * 1000))
    start = time.process_time()
    unpickle.unpickle(content, where="set")
    ours = time.process_time() - start
    start = time.process_time()
    pickle._Unpickler(io.BytesIO(content)).load()  # the one in Python
    assert ours < 10 * (time.process_time() - start) + 0.1


@pytest.mark.realdata
def test_a_real_set_of_arrays_of_columns_opens(data_root: Path) -> None:
    path = next(iter(sorted(data_root.rglob("small_lfw.bin"))), None)
    if path is None:
        pytest.skip(f"no small_lfw.bin below {data_root}")
    opened = Bin(path=path).open()
    assert len(opened.same) and opened.first.shape == (len(opened.same), 3, 112, 112)


@pytest.mark.realdata
@pytest.mark.parametrize(("folder", "pairs"), [("faces_lfw_112x112", 1800), ("faces_celeba_112x112", 6000)])
def test_real_sets_of_both_protocols_open(data_root: Path, folder: str, pairs: int) -> None:
    path = data_root / folder / "lfw.bin"
    if not path.is_file():
        pytest.skip(f"no {path}")
    opened = Bin(path=path).open()
    assert opened.first.shape == opened.second.shape == (pairs, 3, 112, 112)
    assert opened.same.sum() * 2 == pairs
    with path.open("rb") as file:  # trusted here: it is ours
        images, same = pickle.load(file)
    assert opened.same.tolist() == [bool(flag) for flag in same]
    assert torch.equal(opened.second[-1], codec.decode(images[-1], where="the last"))
