"""Peaks of memory, of a piece of work and of the stages of a run."""

import json
import mmap
import sys
from pathlib import Path

import pytest
from facebench.bench.cli.main import main
from facebench.bench.store import memory
from facebench.bench.store.store import Store, StoreError
from facebench.reports.result import record as results

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
BLOCK = 300


def hold() -> None:
    """Take 300 MiB, and let go of them, whatever the allocator does with what is freed."""
    with mmap.mmap(-1, BLOCK << 20) as block:
        for page in range(0, BLOCK << 20, mmap.PAGESIZE):
            block[page] = 1


@LINUX
def test_each_piece_of_work_has_a_peak_of_its_own() -> None:
    told = memory.watch()
    hold()
    much = told()
    told = memory.watch()
    little = told()
    assert much is not None
    assert little is not None
    assert BLOCK * 0.95 < much - little < BLOCK * 1.2


def test_what_the_system_does_not_tell_is_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_RESET", tmp_path / "none" / "clear_refs")
    assert memory.watch()() is None
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    assert memory.peak() is None
    (tmp_path / "status").write_text("VmPeak: 3 kB\n")
    assert memory.peak() is None
    stage = Store(tmp_path / "s").stage("fit", {}, lambda out: None)
    assert stage.peak_mib is None


@LINUX
def test_a_stage_keeps_what_it_took(tmp_path: Path) -> None:
    store = Store(tmp_path)
    much = store.stage("fit", {}, lambda out: hold())
    little = store.stage("release", {}, lambda out: None)
    assert much.peak_mib is not None
    assert little.peak_mib is not None
    assert much.peak_mib - little.peak_mib > BLOCK * 0.95
    again = Store(tmp_path).stage("fit", {}, lambda out: None)
    assert (again.cached, again.peak_mib) == (True, much.peak_mib)


@pytest.mark.parametrize("peak", ["much", [1], {}, float("inf")], ids=str)
def test_a_trace_with_an_odd_peak_is_told(tmp_path: Path, peak: object) -> None:
    kept = Store(tmp_path).stage("fit", {}, lambda out: None)
    trace = kept.path / "stage.json"
    trace.write_text(json.dumps({**json.loads(trace.read_text()), "peak_mib": peak}))
    with pytest.raises(StoreError, match=r"stage.json cannot be read"):
        Store(tmp_path).stage("fit", {}, lambda out: None)


def test_a_stage_keeps_in_which_arithmetic_it_was_made(tmp_path: Path) -> None:
    made = Store(tmp_path).stage("fit", {}, lambda out: None, precision="bfloat16")
    again = Store(tmp_path).stage("fit", {}, lambda out: None, precision="float32")
    assert (made.precision, again.cached, again.precision) == ("bfloat16", True, "bfloat16")
    trace = made.path / "stage.json"
    trace.write_text(json.dumps({**json.loads(trace.read_text()), "precision": 32}))
    with pytest.raises(StoreError, match=r"stage.json cannot be read .*name of a precision, got 32"):
        Store(tmp_path).stage("fit", {}, lambda out: None)


@LINUX
def test_a_record_tells_memory_and_arithmetic_of_every_stage_and_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.yaml").write_text(
        "synthetic: {people: 40, images: 4, pairs: 40}\n"
        "recognizer: {architecture: small, dim: 32, steps: 2, batch: 16}\n"
        "judge: {architecture: small, dim: 32, steps: 2, batch: 16}\n"
    )
    run = ["run", "--method", "noise", "--recipe", str(tmp_path / "tiny.yaml"), "--store", str(tmp_path / "runs"), "-q"]
    with monkeypatch.context() as wrong:
        wrong.setenv("FACEBENCH_PRECISION", "fp32")
        assert main([*run, "--tracking-uri", "none"]) == 2
    assert "FACEBENCH_PRECISION: expected auto or float32, got 'fp32'; set it to one" in capsys.readouterr().err
    assert not list((tmp_path / "runs").glob("stages/*"))  # before anything is made
    assert main([*run, "--attacks", "ignorant", "--tracking-uri", "none"]) in (0, 1)
    (path,) = (tmp_path / "runs" / "records").glob("*.json")
    kept = results.read(path)
    peaks = [stage.peak_mib for stage in kept.stages]
    assert all(peak is not None and peak > 50 for peak in peaks)
    assert kept.machine["peak_memory_mb"] >= max(peak for peak in peaks if peak is not None) - 1
    told = {stage.name: stage.precision for stage in kept.stages}
    assert told["train"] == told["judge"] == "float32"
    assert told["release"] is told["attack/ignorant"] is None
    older = kept.model_copy(
        update={
            "stages": tuple(s.model_copy(update={"peak_mib": None, "precision": None}) for s in kept.stages),
            "precision": None,
            "config": {name: value for name, value in kept.config.items() if name != "precision"},
        }
    )
    assert "precision" not in older.model_dump_json()
    assert "peak_mib" not in older.model_dump_json()  # what records of before said, and so their digests, stays
