"""The main job, on few synthetic faces and tiny networks: from the command line to the record and its mirror."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from facebench.bench.cli.main import main
from facebench.datasets.recordio import RecordIO
from facebench.reports.result import record as results

TINY = """
synthetic: {people: 60, images: 4, pairs: 40}
recognizer: {architecture: small, dim: 32, steps: 6, batch: 16}
teacher: {architecture: small, dim: 32, steps: 4, batch: 16}
judge: {architecture: small, dim: 32, steps: 5, batch: 16}
methods:
  facemae: {size: tiny, patch: 16, steps: 3, batch: 8}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def finished(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which facemae was run once, tracked in its own MLflow store."""
    folder = tmp_path_factory.mktemp("a folder with spaces")
    code = main(["run", "--recipe", str(recipe), "--store", str(folder / "runs"), *_tracking(folder), "-q"])
    failed = any(not check.passed for check in _record(folder / "runs").checks)
    assert code == failed  # so small a judge may well miss its bound
    return folder


def _tracking(folder: Path) -> list[str]:
    return ["--tracking-uri", f"sqlite:///{folder / 'mlflow.db'}"]


def _run(recipe: Path, store: Path, *more: str) -> int:
    return main(["run", "--recipe", str(recipe), "--store", str(store), "--tracking-uri", "none", "-q", *more])


def _records(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (store / "records").glob("*.json")}


def _stages(store: Path) -> dict[str, float]:
    traces = (store / "stages").rglob("stage.json")
    return {str(path.parent.relative_to(store)): path.stat().st_mtime_ns for path in traces}


def _record(store: Path) -> results.RunRecord:
    (path,) = [p for p in (store / "records").glob("*.json") if ".mirror" not in p.name]
    return results.read(path)


def test_a_run_ends_in_a_record_with_both_numbers_and_their_bounds(finished: Path) -> None:
    record = _record(finished / "runs")
    assert {"lfw_like", "cfp_fp_like", "agedb_30_like"} == {s.on for s in record.scores if s.measure.name == "accuracy"}
    assert record.attackers == ("ignorant", "other_image", "alignment", "replay")
    for score in record.scores:
        if score.measure.headline and score.value is not None:
            assert score.n > 0
            assert score.intervals
            assert score.chance is not None
            assert 0 <= score.intervals[0].low <= score.intervals[0].high <= 1
    assert [stage.name.split("/")[0] for stage in record.stages[:4]] == ["teacher", "fit", "release", "train"]


def test_the_mirror_above_the_run_holds_the_board_as_a_page(finished: Path) -> None:
    (page,) = (finished / "mlartifacts").rglob("leaderboard.html")
    assert _record(finished / "runs").recipe_hash in page.read_text()


def test_the_roles_are_disjoint_and_recorded_without_names(finished: Path) -> None:
    record = _record(finished / "runs")
    assert sum(role.identities for role in record.roles.values()) == 60
    assert len({role.digest for role in record.roles.values()}) == 4
    assert "s0000" not in record.model_dump_json()


def test_the_private_set_is_an_ordinary_pack_with_a_manifest(finished: Path) -> None:
    (folder,) = {path.parent for path in (finished / "runs" / "stages" / "release").rglob("manifest.parquet")}
    faces = RecordIO(root=folder).open()
    manifest = pd.read_parquet(folder / "manifest.parquet")
    assert len(faces) == len(manifest) == _record(finished / "runs").roles["P"].images
    assert np.array_equal(faces.labels, manifest["identity"])
    assert manifest["source_index"].is_unique
    assert list(manifest["private_index"]) == list(range(len(faces)))
    assert set(manifest["method"]) == {"facemae"}
    import hashlib

    assert manifest["sha256"][3] == hashlib.sha256(faces.encoded(3)).hexdigest()


def test_the_record_tells_of_training_and_of_the_private_set(finished: Path) -> None:
    record = _record(finished / "runs")
    assert record.precision == record.arithmetic == "float32"
    assert record.released is not None
    assert (record.released.identities, record.released.images) == (24, 96) == (
        record.roles["P"].identities, record.roles["P"].images
    )  # fmt: skip
    assert record.learning is None  # six steps tell nothing


def test_private_faces_in_the_store_say_that_they_are_not_for_sharing(finished: Path) -> None:
    stages = finished / "runs" / "stages"
    made = {path.parent for name in ("release", "apply") for path in (stages / name).rglob("train.rec")}
    assert len(made) == 3  # the release, people of A and of H
    for folder in made:
        assert "not for sharing" in (folder / "NOT-FOR-SHARING.txt").read_text()


def test_the_same_again_makes_nothing_anew(finished: Path, recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records, stages = _records(finished / "runs"), _stages(finished / "runs")
    main(["run", "--recipe", str(recipe), "--store", str(finished / "runs"), *_tracking(finished), "-q"])
    assert _records(finished / "runs") == records
    assert _stages(finished / "runs") == stages
    assert "all stages cached" in capsys.readouterr().out


def test_the_mirror_has_one_parent_and_one_child_and_is_not_doubled(finished: Path) -> None:
    from facebench.reports.tracking import mirror

    record = _record(finished / "runs")
    path = finished / "runs" / "records" / f"{record.name}.json"
    mirror.mirror(record, uri=f"sqlite:///{finished / 'mlflow.db'}", record_path=path)
    with sqlite3.connect(finished / "mlflow.db") as db:
        assert db.execute("select count(*) from runs").fetchone() == (2,)
        keys = {key for (key,) in db.execute("select distinct key from metrics")}
    db.close()
    assert "utility/lfw_like/accuracy" in keys
    assert any(key.startswith("leakage/ignorant/") for key in keys)


def test_a_dry_run_says_what_is_cached_and_makes_nothing(
    finished: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _stages(finished / "runs")
    assert _run(recipe, finished / "runs", "--dry-run") == 0
    assert "to be made" not in capsys.readouterr().out
    assert _run(recipe, finished / "runs", "--dry-run", "--method", "masking") == 0
    shown = capsys.readouterr().out
    assert "to be made" in shown
    assert "cached" in shown  # the judge and the originals it has seen serve every method
    assert _stages(finished / "runs") == before


def test_metrics_are_computed_again_from_kept_scores(finished: Path, recipe: Path, tmp_path: Path) -> None:
    store = tmp_path / "runs"
    shutil.copytree(finished / "runs", store)
    stages = _stages(store)
    _run(recipe, store, "--set", "metrics=[accuracy]")
    assert _stages(store) == stages


def test_equal_seeds_give_equal_results(finished: Path, recipe: Path, tmp_path: Path) -> None:
    _run(recipe, tmp_path / "runs")
    first, second = _record(finished / "runs"), _record(tmp_path / "runs")
    assert first.scores == second.scores
    assert [s.key for s in first.stages] == [s.key for s in second.stages]


def test_several_methods_and_seeds_make_a_grid_and_a_board(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(recipe, tmp_path / "runs", "--method", "original", "noise", "--seed", "0", "1")
    assert len(list((tmp_path / "runs" / "records").glob("*.json"))) == 4
    capsys.readouterr()
    assert main(["report", "--store", str(tmp_path / "runs")]) == 0
    shown = capsys.readouterr().out
    assert "original" in shown
    assert "noise" in shown
    original = [r for r in (tmp_path / "runs" / "records").glob("*original*")]
    t0 = results.read(original[0]).score("leak@1 image", "ignorant")
    assert t0.value == 1.0  # the very same image is always found
    for form in ("csv", "json"):
        assert main(["report", "--store", str(tmp_path / "runs"), "--format", form]) == 0
    assert main(["report", "--store", str(tmp_path / "runs"), "--out", str(tmp_path / "board.md")]) == 0
    assert "original" in (tmp_path / "board.md").read_text()


def test_json_prints_the_record_and_nothing_else(
    finished: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(recipe, finished / "runs", "--format", "json")
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown == _record(finished / "runs").model_dump(mode="json")


def test_a_server_that_is_down_costs_the_mirror_only_and_one_command_brings_it_later(
    recipe: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished / "runs", tmp_path / "runs")
    for marker in (tmp_path / "runs" / "records").glob("*mirror*"):
        marker.unlink()
    down = ["--tracking-uri", "http://127.0.0.1:9", "--store", str(tmp_path / "runs")]
    assert main(["run", "--recipe", str(recipe), *down]) in (0, 1)
    assert "bench mirror" in " ".join(capsys.readouterr().err.split())  # wherever the line was broken
    assert main(["mirror", *down]) == 2
    assert main(["mirror", *_tracking(tmp_path), "--store", str(tmp_path / "runs")]) == 0
    assert "1 of 1 records mirrored" in capsys.readouterr().out
    assert main(["mirror", *_tracking(tmp_path), "--store", str(tmp_path / "runs")]) == 0
    assert "0 of 1 records mirrored" in capsys.readouterr().out


def _start(recipe: Path, store: Path, **more) -> subprocess.Popen[str]:
    command = ["run", "--recipe", str(recipe), "--store", str(store), "--tracking-uri", "none"]
    # with as many threads as this process has: results are equal for an equal number
    return subprocess.Popen(
        [sys.executable, "-m", "facebench.bench", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **more,
    )  # fmt: skip


def _wait_for(store: Path, pattern: str) -> None:
    for _ in range(6000):  # five minutes: a loaded machine imports slowly
        if list((store / "stages").glob(pattern)):
            return
        time.sleep(0.05)
    raise AssertionError(f"{pattern} never came")


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["fit", "release", "train", "verify/lfw_like"])
def test_a_run_that_is_killed_goes_on_where_it_was(recipe: Path, finished: Path, tmp_path: Path, stage: str) -> None:
    store = tmp_path / "runs"
    killed = _start(recipe, store)
    _wait_for(store, f"{stage}/.*.part")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    kept = _stages(store)
    _run(recipe, store)
    assert {key: value for key, value in _stages(store).items() if key in kept} == kept
    assert _record(store).scores == _record(finished / "runs").scores
    assert not list(store.rglob("*.part"))


@pytest.mark.slow
def test_two_runs_at_once_on_one_store_both_end_well(recipe: Path, finished: Path, tmp_path: Path) -> None:
    runs = [_start(recipe, tmp_path / "runs") for _ in range(2)]
    for run in runs:
        _, errors = run.communicate(timeout=300)
        assert run.returncode in (0, 1), errors
    assert _record(tmp_path / "runs").scores == _record(finished / "runs").scores


@pytest.mark.slow
def test_ctrl_c_stops_within_two_seconds_and_says_how_to_go_on(recipe: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow.yaml"
    slow.write_text(TINY.replace("steps: 6", "steps: 100000"))
    # a job that a shell put into the background was told to ignore Ctrl-C, and so were its children
    run = _start(slow, tmp_path / "runs", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    _wait_for(tmp_path / "runs", "train/.*.part/log.jsonl")
    (log,) = (tmp_path / "runs" / "stages" / "train").glob(".*.part/log.jsonl")
    while not log.stat().st_size and run.poll() is None:  # the first step imports for seconds
        time.sleep(0.1)
    asked = time.monotonic()
    run.send_signal(signal.SIGINT)
    try:
        _, errors = run.communicate(timeout=30)
    finally:
        run.kill()
        run.communicate()
    assert time.monotonic() - asked < 2
    assert run.returncode == 130
    assert "Run the same command again" in errors
    assert "Traceback" not in errors
    assert not list((tmp_path / "runs").rglob("*.part"))


def test_ctrl_c_in_a_place_that_lets_no_exception_out_is_not_lost() -> None:
    script = """
        import sys, time, weakref
        from facebench.bench.cli import list as listing
        from facebench.bench.cli.main import main

        class Thing:
            pass

        def interrupted(reference):
            raise KeyboardInterrupt  # as Ctrl-C does when it comes just here

        def work(args):
            thing = Thing()
            kept = weakref.ref(thing, interrupted)
            del thing
            time.sleep(30)

        listing.do = work
        started = time.monotonic()
        code = main(["list"])
        print(code, time.monotonic() - started < 5)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "130 True\n", done.stderr
