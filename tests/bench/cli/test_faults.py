"""Faults of the input and of the machine are told as such; "please report it" is for errors of ours."""

from __future__ import annotations

import errno
import importlib
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import facebench
import pytest
import torch
from facebench.bench.audit import audit
from facebench.bench.audit.recompute import from_store
from facebench.bench.cli import privatize
from facebench.bench.cli.main import main
from facebench.bench.recognition.recognizer import Recognizer
from facebench.bench.store.out_of_memory import OutOfMemory, lacks_memory, of_stage
from facebench.bench.store.store import Store, StoreError
from facebench.bench.store.system_errors import explained
from facebench.methods.base import Method
from facebench.reports.result import record as results
from made_up import record
from pydantic import BaseModel, ValidationError


def _folders() -> list[str]:
    root = Path(facebench.__file__).parent
    names = [path.relative_to(root).with_suffix("") for path in root.glob("*/**/*.py")]
    kept = ("bench", "datasets", "methods", "reports", "facemae")
    return sorted(".".join(("facebench", *name.parts)) for name in names if name.parts[0] in kept)


MODELS = [
    member
    for name in _folders()
    if "__main__" not in name
    for member in vars(importlib.import_module(name)).values()
    if isinstance(member, type) and issubclass(member, BaseModel) and member.__module__ == name
]


def test_no_model_takes_a_number_that_is_none() -> None:
    assert len(MODELS) > 40
    assert [model.__name__ for model in MODELS if model.model_config.get("allow_inf_nan") is not False] == []


PLUGINS = ("distillation", "restore", "consistency", "memorisation", "membership", "tar", "synthetic")
RECIPES = [
    model
    for model in MODELS
    if issubclass(model, Method | Recognizer) or model.__module__.rpartition(".")[2] in PLUGINS
]


@pytest.mark.parametrize("model", RECIPES, ids=lambda model: model.__name__)
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 10**60, -(10**60)])
def test_no_parameter_takes_an_absurd_number(model: type[BaseModel], value: float) -> None:
    numbers = [name for name, field in model.model_fields.items() if _is_number(field.annotation) and name != "seed"]
    for name in numbers:
        with pytest.raises(ValidationError, match=name):
            model.model_validate({name: value})


def _is_number(annotation: Any) -> bool:
    return annotation in (int, float, int | None, float | None)


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str]:
    capsys.readouterr()
    code = main([str(arg) for arg in args])
    said = capsys.readouterr()
    return code, said.err + said.out


@pytest.mark.parametrize("setting", [
    "recognizer.lr=.inf", "recognizer.lr=.nan", "recognizer.lr=1e300", "recognizer.steps=" + "9" * 60,
    "recognizer.scale=.inf", "roles.P=.nan", "method.relation_weight=.inf", "synthetic.people=.inf",
    'attack.embedder="a\\0b"', 'dataset="a\\0b"', 'methods="a\\0b"', 'people_of={lfw: "\\0"}', 'groups.table="\\0"',
    'dataset="\\ud800"',
])  # fmt: skip
def test_numbers_and_paths_that_are_none_are_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    code, said = run(capsys, "run", "--dry-run", "--store", tmp_path / "runs", "--set", setting)
    assert code == 2, said
    assert said.startswith("error: ")
    assert "please report" not in said


@pytest.mark.parametrize("options", [
    ["run", "--dry-run", "--dataset", "a\0b"], ["run", "--dry-run", "--store", "a\0b"],
    ["privatize", "synthetic", "a\0b", "--method", "noise"], ["privatize", "a\0b", "out", "--method", "noise"],
    ["privatize", "synthetic", "out", "--method", "noise", "--record", "a\0b"],
    ["privatize", "synthetic", "out", "--method", "noise", "--fitted", "a\0b"],
    ["report", "--store", "a\0b"], ["report", "--out", "a\0b"], ["check", "--baseline", "a\0b"],
    ["data", "verify", "a\0b"], ["data", "convert", "a\0b", "out", "--to", "folder"],
    ["data", "list", "--data", "a\0b"],
])  # fmt: skip
def test_a_zero_byte_in_an_option_is_refused(capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    code, said = run(capsys, *options)
    assert (code, said) == (2, "error: an option holds a zero byte, which no path and no name can hold; "
                               "write it without\n")  # fmt: skip


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize("where", ["attack.embedder", "judges", "groups", "experiment", "recipe", "record", "baseline",
                                   "fitted", "people", "key"])  # fmt: skip
def test_nothing_that_is_no_file_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, where: str
) -> None:
    odd = tmp_path / "odd.yaml"
    if kind == "pipe":
        os.mkfifo(odd)
    elif kind == "device":
        odd.symlink_to("/dev/zero")
    else:
        odd.mkdir()
    dry = ["run", "--dry-run", "--store", str(tmp_path / "runs")]
    declared = "attack.preprocessing=arcface"
    privatize = ["privatize", "synthetic", str(tmp_path / "out"), "--set", "synthetic.people=2", "--method"]
    options = {
        "attack.embedder": [*dry, "--set", f"attack.embedder={odd}", declared],
        "judges": [*dry, "--set", f"judges=[{{embedder: {odd}, preprocessing: arcface}}]", "attacks=[ensemble]"],
        "groups": [*dry, "--groups", str(odd)],
        "experiment": [*dry, "--experiment", str(odd)],
        "recipe": [*dry, "--recipe", str(odd)],
        "record": [*privatize, "noise", "--record", str(odd)],
        "baseline": ["check", "--baseline", str(odd)],
        "fitted": [*privatize, "facemae", "--fitted", str(odd)],
        "key": [*privatize, "noise", "--key", str(odd)],
        "people": [*dry, "--set", f"people_of={{lfw: {odd}}}"],
    }[where]
    code, said = run(capsys, *options)
    assert code == 2, said
    assert said.startswith("error: ")


@pytest.mark.parametrize(("error", "lacks"), [
    (MemoryError(), True),
    (RuntimeError("[enforce fail at alloc_cpu.cpp:117] data. DefaultCPUAllocator: can't allocate memory: you tried to "
                  "allocate 4000000000000 bytes. Error code 12"), True),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."), True),
    (RuntimeError("std::bad_alloc"), True),
    (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    (ValueError("out of memory"), False),
])  # fmt: skip
def test_a_stage_that_lacks_memory_says_which_and_what_to_set_smaller(
    tmp_path: Path, error: Exception, lacks: bool
) -> None:
    def make(out: Path) -> None:
        raise error

    assert lacks_memory(error) is lacks
    with pytest.raises(Exception) as met:
        Store(tmp_path).stage("train", {}, make)
    if lacks:
        assert type(met.value) is OutOfMemory
        assert str(met.value).startswith("stage train: not enough memory")
        assert "--set recognizer.batch=N" in str(met.value)
        assert not list((tmp_path / "stages" / "train").glob("*.part"))
    else:
        assert met.value is error
    assert "--set judge.batch=N" in _told("judge-2", MemoryError())
    assert "known_faces" in _told("attack/parrot", MemoryError())


def _told(stage: str, error: Exception) -> str:
    with pytest.raises(OutOfMemory) as met, of_stage(stage):
        raise error
    return str(met.value)


def test_torchs_own_error_is_one_of_them() -> None:
    with pytest.raises(RuntimeError) as met:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert lacks_memory(met.value)


@pytest.mark.parametrize(("error", "code", "says"), [
    (MemoryError(), 2, "not enough memory (MemoryError); set smaller: --workers N"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2, "not enough memory"),
    (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 2, "/x/y: the disk is full (No space left on device; "),
    (OSError(errno.ENOSPC, "No space left on device"), 2, "that of the store, or of temporary files ("),
    (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), 2, "TMPDIR=FOLDER before the"),
    (OSError(errno.EROFS, "Read-only file system", "/x"), 2, "/x: Read-only file system; the disk can only be read"),
    (PermissionError(errno.EACCES, "Permission denied", "/x"), 2, "/x: Permission denied; give yourself the right"),
    (OSError(errno.EMFILE, "Too many open files"), 2, "Too many open files; allow more open files"),
    (OSError("a library's own words"), 2, "a library's own words"),
    (ValueError("embedded null byte"), 2, "a zero byte"),
    (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), 2, "half a character"),
    (KeyError("x"), 3, "please report it"),
])  # fmt: skip
def test_what_ends_a_command_is_told_without_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    error: Exception, code: int, says: str,
) -> None:  # fmt: skip
    def do(args: object) -> int:
        raise error

    monkeypatch.setattr(privatize, "do", do)
    ended, said = run(capsys, "privatize", "synthetic", tmp_path / "out")
    assert ended == code
    assert says in said
    assert "[Errno" not in said


def _disk(**values: int) -> Any:
    return lambda path: SimpleNamespace(**{"f_bavail": 13_000, "f_frsize": 4096, "f_files": 65_536, "f_favail": 9,
                                           **values})  # fmt: skip


def test_a_disk_without_room_for_files_is_told_from_a_full_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "a" / "b"))
    monkeypatch.setattr(os, "statvfs", _disk(f_favail=0))
    said = explained(full)
    assert "can hold no more files (no inodes are left of 65,536, though 53 MB are free)" in said
    assert "the disk is full" not in said

    def make(out: Path) -> None:
        raise full

    with pytest.raises(StoreError, match=r"stage train in .*: the disk can hold no more files"):
        Store(tmp_path).stage("train", {}, make)
    monkeypatch.setattr(os, "statvfs", _disk())
    assert "the disk is full (No space left on device; 53 MB free)" in explained(full)
    monkeypatch.setattr(os, "statvfs", _disk(f_files=0, f_favail=0))  # btrfs counts none
    assert "the disk is full" in explained(full)
    assert "your share of the disk is used up" in explained(OSError(errno.EDQUOT, "Disk quota exceeded", "/x"))


def test_one_bad_record_spoils_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(3):
        results.write(record("noise", seed=seed), tmp_path / "records")
    names = sorted(path.stem for path in (tmp_path / "records").glob("*.json"))
    honest = from_store

    def failing(made: Any, store: Store) -> Any:
        if made.name == names[1]:
            raise KeyError("nobody foresaw this")
        return honest(made, store)

    monkeypatch.setattr(audit, "from_store", failing)
    code, said = run(capsys, "verify", "--store", tmp_path, "--format", "json")
    assert code == 1
    found = {verdict["name"]: verdict["findings"] for verdict in json.loads(said)}
    assert list(found) == names
    assert found[names[1]] == ["cannot be checked: KeyError: 'nobody foresaw this'"]
    assert not any("cannot be checked" in finding for name in (names[0], names[2]) for finding in found[name])
