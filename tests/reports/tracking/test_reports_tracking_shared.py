"""A server that many use: one run a record whoever sends it, records that come back, and no trust in the server."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from facebench.bench.cli.main import main
from facebench.reports.result.record import RecordError, write
from facebench.reports.tracking import mirror as tracking
from facebench.reports.tracking import read, runs
from facebench.reports.tracking.client import connect, quietly
from facebench.reports.tracking.mirror import TrackingError, mirror, mirrored
from made_up import record

KEYS = ("facebench.key", "facebench.record", "facebench.sha256")
ACTIVE = """
SELECT r.run_uuid, r.name FROM runs r JOIN experiments e ON r.experiment_id = e.experiment_id
WHERE r.lifecycle_stage = 'active' AND r.status = 'FINISHED' AND e.name = ?
"""


def rows(database: Path, query: str, *given: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query, given).fetchall()


def sent(folder: Path, uri: str, *, experiment: str = "facebench", **more: Any) -> str:
    made = record(**more)
    return mirror(made, uri=uri, record_path=write(made, folder), experiment=experiment)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is not how quick a server is that shares two cores with other tests."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "100")


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_a_server_holds_one_run_a_record_and_gives_the_newest_back(mlflow_server: Any, tmp_path: Path) -> None:
    uri, database, files = mlflow_server
    made = record()
    where = write(made, tmp_path / "mine")
    figure = tmp_path / "roc.png"
    figure.write_bytes(b"\x89PNG")
    put = {"uri": uri, "record_path": where, "figures": [figure], "experiment": "one run"}
    first = mirror(made, **put)
    assert mirror(made, **put) == first
    assert mirrored(where, uri, experiment="one run")
    assert not mirrored(where, uri), "another experiment is another place"
    other = sent(tmp_path / "mine", uri, experiment="one run", seed=1, method="noise")
    assert len(rows(database, ACTIVE, "one run")) == 3, "a parent and two children"
    assert {path.name for path in files.rglob("*") if path.is_file()} >= {where.name, "roc.png"}

    later = "2026-02-01T00:00:00+00:00"
    third = sent(tmp_path / "a colleague's", uri, experiment="one run", created=later, accuracy=0.9)
    assert {run for run, _ in rows(database, ACTIVE, "one run")} >= {other, third}
    assert first not in {run for run, _ in rows(database, ACTIVE, "one run")}, "the old one is in the trash"
    found = read.fetch(uri, experiment="one run")
    assert found == [record(created=later, accuracy=0.9), record(seed=1, method="noise")]


@pytest.mark.slow
@pytest.mark.usefixtures("patient")
def test_two_processes_at_once_make_one_run(mlflow_server: Any, tmp_path: Path) -> None:
    program = """
        import sys, time
        from pathlib import Path
        import mlflow.tracking  # not part of the race
        from facebench.reports.result.record import read
        from facebench.reports.tracking.mirror import mirror

        path = Path(sys.argv[1])
        (path.parent / "ready").touch()
        while not (path.parent.parent / "go").exists():
            time.sleep(0.001)
        print(mirror(read(path), uri=sys.argv[2], record_path=path, experiment="race"))
    """
    made = record()
    paths = [write(made, tmp_path / name) for name in ("one", "two")]
    command = [sys.executable, "-c", textwrap.dedent(program)]
    racers = [
        subprocess.Popen([*command, str(path), mlflow_server.uri], stdout=subprocess.PIPE, text=True) for path in paths
    ]
    try:
        for path in paths:
            while not (path.parent / "ready").exists():
                assert all(racer.poll() is None for racer in racers)
                time.sleep(0.05)
        (tmp_path / "go").touch()
        said = [racer.communicate(timeout=300)[0].strip() for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
    found = rows(mlflow_server.database, ACTIVE, "race")
    assert len(found) == 2, "a parent and a child"
    assert said[0] == said[1]
    assert said[0] in {run for run, _ in found}


def test_a_run_that_another_process_made_in_the_same_moment_is_the_one_that_stays(tmp_path: Path) -> None:
    made = record()
    with quietly():
        client = connect(f"sqlite:///{tmp_path}/mlflow.db")
        place = runs.experiment_of(client, "facebench", tmp_path)
        create, before = client.create_run, []

        def raced(experiment: str, started: int, tags: dict[str, str], name: str) -> Any:
            rival = create(experiment, started, {**tags, "facebench.sent": "1"}, name)
            client.set_terminated(rival.info.run_id)
            before.append(rival.info.run_id)
            return create(experiment, started, tags, name)

        client.create_run = raced
        run, parent, earlier = runs.run_of(client, place, made, digest="d", started=0)
        assert [parent, run] == before
        assert len(earlier) == 1
        child = create(place, 0, {"mlflow.parentRunId": "x"}, "a child of a second parent").info.run_id
        told = client.get_run(parent).data.tags
        keys = {name: told[name] for name in ("facebench.group", "facebench.key")}
        double = create(place, 0, {**keys, "facebench.sent": "9"}, "a second parent").info.run_id
        client.set_tag(child, "mlflow.parentRunId", double)
        assert runs.run_of(client, place, made, digest="d", started=0)[:2] == (run, parent)
        assert client.get_run(child).data.tags["mlflow.parentRunId"] == parent
        assert client.get_run(double).info.lifecycle_stage == "deleted"


@pytest.mark.parametrize("fails", [False, True], ids=["after it was filled", "while it was filled"])
def test_a_run_that_is_seen_late_but_was_sent_first_is_filled_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    uri, made = f"sqlite:///{tmp_path}/mlflow.db", record()
    rivals: list[str] = []
    fill = tracking._fill

    def late(client: Any, run: str, *more: Any) -> None:
        fill(client, run, *more)
        if not rivals:
            ours = client.get_run(run)
            tags = {key: ours.data.tags[key] for key in (*KEYS, "mlflow.parentRunId")}
            made = client.create_run(ours.info.experiment_id, 0, {**tags, "facebench.sent": "1"})
            rivals.append(made.info.run_id)
            if fails:
                client.delete_run(run)

    monkeypatch.setattr(tracking, "_fill", late)
    told = mirror(made, uri=uri, record_path=write(made, tmp_path / "records"))
    assert [told] == rivals
    active = rows(tmp_path / "mlflow.db", ACTIVE, "facebench")
    assert len(active) == 2, "a parent and a child"
    assert told in {run for run, _ in active}
    (count,) = rows(tmp_path / "mlflow.db", "SELECT COUNT(*) FROM latest_metrics WHERE run_uuid = ?", told)
    assert count[0] > 5


def test_a_mirror_that_fails_for_another_reason_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no space")

    monkeypatch.setattr(tracking, "_fill", broken)
    with pytest.raises(TrackingError, match="no space"):
        sent(tmp_path / "records", f"sqlite:///{tmp_path}/mlflow.db")


def test_a_run_that_another_process_deletes_is_deleted(tmp_path: Path) -> None:
    with quietly():
        client = connect(f"sqlite:///{tmp_path}/mlflow.db")
        run = client.create_run(runs.experiment_of(client, "facebench", tmp_path)).info.run_id
        runs._delete(client, run)
        runs._delete(client, run)
        assert client.get_run(run).info.lifecycle_stage == "deleted"
        with pytest.raises(Exception, match="not found"):
            runs._delete(client, "0" * 32)


def test_the_board_of_a_shared_store_is_that_of_its_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert main(["report", "--from-mlflow", uri]) == 2
    assert "does not exist" in capsys.readouterr().err
    for seed in (0, 1):
        sent(tmp_path / "records", uri, experiment="ours", seed=seed)
    assert main(["report", "--from-mlflow", uri]) == 2
    assert "expected an experiment 'facebench', got none" in capsys.readouterr().err
    assert main(["report", "--from-mlflow", uri, "--experiment-name", "ours", "--format", "json"]) == 0
    shared = capsys.readouterr().out
    assert main(["report", "--records", str(tmp_path / "records"), "--format", "json"]) == 0
    assert capsys.readouterr().out == shared
    assert '"masking"' in shared


def test_one_run_without_a_sound_record_is_passed_over_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    sent(tmp_path / "records", uri)
    damaged = sent(tmp_path / "records", uri, seed=1)
    (tmp_path / "mlartifacts" / damaged / "artifacts" / "lfw-quick-masking-1.json").write_text("{")
    with quietly():
        client = connect(uri)
        place = client.get_experiment_by_name("facebench").experiment_id
        being_sent = client.create_run(place, tags={"facebench.record": "lfw-quick-noise-0"}).info.run_id
    assert main(["report", "--from-mlflow", uri]) == 0
    said = capsys.readouterr()
    assert "masking" in said.out
    assert said.err.count("warning: passed over: MLflow run") == 2
    assert damaged in said.err
    assert being_sent in said.err


def test_a_damaged_large_or_oddly_named_record_is_told_with_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "mlflow.db"
    uri = f"sqlite:///{database}"
    run = sent(tmp_path / "records", uri)
    kept = tmp_path / "mlartifacts" / run / "artifacts" / "lfw-quick-masking-0.json"
    sound = kept.read_bytes()
    for content in (b"{", sound.replace(b'"lfw-quick-masking-0"', b'"lfw-quick-masking-1"')):
        kept.write_bytes(content)
        with pytest.raises(RecordError, match=f"{run}.*or delete the run") as caught:
            read.fetch(uri, experiment="facebench")
        assert "/tmp" not in str(caught.value)
    kept.write_bytes(sound)
    monkeypatch.setattr(read, "LARGEST", 100)
    with pytest.raises(RecordError, match="got a larger one"):
        read.fetch(uri, experiment="facebench")
    kept.unlink()
    with pytest.raises(RecordError, match="got none"):
        read.fetch(uri, experiment="facebench")
    for name in ("../../x", ".hidden", "a/b", "x.mirror", "a\nb"):
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("UPDATE tags SET value = ? WHERE key = 'facebench.record'", [name])
            connection.commit()
        with pytest.raises(RecordError, match="no name of a record"):
            read.fetch(uri, experiment="facebench")


class Hostile(BaseHTTPRequestHandler):
    """A server that says it is MLflow, and sends a record without end, or somewhere else."""

    redirects = False

    def do_GET(self) -> None:
        if not self.path.startswith("/get-artifact"):
            self._say({"experiment": {"experiment_id": "1", "name": "facebench", "lifecycle_stage": "active"}})
        elif self.redirects:
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
        else:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b" " * 65536)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        info = {
            "run_id": "7",
            "run_uuid": "7",
            "experiment_id": "1",
            "artifact_uri": "file:///etc",
            "status": "FINISHED",
        }
        run = {"info": info, "data": {"tags": [{"key": "facebench.record", "value": "passwd"}]}}
        self._say({"runs": [run]})

    def _say(self, content: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_server_is_not_trusted_with_sizes_or_places(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Hostile) as uri:
        with pytest.raises(RecordError, match="at most 32 MiB"):
            read.fetch(uri, experiment="facebench")
        monkeypatch.setattr(Hostile, "redirects", True)
        with pytest.raises(RecordError, match="the server answered 302"):
            read.fetch(uri, experiment="facebench")


def test_a_server_that_never_answers_costs_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")

    class Silent(Hostile):
        def do_GET(self) -> None:
            time.sleep(15)

    import mlflow  # noqa: F401  # not part of what is timed

    with serving(Silent) as uri:
        started = time.monotonic()
        with pytest.raises(
            TrackingError, match=r"gave no answer within 2 s; MLFLOW_HTTP_REQUEST_TIMEOUT gives it more"
        ):
            read.fetch(uri, experiment="facebench")
        assert time.monotonic() - started < 20, "expected 2 s on a machine that does nothing else"


def test_neither_the_account_nor_its_folders_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "zaphod7")
    home = tmp_path / "home of zaphod7"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(sys, "argv", [str(home / "script.py")])
    run = sent(home / "runs" / "records", f"sqlite:///{tmp_path}/mlflow.db")
    files = [tmp_path / "mlflow.db", *(tmp_path / "mlartifacts").rglob("*")]
    assert any(run in str(path) for path in files)
    for path in files:
        assert not path.is_file() or b"zaphod7" not in path.read_bytes()
    query = "SELECT key, value FROM tags WHERE key LIKE 'mlflow.source%' OR key = 'mlflow.user'"
    assert set(rows(tmp_path / "mlflow.db", query)) == {
        ("mlflow.source.name", "facebench"),
        ("mlflow.source.type", "LOCAL"),
    }


def test_data_that_another_process_told_in_the_same_moment_is_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    log = MlflowClient.log_inputs
    raised: list[int] = []

    def raced(*args: Any, **more: Any) -> None:
        if not raised:
            raised.append(1)
            raise RuntimeError("BAD_REQUEST: UNIQUE constraint failed: datasets.experiment_id, datasets.name")
        log(*args, **more)

    monkeypatch.setattr(MlflowClient, "log_inputs", raced)
    assert sent(tmp_path / "records", f"sqlite:///{tmp_path}/mlflow.db")
    assert raised
    assert rows(tmp_path / "mlflow.db", "SELECT COUNT(*) FROM inputs") > [(0,)]
