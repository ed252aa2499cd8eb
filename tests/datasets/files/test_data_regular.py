"""Whatever is read is a regular file of a bounded size; devices, pipes and sockets are refused without waiting."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from facebench.datasets.base import DataError
from facebench.datasets.bin import Bin
from facebench.datasets.files import safe_yaml
from facebench.datasets.files.regular import open_regular, read_regular
from facebench.datasets.folder import Folder
from facebench.datasets.pairs import PairsTxt
from facebench.datasets.recordio import RecordIO, RecordIOWriter, content_digest
from facebench.datasets.synthetic import Synthetic


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def place(path: Path) -> None:
    path.mkdir()


def plug(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


ODD = {"a pipe": pipe, "a device": device, "a folder": place, "a socket": plug}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_regular_file_is_refused_by_its_kind(tmp_path: Path, kind: str) -> None:
    ODD[kind](tmp_path / "odd")
    with pytest.raises(OSError, match=f"expected a regular file, got {kind}"):
        open_regular(tmp_path / "odd")


def test_a_file_and_a_link_to_one_are_read_up_to_their_bound(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345678")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        assert read_regular(tmp_path / name, most=8) == b"12345678"
        with pytest.raises(OSError, match="expected at most 7 bytes, got more"):
            read_regular(tmp_path / name, most=7)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")


def test_a_pipe_that_takes_the_files_place_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"1")
    state = (tmp_path / "file").stat()
    pipe(tmp_path / "pipe")
    monkeypatch.setattr(Path, "stat", lambda self, **_: state)  # as it was looked at
    with pytest.raises(OSError, match="got a pipe"):
        open_regular(tmp_path / "pipe")


def _pack(folder: Path) -> Path:
    folder.mkdir()
    with RecordIOWriter(folder, 1) as made:
        made.add(Synthetic(people=1, images=1).open().encoded(0), 0)
    return folder


def _people(folder: Path) -> Path:
    (folder / "one").mkdir(parents=True)
    return folder


READ: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a recipe": ("x.yaml", lambda root: safe_yaml.load(root / "x.yaml")),
    "pairs": ("lfw.bin", lambda root: Bin(path=root / "lfw.bin").open()),
    "a fingerprint of pairs": ("lfw.bin", lambda root: Bin(path=root / "lfw.bin").fingerprint()),
    "a list of pairs": ("pairs.txt", lambda root: PairsTxt(root=root, path=root / "pairs.txt").open()),
    "records": ("pack/train.rec", lambda root: RecordIO(root=root / "pack").open()),
    "an index": ("pack/train.idx", lambda root: RecordIO(root=root / "pack").open()),
    "a property": ("pack/property", lambda root: RecordIO(root=root / "pack").open()),
    "a digest of records": ("pack/train.rec", lambda root: content_digest(root / "pack")),
    "an image": ("people/one/a.png", lambda root: Folder(root=root / "people").open()[0]),
}


@pytest.mark.parametrize("odd", [pipe, device], ids=["a pipe", "a device"])
@pytest.mark.parametrize("kind", READ)
def test_no_reader_waits_for_a_pipe_or_reads_a_device(tmp_path: Path, kind: str, odd: Callable[[Path], None]) -> None:
    _pack(tmp_path / "pack")
    _people(tmp_path / "people")
    name, read = READ[kind]
    (tmp_path / name).unlink(missing_ok=True)
    odd(tmp_path / name)
    with pytest.raises(DataError, match=r"expected|a link that leaves the folder"):
        read(tmp_path)


@pytest.mark.parametrize("text", ['a: "x\\0y"', '"x\\0y": 1', 'a: [{b: "\\0"}]'])
def test_a_zero_byte_in_yaml_is_told_by_its_place(text: str) -> None:
    with pytest.raises(DataError, match=r"recipe, line 1, column \d+: a zero byte in a (value|key)"):
        safe_yaml.load(text, where="recipe")
