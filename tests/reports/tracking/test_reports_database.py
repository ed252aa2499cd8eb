"""MLflow's database appears whole or not at all, and one that is half-made or of another version is told in words."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from facebench.reports.result.record import write
from facebench.reports.tracking import database, schema_version
from facebench.reports.tracking.client import quietly, reason
from facebench.reports.tracking.mirror import TrackingError, check, mirror
from facebench.reports.tracking.read import fetch
from made_up import record

SQL = ("SELECT", "INSERT", "ALTER", "CREATE TABLE", "[SQL", "sqlite3.", "sqlalche", "duplicate column", "no such")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole database with nothing in it, as MLflow makes it."""
    path = tmp_path_factory.mktemp("fresh") / "mlflow.db"
    with quietly():
        database.prepare(f"sqlite:///{path}", path, lambda text: None)
    return path


@pytest.fixture
def copied(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new database is copied and not made, which takes seconds."""
    monkeypatch.setattr(database, "_made", lambda path: bool(shutil.copy(fresh, path)))


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    os.utime(path, (1, 1))  # nobody is making it just now


def sent(folder: Path, told: list[str]) -> None:
    made = record()
    path = write(made, folder / "records")
    mirror(made, uri=f"sqlite:///{folder}/mlflow.db", record_path=path, say=told.append)


def earlier(back: int) -> str:
    """The revision so many migrations before the newest one."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    chain = [each.revision for each in ScriptDirectory.from_config(_get_alembic_config("")).walk_revisions()]
    return str(chain[back])


def at(revision: str) -> str:
    return f"UPDATE alembic_version SET version_num = '{revision}'"


NOT_NOTED = "a migration that is done and not noted"
KINDS = ("first tables", NOT_NOTED, "many of them", "no revision", "lost tables", "lost column")


def halve(path: Path, how: str) -> None:
    """Leave of a whole database what a maker that was killed there leaves."""
    if how == "first tables":
        with closing(sqlite3.connect(path)) as connection:
            names = [n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rest = [n for n in names if n not in schema_version.FIRST_TABLES and not n.startswith("sqlite_")]
        change(path, "PRAGMA foreign_keys = OFF", *(f'DROP TABLE "{n}"' for n in (*rest, "alembic_version")))
    elif how == NOT_NOTED:
        change(path, at(earlier(1)))
    elif how == "many of them":
        change(path, at(earlier(40)))
    elif how == "no revision":
        change(path, "DELETE FROM alembic_version")
    elif how == "lost tables":
        change(path, "PRAGMA foreign_keys = OFF", "DROP TABLE logged_model_tags", "DROP TABLE inputs")
    else:
        change(path, "PRAGMA foreign_keys = OFF", "ALTER TABLE runs DROP COLUMN deleted_time")


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize("how", KINDS)
def test_a_half_made_one_without_runs_is_set_aside_and_one_with_runs_is_left_and_told(
    fresh: Path, tmp_path: Path, how: str
) -> None:
    told: list[str] = []
    path = tmp_path / "mlflow.db"
    shutil.copy(fresh, path)
    halve(path, how)
    before = path.read_bytes()
    check(f"sqlite:///{path}")
    if "lost" not in how:
        with pytest.raises(TrackingError, match="holds no records"):
            fetch(f"sqlite:///{path}", experiment="facebench")
    assert path.read_bytes() == before
    sent(tmp_path, told)
    assert (tmp_path / "mlflow.db.broken-1").read_bytes() == before
    assert "set aside as mlflow.db.broken-1" in told[0]
    assert not [word for word in SQL if word in told[0]]
    assert len(fetch(f"sqlite:///{path}", experiment="facebench")) == 1

    halve(path, how)  # now it holds runs
    before = path.read_bytes()
    with pytest.raises(TrackingError, match=r"holds 2 runs.*another file with --tracking-uri") as caught:
        sent(tmp_path, told)
    assert ("no upgrade brings" if "lost" in how else f"`mlflow db upgrade sqlite:///{path}`") in str(caught.value)
    assert not [word for word in SQL if word in str(caught.value)]
    assert path.read_bytes() == before
    assert len(told) == 1


@pytest.mark.usefixtures("copied")
def test_what_lies_beside_a_database_goes_with_it_and_numbers_go_on(fresh: Path, tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "mlflow.db"
    shutil.copy(fresh, path)
    halve(path, "no revision")
    (tmp_path / "mlflow.db.broken-1").touch()
    (tmp_path / "mlflow.db-shm").write_bytes(b"of an earlier one")
    (tmp_path / ".mlflow.db.making-killed").mkdir()
    sent(tmp_path, told)
    assert (tmp_path / "mlflow.db.broken-2-shm").read_bytes() == b"of an earlier one"
    ends = {each.name.removeprefix("mlflow.db") for each in tmp_path.iterdir()}
    assert ends == {"", ".broken-1", ".broken-2", ".broken-2-shm", "mlartifacts", "records"}


@pytest.mark.usefixtures("copied")
def test_an_empty_file_is_taken_and_a_newer_one_is_refused_before_a_run(fresh: Path, tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "mlflow.db"
    path.touch()
    os.utime(path, (1, 1))
    sent(tmp_path, told)
    assert told == []
    change(path, at("ffffffffffff"))
    for call in (check, lambda uri: sent(tmp_path, told)):
        with pytest.raises(TrackingError, match=r"made by a newer MLflow .*pip install --upgrade mlflow"):
            call(f"sqlite:///{path}")


@pytest.mark.parametrize("share", [0.001, 0.01, 0.3, 0.999])
def test_a_cut_file_is_left_alone_and_told(fresh: Path, tmp_path: Path, share: float) -> None:
    told: list[str] = []
    path = tmp_path / "mlflow.db"
    whole = fresh.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    before = path.read_bytes()
    with pytest.raises(TrackingError, match=r"cannot be read as a SQLite database.*name another file") as caught:
        sent(tmp_path, told)
    assert not [word for word in SQL if word in str(caught.value)]
    assert path.read_bytes() == before


@pytest.mark.usefixtures("copied")
def test_one_that_another_process_is_making_is_waited_for(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    path = tmp_path / "mlflow.db"
    shutil.copy(fresh, path)
    halve(path, "no revision")
    os.utime(path)
    slept: list[float] = []
    newest = schema_version.revisions()[1]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:  # the other process is done
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("INSERT INTO alembic_version VALUES (?)", [newest])
                connection.commit()

    monkeypatch.setattr(time, "sleep", sleep)
    with quietly():
        database.prepare("sqlite:///mlflow.db", path, told.append)
    assert (len(slept), told) == (3, [])
    assert not list(tmp_path.glob("*.broken*"))


def test_one_that_appears_while_a_new_one_is_made_is_kept(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    path = tmp_path / "mlflow.db"
    rival = Path(shutil.copy(fresh, tmp_path / "rival.db"))
    change(rival, "INSERT INTO experiment_tags VALUES ('of', 'the rival', 0)")
    sync = database._sync
    monkeypatch.setattr(database, "connect", lambda uri: Copier(fresh, uri))
    monkeypatch.setattr(database, "_sync", lambda file: (sync(file), rival.replace(path)))
    with quietly():
        database.prepare("sqlite:///mlflow.db", path, told.append)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT value FROM experiment_tags").fetchall() == [("the rival",)]
    assert [each.name for each in tmp_path.iterdir()] == ["mlflow.db"]


class Copier:
    """Makes a database as MLflow's client does, and quickly."""

    def __init__(self, fresh: Path, uri: str) -> None:
        self.fresh, self.path = fresh, uri.removeprefix("sqlite:///")

    def search_experiments(self, max_results: int) -> None:
        shutil.copy(self.fresh, self.path)


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file can become larger, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
def test_a_disk_that_is_full_while_it_is_made_costs_nothing_later(tmp_path: Path) -> None:
    told: list[str] = []
    made, uri = record(), f"sqlite:///{tmp_path}/mlflow.db"
    path = write(made, tmp_path / "records")
    for size in (0, 20_000, 300_000, 700_000):
        with room(size), pytest.raises(TrackingError, match="the record is safe") as caught:
            mirror(made, uri=uri, record_path=path, say=told.append)
        assert not [word for word in SQL if word in str(caught.value)]
        assert {each.name for each in tmp_path.iterdir()} <= {"mlartifacts", "records"}
    sent(tmp_path, told)
    assert told == []
    assert {each.name for each in tmp_path.iterdir()} == {"mlartifacts", "records", "mlflow.db"}


PROGRAM = """
    import os, sys
    from pathlib import Path
    import mlflow.store.tracking.sqlalchemy_store  # not part of what is killed
    from facebench.reports.result.record import read
    from facebench.reports.tracking.mirror import mirror

    path = Path(sys.argv[1])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            mirror(read(path), uri="sqlite:///mlflow.db", record_path=path)
            os._exit(0)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_nothing_that_stops_a_later_run(tmp_path: Path) -> None:
    path = write(record(), tmp_path / "records")
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(path)]
    with subprocess.Popen(program, cwd=tmp_path, stdin=-1, stdout=-1, text=True, bufsize=1) as maker:
        assert maker.stdin
        assert maker.stdout
        killed = 0
        for size in (1, 60_000, 250_000, 500_000):
            maker.stdin.write("make\n")
            child = int(maker.stdout.readline())
            while not (tmp_path / "mlflow.db").exists() and _made_so_far(tmp_path) < size:
                time.sleep(0.001)
            os.kill(child, signal.SIGKILL)
            killed += int(maker.stdout.readline()) == signal.SIGKILL
            assert not (tmp_path / "mlflow.db").exists()
            assert list(tmp_path.glob(".mlflow.db.making-*")), "killed while it was made"
        assert killed == 4
        maker.stdin.write("make\n")
        maker.stdout.readline()
        assert int(maker.stdout.readline()) == 0
        maker.stdin.close()
    assert {each.name for each in tmp_path.iterdir()} == {"mlartifacts", "records", "mlflow.db"}
    assert len(fetch(f"sqlite:///{tmp_path}/mlflow.db", experiment="facebench")) == 1


def _made_so_far(folder: Path) -> int:
    sizes = [0]
    for made in folder.glob(".mlflow.db.making-*/made.db"):
        with suppress(FileNotFoundError):
            sizes.append(made.stat().st_size)
    return max(sizes)


def test_an_error_of_a_database_is_told_without_sql() -> None:
    import sqlalchemy

    full = sqlite3.OperationalError("disk full")
    error = sqlalchemy.exc.OperationalError("INSERT INTO tags VALUES (?)", ("a name",), full)
    assert reason(error, "sqlite:///mlflow.db") == "disk full"
    twice = sqlite3.OperationalError("duplicate column name: y")
    error = sqlalchemy.exc.OperationalError("ALTER TABLE x", None, twice)
    assert "mlflow db upgrade" in reason(error, "sqlite:///mlflow.db")
    assert not [word for word in SQL if word in reason(error, "sqlite:///mlflow.db")]
