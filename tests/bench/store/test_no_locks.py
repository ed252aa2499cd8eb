"""A file system that keeps no locks: told with its place and a way out, and nothing is made without them."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest
from facebench.bench.cli.main import UNUSABLE, main
from facebench.bench.store.store import Store, StoreError
from facebench.reports.result import files
from facebench.reports.result.locks import locked
from facebench.reports.tracking.mirror import TrackingError, mirror
from filelock import Timeout
from made_up import record

CODES = [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS]


@pytest.fixture(params=CODES, ids=errno.errorcode.get)
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: Any, how: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(files, "flock", refuse)


@pytest.mark.usefixtures("no_locks")
def test_a_store_says_where_and_what_to_do_and_makes_nothing(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    made: list[Path] = []
    with pytest.raises(StoreError) as told:
        Store(tmp_path / "runs").stage("fit", {}, made.append)
    says = str(told.value)
    assert str(tmp_path / "runs") in says
    assert "keeps no locks" in says
    assert "--store names another" in says
    assert not made
    assert not list(recwarn)
    assert not [path for path in (tmp_path / "runs" / "stages" / "fit").iterdir() if path.suffix != ".lock"]


@pytest.mark.usefixtures("no_locks")
def test_a_release_and_a_mirror_say_so_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert main(["privatize", "synthetic", out, "--method", "pixelate", "--set", "dataset.people=8", "-q"]) == UNUSABLE
    assert "keeps no locks" in capsys.readouterr().err
    with pytest.raises(OSError) as told, locked(tmp_path / "a.lock", timeout=0):
        pass
    assert told.value.errno in CODES
    made = record()
    path = files_written(tmp_path, made)
    with pytest.raises(TrackingError, match=r"keeps no locks .*; the record is safe at"):
        mirror(made, uri=f"sqlite:///{tmp_path / 'm.db'}", record_path=path)


@pytest.mark.usefixtures("no_locks")
def test_a_record_is_written_all_the_same(tmp_path: Path) -> None:
    files.replace(tmp_path / "a.json", b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_lock_keeps_others_out_and_tells_who_waits(tmp_path: Path) -> None:
    told: list[str] = []
    with locked(tmp_path / "a.lock"):
        with pytest.raises(Timeout), locked(tmp_path / "a.lock", timeout=0):
            pass
        with pytest.raises(Timeout), locked(tmp_path / "a.lock", timeout=0.05, busy=lambda: told.append("waits")):
            pass
    assert told == ["waits"]
    with locked(tmp_path / "a.lock", timeout=0):
        pass


def files_written(folder: Path, made: Any) -> Path:
    path = folder / f"{made.name}.json"
    path.write_text(made.model_dump_json())
    return path
