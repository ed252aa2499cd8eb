"""Stages exist whole or not at all, whatever happens while they are made."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from facebench.bench.store.store import Store, StoreError


def _write(text: str, calls: list[str] | None = None):
    def make(out: Path) -> None:
        if calls is not None:
            calls.append(text)
        (out / "value.txt").write_text(text)

    return make


def test_a_stage_is_made_once_and_then_looked_up(tmp_path: Path) -> None:
    calls: list[str] = []
    first = Store(tmp_path).stage("fit", {"seed": 1}, _write("a", calls))
    second = Store(tmp_path).stage("fit", {"seed": 1}, _write("b", calls))
    assert calls == ["a"]
    assert (first.cached, second.cached) == (False, True)
    assert second.path == first.path
    assert second.seconds == first.seconds
    assert (second.path / "value.txt").read_text() == "a"


def test_other_inputs_give_another_stage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.stage("fit", {"seed": 1}, _write("a")).key != store.stage("fit", {"seed": 2}, _write("a")).key
    assert store.stage("fit", {"seed": 1}, _write("a")).key != store.stage("train", {"seed": 1}, _write("a")).key


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(out: Path) -> None:
        (out / "half").write_text("half")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        Store(tmp_path).stage("fit", {}, fail)
    assert [p for p in (tmp_path / "stages" / "fit").iterdir() if p.suffix != ".lock"] == []
    assert not Store(tmp_path).has("fit", {})


def test_force_makes_a_stage_again_once(tmp_path: Path) -> None:
    Store(tmp_path).stage("verify/lfw", {}, _write("old"))
    store = Store(tmp_path, force=frozenset({"verify"}))
    assert not store.has("verify/lfw", {})
    assert (store.stage("verify/lfw", {}, _write("new")).path / "value.txt").read_text() == "new"
    assert store.stage("verify/lfw", {}, _write("newer")).cached


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: (path / "value.txt").write_text("A"),
        lambda path: (path / "value.txt").write_text("much longer"),
        lambda path: (path / "value.txt").unlink(),
        lambda path: (path / "extra.txt").write_text("x"),
        lambda path: (path / "stage.json").write_text("{"),
        lambda path: (path / "stage.json").write_text("[]"),
    ],
    ids=["content", "size", "missing", "added", "broken trace", "another trace"],
)
def test_a_stage_that_was_tampered_with_is_refused_and_told(tmp_path: Path, harm) -> None:
    path = Store(tmp_path).stage("fit", {}, _write("a")).path
    time.sleep(0.01)
    harm(path)
    with pytest.raises(StoreError, match=r"stage fit in .*--force fit"):
        Store(tmp_path).stage("fit", {}, _write("b"))
    again = Store(tmp_path, force=frozenset({"fit"})).stage("fit", {}, _write("b"))
    assert (again.path / "value.txt").read_text() == "b"


def test_a_copied_store_is_good_though_its_time_stamps_differ(tmp_path: Path) -> None:
    path = Store(tmp_path).stage("fit", {}, _write("a")).path
    os.utime(path / "value.txt", ns=(1, 1))
    assert Store(tmp_path).stage("fit", {}, _write("b")).cached


def _child(script: str, *args: object, **more) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, args)], stdout=subprocess.PIPE, text=True, **more
    )


_SLOW = """
    import sys, time
    from pathlib import Path
    from facebench.bench.store.store import Store

    def make(out):
        (out / "value.txt").write_text(sys.argv[2])
        print("making", flush=True)
        time.sleep(float(sys.argv[3]))

    stage = Store(Path(sys.argv[1]), waiting=lambda name: print("waiting", flush=True)).stage("fit", {}, make)
    print("cached" if stage.cached else "made", (stage.path / "value.txt").read_text())
"""


def test_a_killed_run_blocks_nobody_and_its_remains_are_removed(tmp_path: Path) -> None:
    killed = _child(_SLOW, tmp_path, "a", 60)
    assert killed.stdout.readline() == "making\n"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    folder = tmp_path / "stages" / "fit"
    assert list(folder.glob("*.part")) or list(folder.glob(".*.part"))
    assert (Store(tmp_path).stage("fit", {}, _write("b")).path / "value.txt").read_text() == "b"
    assert not list(folder.glob(".*.part"))


def test_two_runs_at_once_make_a_stage_once(tmp_path: Path) -> None:
    first = _child(_SLOW, tmp_path, "a", 1)
    assert first.stdout.readline() == "making\n"
    second = _child(_SLOW, tmp_path, "b", 1)
    assert second.stdout.readline() == "waiting\n"
    assert first.communicate()[0] == "made a\n"
    assert second.communicate()[0] == "cached a\n"


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    script = """
        import resource, signal, sys
        from pathlib import Path
        from facebench.bench.store.store import Store, StoreError

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))  # writing beyond fails as on a full disk
        try:
            Store(Path(sys.argv[1])).stage("release", {}, lambda out: (out / "big").write_bytes(bytes(100_000)))
        except StoreError as error:
            print(error)
    """
    out = _child(script, tmp_path).communicate()[0]
    assert "the disk is full" in out
    assert "--store" in out
    assert [p for p in (tmp_path / "stages" / "release").iterdir() if p.suffix != ".lock"] == []


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match=r"cannot be written .*--store"):
        Store(tmp_path / "file").stage("fit", {}, _write("a"))


def test_the_trace_holds_inputs_and_digests(tmp_path: Path) -> None:
    stage = Store(tmp_path).stage("fit", {"seed": 1}, _write("a"))
    trace = json.loads((stage.path / "stage.json").read_text())
    assert trace["inputs"] == {"seed": 1}
    assert trace["files"]["value.txt"][0] == 1
    assert trace["files"]["value.txt"][2].startswith("ca978112")  # SHA-256 of "a"


def test_scratch_outlives_a_failure_and_goes_when_the_stage_is_whole_or_forced(tmp_path: Path) -> None:
    store = Store(tmp_path)
    scratch = store.scratch("fit", {"a": 1})

    def fails(out: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / "step").write_text("7")
        raise ValueError("killed")

    for _ in range(2):
        with pytest.raises(ValueError, match="killed"):
            store.stage("fit", {"a": 1}, fails)
        assert (scratch / "step").read_text() == "7"
    assert store.scratch("fit", {"a": 2}) != scratch
    with pytest.raises(FileNotFoundError):
        Store(tmp_path, force=frozenset({"fit"})).stage("fit", {"a": 1}, lambda out: (scratch / "step").unlink())
    with pytest.raises(ValueError, match="killed"):
        store.stage("fit", {"a": 1}, fails)
    store.stage("fit", {"a": 1}, lambda out: (out / "x").touch())
    assert not scratch.exists()


def test_a_stage_tells_the_seconds_it_took(tmp_path: Path) -> None:
    made = Store(tmp_path).stage("fit", {}, lambda out: time.sleep(0.2))
    assert 0.2 <= made.seconds < 5
    quick = Store(tmp_path).stage("release", {}, lambda out: None)
    assert quick.seconds < 0.2


def test_a_folder_that_cannot_be_listed_is_no_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a stage would be kept whose trace knows none of its files."""
    scan = os.scandir

    def refuse(path: object = ".") -> object:
        if str(path).endswith(".part"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        with pytest.raises(StoreError, match=r"cannot be written \(Permission denied: .*\.part\)"):
            Store(tmp_path).stage("fit", {}, _write("a"))
    assert not Store(tmp_path).has("fit", {})
    path = Store(tmp_path).stage("fit", {}, _write("a")).path
    monkeypatch.setattr(os, "scandir", lambda path=".": refuse(f"{path}.part"))
    with pytest.raises(StoreError, match=r"cannot be read \(Permission denied\); look at the disk and your rights"):
        Store(tmp_path).stage("fit", {}, _write("a"))
    monkeypatch.undo()
    assert Store(tmp_path).stage("fit", {}, _write("b")).path == path


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EMFILE])
def test_a_disk_that_fails_in_another_way_is_told_with_its_place(code: int, tmp_path: Path) -> None:
    def fail(out: Path) -> None:
        raise OSError(code, os.strerror(code))

    with pytest.raises(StoreError, match=rf"{tmp_path}.*could not be read or written \({os.strerror(code)}\)"):
        Store(tmp_path).stage("fit", {}, fail)


def test_a_folder_is_made_anew_whole_or_not_at_all(tmp_path: Path) -> None:
    store, path = Store(tmp_path), tmp_path / "figures" / "run"
    with store.anew(path) as out:
        _write("old")(out)
        assert not path.exists()
    with pytest.raises(RuntimeError, match="no"), store.anew(path) as out:
        _write("half")(out)
        raise RuntimeError("no")
    assert (path / "value.txt").read_text() == "old"
    (path.parent / ".run.left.part").mkdir()
    with store.anew(path) as out:
        (out / "other.txt").touch()
    assert [p.name for p in path.iterdir()] == ["other.txt"]
    assert not list(path.parent.glob(".*.part"))


def test_what_a_killed_write_left_beside_a_file_is_removed_and_what_is_being_written_stays(tmp_path: Path) -> None:
    from fcntl import LOCK_EX, flock

    from facebench.reports.result.files import replace

    left, busy, other = (tmp_path / name for name in (".a.json.1.part", ".a.json.2.part", ".b.json.3.part"))
    for path in (left, busy, other):
        path.touch()
    with busy.open("rb") as file:
        flock(file, LOCK_EX)
        replace(tmp_path / "a.json", b"{}")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", busy.name, other.name}
