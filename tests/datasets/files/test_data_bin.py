"""Verification sets: every pickle that is one is read, nothing in any pickle is run."""

import io
import os
import pickle
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facebench.datasets import bin as bins
from facebench.datasets.base import DataError
from facebench.datasets.bin import Bin
from facebench.datasets.files import codec, pair_images, unpickle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SAME = [True, False, True]


def faces(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    tiles = torch.randint(0, 256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return list(tiles.repeat_interleave(14, 2).repeat_interleave(14, 3))


FACES = faces(6)
IMAGES = [codec.encode(face) for face in FACES]


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "lfw.bin"
    path.write_bytes(content)
    return path


def refused(folder: Path, content: bytes) -> str:
    with pytest.raises(DataError) as error:
        bins.read(saved(folder, content))
    message = str(error.value)
    assert str(folder / "lfw.bin") in message
    assert "expected" in message.lower()
    return message


def python2(images: Sequence[bytes], flags: bytes, protocol: int) -> bytes:
    """A pickle of (list of str, list) as Python 2's cPickle writes it; `flags` is the pickled second list."""
    if protocol == 2:
        body = b"\x80\x02]q\x01("
        for key, image in enumerate(images, start=2):
            short = len(image) < 256
            body += b"U" + bytes([len(image)]) if short else b"T" + struct.pack("<i", len(image))
            body += image + b"r" + struct.pack("<I", key)
        return body + b"e" + flags + b"\x86q\x00."
    body = b"((lp1\n"
    for key, image in enumerate(images, start=2):
        escaped = repr(image)[1:].encode()  # Python 3's escapes of bytes are those of Python 2's str
        body += b"S" + escaped + b"\np" + str(key).encode() + b"\na"
    return body + flags + b"tp0\n."


FLAGS_0 = b"(lp90\nI01\naI00\naI01\na"
FLAGS_2 = b"]q\x5a(\x88\x89\x88e"
# numpy.bool_ as Python 2 and numpy 1 write it: a scalar of a dtype of three arguments and a state of eight
NUMPY_0 = (
    b"(lp90\ncnumpy.core.multiarray\nscalar\np91\n(cnumpy\ndtype\np92\n(S'b1'\np93\nI0\nI1\ntp94\nRp95\n"
    b"(I3\nS'|'\np96\nNNNI-1\nI-1\nI0\ntp97\nbS'\\x01'\np98\ntp99\nRp100\na"
    b"g91\n(g95\nS'\\x00'\np101\ntp102\nRp103\nag91\n(g95\nS'\\x01'\np104\ntp105\nRp106\na"
)
NUMPY_2 = (
    b"]q\x5a(cnumpy.core.multiarray\nscalar\nq\x5bcnumpy\ndtype\nq\x5cU\x02b1q\x5dK\x00K\x01\x87q\x5eRq\x5f"
    b"(K\x03U\x01|q\x60NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x61bU\x01\x01q\x62\x86q\x63Rq\x64"
    b"h\x5bh\x5fU\x01\x00q\x65\x86q\x66Rq\x67h\x5bh\x5fU\x01\x01q\x68\x86q\x69Rq\x6ae"
)


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


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.mark}'",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_calls_a_function_runs_nothing(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    evil = Evil(mark)
    for content in (evil, (evil, [True]), ([evil, b""], [True]), ([b"", b""], [evil])):
        message = refused(tmp_path, pickle.dumps(content, protocol=protocol))
        assert "posix.system" in message or "nt.system" in message
        assert "Nothing in it was run" in message
    assert not mark.exists()
    pickle.loads(pickle.dumps(evil, protocol=protocol))  # the trap does work
    assert mark.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"(S'true'\nios\nsystem\n.", "opcode 0x69"),
        (b"(cos\nsystem\nS'true'\no.", "os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
        (b"c__builtin__\neval\n(S'1'\ntR.", "__builtin__.eval"),
        (b"cnumpy.core.multiarray\nfromfile\n.", "fromfile"),
        (b"ccopyreg\n_reconstructor\n.", "copyreg"),
        (b"c_codecs\nencode\n(V1\nVzlib_codec\ntR.", "latin-1"),
        (b"cnumpy\nndarray\n(I9\ntR.", "calls a numpy.ndarray"),
        (b"S'x'\n(tR.", "calls a bytes"),
        (b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR.", "dtype"),
        (b"c_codecs\nencode\n(I1\ntb.", "sets the state of a _codecs.encode"),
        (b"](I1\ntb.", "sets the state of a list"),
        (b"}.", "opcode 0x7d"),
        (b"P1\n.", "opcode 0x50"),
        (b"I1\nQ.", "opcode 0x51"),
        (b"\x82\x01.", "opcode 0x82"),
        (b"\x83\x01\x00.", "opcode 0x83"),
        (b"\x84\x01\x00\x00\x00.", "opcode 0x84"),
        (b"]2.", "opcode 0x32"),
        (b"\x97.", "opcode 0x97"),
        (b"\x80\x06N.", "protocol 6"),
    ],
)
def test_what_is_not_on_the_closed_list_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refused(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        b"(" * 100_000 + b"t" * 100_000 + b".",
        b")" + b"\x85" * 100_000 + b".",
        b"]" * 100_000 + b"a" * 99_999 + b".",
        b"]q\x00" + b"h\x00" + b"a.",
        pickle.dumps(([[b"", b""]], [True])),
    ],
    ids=["marks", "tuples", "lists", "a list in itself", "a list in a list"],
)
def test_deep_nesting_is_refused(tmp_path: Path, content: bytes) -> None:
    message = refused(tmp_path, content)
    assert "deep" in message or "a list in a list" in message


HUGE = 1 << 62


@pytest.mark.parametrize(
    "content",
    [
        b"\x8e" + struct.pack("<Q", HUGE) + b"x.",
        b"\x96" + struct.pack("<Q", HUGE) + b"x.",
        b"\x8d" + struct.pack("<Q", HUGE) + b"x.",
        b"B" + struct.pack("<I", 0xFFFFFFFF) + b"x.",
        b"X" + struct.pack("<I", 0xFFFFFFFF) + b"x.",
        b"T" + struct.pack("<i", -1) + b"x.",
        b"\x95" + struct.pack("<Q", HUGE) + b"N.",
        b"\x8b" + struct.pack("<i", 0x7FFFFFFF) + b"x.",
        b"\x8b" + struct.pack("<i", -1) + b"x.",
        b"L" + b"9" * 100_000 + b"L\n.",
        b"I" + b"9" * 100_000 + b"\n.",
    ],
)
def test_announced_sizes_are_checked_before_anything_is_made(tmp_path: Path, content: bytes) -> None:
    before = time.process_time()
    refused(tmp_path, content)
    assert time.process_time() - before < 0.5


def test_one_value_cannot_be_multiplied_by_name(tmp_path: Path) -> None:
    # 1 MB of text, and then again and again: encode(text), 12 bytes for a MB each
    text = b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20) + b"q\x00"
    latin, encode = b"X\x06\x00\x00\x00latin1q\x01", b"c_codecs\nencode\nq\x02"
    bomb = text + latin + encode + b"](" + b"h\x02h\x00h\x01\x86R" * 100_000 + b"e."
    assert "much larger than the whole file" in refused(tmp_path, bomb)
    raw = b"B" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20) + b"q\x00"
    bomb = raw + b"c__builtin__\nbytearray\nq\x02](" + b"h\x02h\x00\x85R" * 100_000 + b"e."
    assert "much larger than the whole file" in refused(tmp_path, bomb)


def test_memo_keys_beyond_any_count_are_refused(tmp_path: Path) -> None:
    assert "kept as number 4294967295" in refused(tmp_path, b"]r\xff\xff\xff\xff" + b"j\xff\xff\xff\xff.")
    assert "kept as number -1" in refused(tmp_path, b"]p-1\n.")


def test_too_many_steps_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickle, "MAX_STEPS", 1000)
    assert "more than 1,000 steps" in refused(tmp_path, b"N" * 2000)


def test_a_file_of_five_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.bin"
    with path.open("wb") as file:
        file.truncate(5 << 30)  # sparse
    with pytest.raises(DataError, match=r"huge.bin: .* at most 4 GiB, got more"):
        bins.read(path)


def test_pickle_that_is_cut_is_refused_wherever(tmp_path: Path) -> None:
    for protocol in (0, 2, 4, 5):
        whole = pickle.dumps(([b"ab", b"cd"] * 2, [True, False]), protocol=protocol)
        for end in range(len(whole)):
            with pytest.raises(DataError):
                unpickle.unpickle(whole[:end], where="set")
    assert "3 bytes after the pickle's end" in refused(tmp_path, whole + b"abc")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (([], []), "0 images and 0 flags"),
        ((IMAGES, [True, False]), "6 images and 2 flags"),
        ((IMAGES[:5], SAME), "5 images and 3 flags"),
        ((IMAGES, [0, 1, 2]), "flag 2"),
        ((IMAGES, [True, False, -1]), "flag 2"),
        ((IMAGES, [True, False, b"\x01"]), "flag 2"),
        ((IMAGES, np.array([0, 1, 7])), "flag 2"),
        (([*IMAGES[:5], 7], SAME), "image 5"),
        (([*IMAGES[:5], np.zeros(4, np.int64)], SAME), "image 5"),
        ((IMAGES, [True, False, None]), "nonetype in a list"),
        (([*IMAGES[:5], "text"], SAME), "a str in a list"),
        (([*IMAGES[:5], np.zeros((2, 2), np.uint8)], SAME), "one dimension"),
        ((IMAGES, np.array([True, False, None])), "nonetype in a list"),
        (
            (IMAGES, [1.0, 0.5, 0.0]),
            "flag 1: expected whether the pair is genuine, as true or false or as 1 or 0, got 0.5",
        ),
        ((IMAGES, np.array([1.0, np.nan, 0.0])), "flag 1"),
        ((IMAGES, [np.array([True, False])] * 3), "flag 0"),
        ((IMAGES, np.ones((3, 2), bool)), "a numpy array of [3, 2]"),
        (([np.zeros((112, 112, 3), np.uint8)] * 6, SAME), "a numpy array of [112, 112, 3]; expected one dimension"),
        (([[IMAGES[0]], *IMAGES[1:]], SAME), "a list among images or flags"),
        (([(image,) for image in IMAGES], SAME), "a tuple among images or flags"),
        (IMAGES, "holds a list of 6 items"),
        ((IMAGES, SAME, SAME), "holds a tuple of 3 items"),
        ((b"abc", [True]), "a bytes where images or flags are expected"),
        ({"bins": IMAGES}, "opcode"),
    ],
)
def test_what_is_no_verification_set_is_refused(tmp_path: Path, content: Any, said: str) -> None:
    assert said in refused(tmp_path, pickle.dumps(content))


def test_too_many_pairs_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    count = pair_images.MAX_PAIRS + 1
    content = pickle.dumps(([IMAGES[0]] * (2 * count), [True] * (count - 1) + [False]))
    assert "1 to 100,000 flags" in refused(tmp_path, content)


def test_an_image_that_is_none_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, pickle.dumps(([*IMAGES[:3], b"no image", *IMAGES[4:]], SAME)))
    with pytest.raises(DataError, match=r"lfw.bin: image 3 \(of pair 1\): not an image"):
        Bin(path=path).open()


def test_a_missing_file_a_folder_and_an_unreadable_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.bin: .*No such file"):
        Bin(path=tmp_path / "none.bin").open()
    with pytest.raises(DataError, match=r"none\.bin"):
        Bin(path=tmp_path / "none.bin").fingerprint()
    with pytest.raises(DataError, match=r"expected a regular file, got a (folder|pipe)"):
        bins.read(tmp_path)
    os.mkfifo(tmp_path / "pipe.bin")
    with pytest.raises(DataError, match=r"expected a regular file, got a (folder|pipe)"):
        bins.read(tmp_path / "pipe.bin")
    path = saved(tmp_path, b"N.")
    path.chmod(0)
    if not os.access(path, os.R_OK):
        with pytest.raises(DataError, match="Permission denied"):
            bins.read(path)


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


VALID = [pickle.dumps(([b"ab", b"cd" * 200] * 2, [True, False]), protocol=protocol) for protocol in range(6)]
VALID += [python2([b"ab", b"cd"] * 3, FLAGS_0, 0), python2([b"ab", b"cd"] * 3, NUMPY_2, 2)]
VALID += [pickle.dumps((np.zeros(2, np.uint8), np.ones(1, bool)), protocol=protocol) for protocol in (2, 5)]
FUZZ = settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@FUZZ
@given(content=st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(content: bytes) -> None:
    with pytest.raises(DataError):
        unpickle.unpickle(content, where="set")


@FUZZ
@given(data=st.data())
def test_damaged_sets_raise_nothing_else(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(VALID)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        size = data.draw(st.integers(0, 3))
        content[at : at + size] = data.draw(st.binary(max_size=3))
        if not content:
            return
    try:
        images, flags = unpickle.unpickle(bytes(content), where="set")
    except DataError:
        return
    assert len(images) + len(flags) < len(content)


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
