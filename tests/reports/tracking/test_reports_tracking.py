"""The mirror in MLflow: told before a run where it cannot work, the same run twice, nothing lost when it fails."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from facebench.reports.result import training_log
from facebench.reports.result.ledger import load
from facebench.reports.result.record import RunRecord, write
from facebench.reports.tracking import entries
from facebench.reports.tracking.mirror import TrackingError, check, mirror, mirrored
from made_up import record


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def written(folder: Path, **more: Any) -> tuple[RunRecord, Path]:
    made = record(**more)
    return made, write(made, folder)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize(
    "uri", ["file:///somewhere/runs", "mlruns", "/somewhere/mlruns", "ftp://host/x", "", "sqlite://"]
)
def test_a_uri_that_cannot_work_is_refused_before_a_run(uri: str) -> None:
    with pytest.raises(TrackingError, match="sqlite:///"):
        check(uri)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1", "https://a.example", "postgresql+psycopg2://u:p@h/db"])
def test_servers_are_not_contacted_before_a_run(uri: str) -> None:
    check(uri)


def test_a_file_that_is_no_sqlite_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(b"dear diary, " * 500)
    before = path.read_bytes()
    made, where = written(tmp_path / "records")
    for call in (check, lambda uri: mirror(made, uri=uri, record_path=where)):
        with pytest.raises(TrackingError, match=r"notes\.db cannot be read as a SQLite database"):
            call(f"sqlite:///{path}")
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["notes.db", "records"]


def test_a_database_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE photos (id INTEGER)")
        connection.execute("CREATE TABLE experiments (id INTEGER)")
        connection.commit()
    before = path.read_bytes()
    made, where = written(tmp_path / "records")
    for call in (check, lambda uri: mirror(made, uri=uri, record_path=where)):
        with pytest.raises(TrackingError, match="something else with 2 tables"):
            call(f"sqlite:///{path}")
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos.db", "records"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="gone does not exist"):
        check(f"sqlite:///{tmp_path}/gone/mlflow.db")


def test_names_of_measures_become_names_that_mlflow_takes() -> None:
    assert [training_log.word(name) for name in ("leak@1 image", "tar@far=1e-3", "a/b", "..")] == [
        "leak_at_1_image",
        "tar_at_far_1e-3",
        "a_b",
        "_",
    ]
    found = entries.metrics(record())
    assert found["utility/lfw/accuracy"] == 0.8
    assert found["leakage/ignorant/leak_at_1/chance"] == 0.01
    assert found["utility/lfw/accuracy/low"] < 0.8 < found["utility/lfw/accuracy/high"]
    assert "leakage/ignorant/leak_at_1" not in entries.metrics(record(leak=None))


def test_two_numbers_have_one_name_in_all_runs_and_are_absent_where_they_would_flatter() -> None:
    found = entries.headline(record(accuracy=0.8, leak=0.1))
    assert found["utility/mean/accuracy"] == 0.8
    assert (found["leakage/worst/rank1"], found["leakage/worst/rank1/chance"]) == (0.1, 0.01)
    assert found["leakage/worst/rank1/low"] < 0.1 < found["leakage/worst/rank1/high"]
    assert entries.tags(record())["worst_attack"] == "ignorant"

    made = record()
    low, high = (score.model_copy(update={"on": on, "value": v}) for score in made.scores[:1]
                 for on, v in (("lfw", 0.5), ("agedb", 0.9)))  # fmt: skip
    leak = made.scores[1]
    lost = leak.model_copy(update={"on": "other", "value": None})
    whole = made.model_copy(update={"scores": (low, high, leak)})
    assert entries.headline(whole)["utility/mean/accuracy"] == pytest.approx(0.7)
    broken = made.model_copy(update={"scores": (low, high.model_copy(update={"value": None}), leak, lost)})
    assert entries.headline(broken) == {}, "what is left would look better than it is"

    memorised = leak.measure.model_copy(update={"name": "memorised"})
    new = made.model_copy(update={"scores": (low, leak.model_copy(update={"measure": memorised, "value": -0.2}))})
    assert entries.headline(new)["leakage/worst/memorised"] == -0.2
    assert "leakage/worst/rank1" not in entries.headline(new), "another quantity has another name"


def test_datasets_are_told_by_digest_and_numbers() -> None:
    faces, pairs = entries.datasets(record())
    assert (faces.name, faces.digest, faces.context) == ("lfw", "bbbb", "training")
    assert (faces.profile["num_images"], faces.profile["num_identities"]) == (40, 10)
    assert (pairs.name, pairs.context, pairs.profile) == ("lfw pairs", "evaluation", {"num_pairs": 600})


def test_long_values_are_cut_and_long_curves_thinned(tmp_path: Path) -> None:
    found = entries.parameters(record(parameters={"note": "x" * 9000}))
    assert found["method.parameters.note"].endswith("(9000 characters; see the record)")
    assert all(len(value) <= 500 for value in found.values())
    log = tmp_path / "log.jsonl"
    log.write_text("".join(f'{{"step": {n}, "loss": 1.0}}\n' for n in range(2501)))
    points = list(entries.curves({"train": log}))
    assert len(points) <= 1001
    assert (points[0], points[-1]) == (("train/loss", 0, 1.0), ("train/loss", 2500, 1.0))


def test_a_record_mirrored_twice_is_one_run_and_a_changed_one_replaces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "a b%c"
    here.mkdir()
    monkeypatch.chdir(here)
    environment = dict(os.environ)
    uri = "sqlite:///ml flow.db"
    made, where = written(here / "records")
    log, figure = here / "log.jsonl", here / "roc.png"
    log.write_text("".join(f'{{"step": {n}, "loss": {3 - n}, "lr": 0.1}}\n' for n in range(3)))
    figure.write_bytes(b"\x89PNG")
    assert not mirrored(where, uri)
    first = mirror(made, uri=uri, record_path=where, figures=[figure], logs={"train": log})
    assert mirrored(where, uri)
    assert not mirrored(where, "sqlite:///other.db")
    again = mirror(made, uri=uri, record_path=where, figures=[figure], logs={"train": log})
    other, elsewhere = written(here / "records", seed=1)
    second = mirror(other, uri=uri, record_path=elsewhere)
    assert first == again != second
    database = here / "ml flow.db"
    active = "SELECT run_uuid FROM runs WHERE lifecycle_stage = 'active' AND status = 'FINISHED'"
    assert len(rows(database, active)) == 3, "a parent and two children"
    ((parent,),) = rows(database, "SELECT DISTINCT value FROM tags WHERE key = 'mlflow.parentRunId'")
    assert parent not in {first, second}
    of_first = f"WHERE run_uuid = '{first}'"
    assert rows(database, f"SELECT step, value FROM metrics {of_first} AND key = 'train/loss' ORDER BY step") == [
        (0, 3.0),
        (1, 2.0),
        (2, 1.0),
    ]
    assert rows(database, f"SELECT value FROM metrics {of_first} AND key = 'utility/lfw/accuracy'") == [(0.8,)]
    assert ("config.recognizer.steps", "5") in rows(database, f"SELECT key, value FROM params {of_first}")
    assert rows(database, "SELECT name, digest FROM datasets") == [
        ("lfw", "bbbb"),
        ("lfw pairs", "bbbb"),
    ]
    kept = here / "mlartifacts" / first / "artifacts"
    assert (kept / where.name).read_bytes() == where.read_bytes()
    assert (kept / "figures" / "roc.png").is_file()

    changed, where = written(here / "records", accuracy=0.9)
    assert not mirrored(where, uri)
    third = mirror(changed, uri=uri, record_path=where)
    assert third != first
    assert {run for (run,) in rows(database, active)} == {parent, second, third}

    assert capfd.readouterr() == ("", "")
    assert dict(os.environ) == environment
    assert len(load(here / "records")) == 2, "markers are no records"
    made_here = {"records", "log.jsonl", "roc.png", "ml flow.db", "mlartifacts"}
    assert {path.name for path in here.iterdir()} == made_here
    database.unlink()
    assert not mirrored(where, uri)


def test_odd_folders_and_names_with_quotes_do_not_lead_astray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`%20` in a path is no space, `#` no fragment; quotes in names neither break a filter nor make a second run."""
    folder = tmp_path / "a b%20c#d"
    folder.mkdir()
    with pytest.raises(TrackingError, match="percent sign"):
        check(f"sqlite:///{folder / 'mlflow.db'}")
    monkeypatch.chdir(folder)
    made, path = written(folder / "records", name='it\'s "x"', dataset="o'b")
    runs = {mirror(made, uri="sqlite:///mlflow.db", record_path=path) for _ in range(2)}
    assert len(runs) == 1
    assert mirrored(path, "sqlite:///mlflow.db")
    assert rows(folder / "mlflow.db", "select count(*) from runs") == [(2,)]
    assert [found.name for found in tmp_path.iterdir()] == [folder.name]
    assert {"mlflow.db", "mlartifacts", "records"} >= {found.name for found in folder.iterdir()}
    assert len(list((folder / "mlartifacts").rglob("*.json"))) == 1


def test_a_dead_server_is_told_quickly_and_leaves_no_marker(tmp_path: Path) -> None:
    made, where = written(tmp_path / "records")
    import mlflow  # noqa: F401  # not part of what is timed

    started = time.monotonic()
    with pytest.raises(TrackingError, match=r"the record is safe at .*; send it later with `bench mirror`") as caught:
        mirror(made, uri=f"http://me:secret@127.0.0.1:{free_port()}", record_path=where)
    assert "nobody answers at this port" in str(caught.value)
    assert "experiments/get-by-name" not in str(caught.value)
    assert time.monotonic() - started < 15, "expected 5 s on a machine that does nothing else"
    assert "secret" not in str(caught.value)
    assert not list((tmp_path / "records").glob("*.mirror.json"))
    assert not mirrored(where, "http://127.0.0.1")
