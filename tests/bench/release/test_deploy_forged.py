"""Shards that a command did not make are never joined, however plausible their index is."""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facebench.bench.cli.main import main
from facebench.datasets.recordio import RecordIO, RecordIOWriter
from facebench.datasets.synthetic import Synthetic
from numpy.typing import NDArray

PEOPLE, IMAGES, SIZE = 4, 3, 6
Index = dict[str, NDArray[Any]]


class Made:
    """A private set of two shards, before they are joined."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.out, self.shards, self._capsys = root / "out", root / ".out.shards", capsys
        faces = Synthetic(people=PEOPLE, images=IMAGES).open()
        self._originals = root / "pack"
        self._originals.mkdir()
        with RecordIOWriter(self._originals, PEOPLE) as pack:
            for row in range(len(faces)):
                pack.add(faces.encoded(row), int(faces.labels[row]))
        assert self("--shards", "1/2") == 0
        assert self("--shards", "2/2") == 0

    def __call__(self, *more: str) -> int:
        command = ["privatize", str(self._originals), str(self.out), "--method", "pixelate", "--device", "cpu", "-q"]
        return main([*command, "--workers", "1", "--shard-size", str(SIZE), *more])

    def index(self) -> Index:
        with np.load(self.shards / "000001.npz") as kept:
            return dict(kept)

    def forge(self, index: Index) -> None:
        np.savez(self.shards / "000001.npz", **index)

    def refuses(self) -> str:
        self._capsys.readouterr()
        assert self() == 2
        assert not self.out.exists()
        said = self._capsys.readouterr().err
        assert "please report" not in said
        assert "delete" in said
        return said


@pytest.fixture
def made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Made:
    return Made(tmp_path, capsys)


def _swapped(index: Index, name: str) -> Index:
    return {**index, name: index[name][::-1].copy()}


FORGED: dict[str, tuple[Callable[[Index], Index], str]] = {
    "other people": (lambda i: _swapped(i, "identity"), "face 0: expected identity"),
    "other originals": (lambda i: _swapped(i, "source"), "face 0: expected source"),
    "originals that are not there": (lambda i: {**i, "source": i["source"] + 10**6}, "face 0: expected source"),
    "no originals": (lambda i: {**i, "source": np.full(SIZE, -1)}, "expected source"),
    "labels out of range": (lambda i: {**i, "identity": i["identity"] - 100}, "expected identity"),
    "labels of another kind": (lambda i: {**i, "identity": i["identity"].astype(float)}, "expected identity as i8 [6]"),
    "labels as text": (lambda i: {**i, "identity": i["identity"].astype(str)}, "expected identity as i8"),
    "labels in two dimensions": (lambda i: {**i, "identity": i["identity"][:, None]}, "got int64 [6, 1]"),
    "sizes below zero": (lambda i: {**i, "size": _moved(i["size"])}, "expected images of 1 to"),
    "sizes of another sum": (lambda i: {**i, "size": i["size"] + 1}, "not what its index says"),
    "fewer faces": (lambda i: {k: v[:-1] if v.ndim else v for k, v in i.items()}, "expected identity as i8 [6]"),
    "more faces": (lambda i: {k: np.append(v, v[:1], 0) if v.ndim else v for k, v in i.items()}, "got int64 [7]"),
    "short digests": (lambda i: {**i, "digest": i["digest"][:, :16]}, "expected digest as u1 [6, 32]"),
    "digests of another kind": (lambda i: {**i, "digest": i["digest"].view("i1")}, "expected digest as u1"),
    "other digests": (lambda i: {**i, "digest": i["digest"] ^ 1}, "it was changed after it was made"),
    "no digests": (lambda i: {k: v for k, v in i.items() if k != "digest"}, "cannot be read"),
    "a number": (lambda i: {**i, "size": np.array(7)}, "expected size as i8 [6], got int64 []"),
    "megabytes": (lambda i: {**i, "identity": np.zeros(10**6, np.int64)}, "identity.npy of 8,000,128 bytes, for 6"),
}  # fmt: skip


def _moved(size: NDArray[Any]) -> NDArray[Any]:
    """Sizes of which one is below zero, with the same sum."""
    moved = size.copy()
    moved[0], moved[1] = -1, moved[1] + moved[0] + 1
    return moved


@pytest.mark.parametrize("kind", FORGED)
def test_an_index_that_the_job_does_not_imply_is_refused(made: Made, kind: str) -> None:
    forge, says = FORGED[kind]
    made.forge(forge(made.index()))
    assert says in made.refuses()


def _npz(**members: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return whole.getvalue()


HUGE = (
    b"\x93NUMPY\x01\x00v\x00"
    + b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117)
    + b"\n"
)


@pytest.mark.parametrize("content", [
    b"", b"PK", b"not an archive", b"\x93NUMPY", _npz(), _npz(key=HUGE),
    _npz(key=b"\x93NUMPY\x01\x00\x04\x00{}\n "), _npz(key=bytes(10**7)),
])  # fmt: skip
def test_a_damaged_index_is_told_and_says_what_to_do(made: Made, content: bytes) -> None:
    (made.shards / "000001.npz").write_bytes(content)
    said = made.refuses()
    assert "000001.npz: cannot be read" in said


def test_an_index_cut_or_changed_anywhere_is_never_an_error_of_ours(made: Made) -> None:
    path = made.shards / "000001.npz"
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        changed = bytearray(whole)
        for _ in range(3):
            changed[rng.integers(len(changed))] = rng.integers(256)
        path.write_bytes(changed[: rng.integers(len(changed))] if rng.random() < 0.3 else changed)
        if made() == 0:  # a byte that says nothing, such as a date in the archive
            assert len(RecordIO(root=made.out).open()) == PEOPLE * IMAGES
            shutil.rmtree(made.out)
            assert (made("--shards", "1/2"), made("--shards", "2/2")) == (0, 0)
        assert not made.out.exists()
        assert "please report" not in made._capsys.readouterr().err


def test_images_that_are_none_are_refused_though_their_digests_fit(made: Made) -> None:
    index = made.index()
    fake = [b"no image %d" % row for row in range(SIZE)]
    index["size"] = np.array([len(image) for image in fake])
    index["digest"] = np.array([list(hashlib.sha256(image).digest()) for image in fake], np.uint8)
    (made.shards / "000001.images").write_bytes(b"".join(fake))
    made.forge(index)
    assert "000001.images: at byte " in (said := made.refuses())
    assert "expected a face as methods make them" in said


def test_a_forged_note_of_damaged_images_is_not_believed(made: Made) -> None:
    scan = made.shards / "scan.json"
    noted = scan.read_text()
    for damaged in ("[1e400]", "[99]", "[-1]", "[" * 100_000, "[1" + "0" * 30 + "]"):
        scan.write_text(noted.replace("[]", damaged))
        assert made("--shards", "1/2") == 0, damaged
        assert scan.read_text() == noted


def test_an_honest_set_is_joined(made: Made) -> None:
    assert made() == 0
    assert len(RecordIO(root=made.out).open()) == PEOPLE * IMAGES
