"""Verification sets that are none, or hostile: nothing in any pickle is run, and what is wrong is told."""

import os
import pickle
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bin_files import FLAGS_0, IMAGES, NUMPY_2, SAME, python2, refused, saved
from facebench.datasets import bin as bins
from facebench.datasets.base import DataError
from facebench.datasets.bin import Bin
from facebench.datasets.files import pair_images, unpickle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


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
