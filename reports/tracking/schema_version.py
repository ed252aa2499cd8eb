"""What a SQLite file holds, told without MLflow: its tables, whole or half-made, of another version, or of others."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import quote

State: TypeAlias = Literal["none", "whole", "half", "newer", "foreign"]
MLFLOW_TABLES = {"alembic_version", "experiments"}
FIRST_TABLES = {"alembic_version", "experiments", "runs", "metrics", "params", "tags"}
"""What MLflow makes first; the rest comes by a chain of migrations, each known by its revision."""
BOOTSTRAP = {"alembic_version", "experiments", "experiment_tags", "workspaces", "scheduler_leases", "job_locks"}
"""Tables that have rows before anybody kept anything."""
COMPANIONS = ("-journal", "-wal", "-shm")
"""What SQLite keeps beside a database, by the end of its name."""
_REVISION = re.compile(r"^(down_)?revision\s*(?::[^=]*)?=\s*['\"]([0-9a-f]+)['\"]", re.MULTILINE)


class Found(NamedTuple):
    """What a file holds."""

    state: State
    """`half` has MLflow's tables, and not as the installed MLflow has them: half-made, or an older version's."""
    tables: int = 0
    runs: int = 0
    holds: bool = False
    """Whether anybody kept anything there."""
    lost: tuple[str, ...] = ()
    """Tables and columns that are missing though the revision is the newest one: no migration brings them."""


def look(path: Path, expected: Mapping[str, frozenset[str]] | None = None) -> Found:
    """Read what a file holds; it is not changed, but for what a killed writer left, which SQLite takes back.

    Args:
        path: the file; there may be none.
        expected: columns by table, as the installed MLflow has them; without, the revision alone is compared.

    Raises:
        sqlite3.Error: it is no SQLite database, is damaged, or cannot be opened.
    """
    if not path.exists() or path.stat().st_size == 0:
        return Found("none")
    # what a killed writer left is rolled back by whoever opens next, and that takes the right to write
    mode = "rw" if path.with_name(path.name + "-journal").exists() else "ro"
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=5)) as connection:
        tables = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        tables = {name for name in tables if not name.startswith("sqlite_")}
        _refuse_cut(connection, path)
        if not tables:
            return Found("none")
        revision = _revision(connection, tables)
        known, newest = revisions()
        if not _is_mlflows(connection, tables, revision in known):
            return Found("foreign", len(tables))
        holds = any(_has_rows(connection, name) for name in sorted(tables - BOOTSTRAP))
        runs = _count(connection, "runs") if "runs" in tables else 0
        lost = _lost(connection, tables, expected or {})
    if known and revision is not None and revision not in known:
        return Found("newer", len(tables), runs, holds)
    if known and revision != newest:
        return Found("half", len(tables), runs, holds)
    return Found("half" if lost else "whole", len(tables), runs, holds, lost)


@lru_cache
def revisions() -> tuple[frozenset[str], str]:
    """All revisions that the installed MLflow's tables went through, and the newest; empty where none are found.

    They are read from its files: importing it takes seconds.
    """
    found = find_spec("mlflow")
    if found is None or not found.submodule_search_locations:
        return frozenset(), ""
    folder = Path(found.submodule_search_locations[0]) / "store" / "db_migrations" / "versions"
    own: set[str] = set()
    earlier: set[str] = set()
    for path in folder.glob("*.py"):
        for down, name in _REVISION.findall(path.read_text(encoding="utf-8", errors="replace")):
            (earlier if down else own).add(name)
    newest = own - earlier
    return (frozenset(own), newest.pop()) if len(newest) == 1 else (frozenset(), "")


def installed() -> str:
    """The installed MLflow, for messages."""
    try:
        return f"MLflow {version('mlflow')}"
    except PackageNotFoundError:
        return "the installed MLflow"


def _refuse_cut(connection: sqlite3.Connection, path: Path) -> None:
    """Notice an end that is missing; SQLite does when it comes to read there."""
    pages, size = (int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "page_size"))
    there = path.stat().st_size
    if pages * size > there and not path.with_name(path.name + "-wal").exists():
        raise sqlite3.DatabaseError(f"expected {pages * size:,} bytes, got {there:,}")


def _is_mlflows(connection: sqlite3.Connection, tables: set[str], known: bool) -> bool:
    """Whether tables are MLflow's, by a revision of its own, or because they are the first that it makes."""
    if known or tables >= MLFLOW_TABLES:
        return True
    return "experiments" in tables <= FIRST_TABLES and "artifact_location" in _columns(connection, "experiments")


def _revision(connection: sqlite3.Connection, tables: set[str]) -> str | None:
    if "version_num" not in (_columns(connection, "alembic_version") if "alembic_version" in tables else ()):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def _lost(connection: sqlite3.Connection, tables: set[str], expected: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    found = [name for name in expected if name not in tables]
    for name in expected.keys() & tables:
        found += [f"{name}.{column}" for column in expected[name] - _columns(connection, name)]
    return tuple(sorted(found))


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {str(name) for (name,) in connection.execute("SELECT name FROM pragma_table_xinfo(?)", [table])}


def _has_rows(connection: sqlite3.Connection, table: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {_quoted(table)} LIMIT 1").fetchone() is not None  # noqa: S608


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT COUNT(*) FROM {_quoted(table)}").fetchone()[0])  # noqa: S608


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
