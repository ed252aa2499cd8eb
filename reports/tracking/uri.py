"""Where a mirror goes: tracking URIs, looked at before a run without importing MLflow and without touching anything."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path

from ... import FacebenchError
from .schema_version import Found, installed, look

EXAMPLE = "sqlite:///mlflow.db"
SERVERS = ("http", "https", "postgresql", "mysql", "mssql", "databricks")
"""Contacted only when a record is mirrored."""


class TrackingError(FacebenchError, RuntimeError):
    """A record that cannot be mirrored; the message says why and what to do. The record itself is not concerned."""


def check(uri: str) -> None:
    """Refuse a tracking URI that cannot work, before a run and not after it.

    A SQLite file is only read; servers are not contacted.

    Raises:
        TrackingError: a folder or `file:` URI (MLflow 3.13 and later refuse file stores), an unknown kind of URI, a
            file that is no SQLite or belongs to something else than MLflow, one that holds runs in tables of another
            version, a folder that is missing or read-only.
    """
    database = sqlite_path(uri)
    if database is not None:
        _check_sqlite(uri, database)
        return
    scheme = uri.partition(":")[0].partition("+")[0].lower()
    if uri != "databricks" and ("://" not in uri or scheme not in SERVERS):
        stores = "MLflow no longer writes to folders; " if "://" not in uri or scheme == "file" else ""
        raise TrackingError(
            f"tracking URI {shown(uri)!r}: {stores}expected a database such as {EXAMPLE}, or a server such as "
            "http://127.0.0.1:5000; give one with --tracking-uri, or --tracking-uri none"
        )


def sqlite_path(uri: str) -> Path | None:
    """The file of a `sqlite:` URI, absolute; None for other URIs.

    Raises:
        TrackingError: the URI names no file.
    """
    found = re.match(r"sqlite(\+\w+)?:(//)?/?", uri)
    if not found:
        return None
    name = uri[found.end() :].partition("?")[0]
    if not found.group().endswith(":///") or name in {"", ":memory:"}:
        raise TrackingError(
            f"tracking URI {uri!r}: names no file, so nothing would be kept; expected sqlite:/// and a path, "
            f"relative ({EXAMPLE}) or absolute (sqlite:////home/me/mlflow.db)"
        )
    path = Path.cwd() / name
    if "?" in str(path):
        raise TrackingError(
            f"tracking URI {uri!r}: {path} has a question mark, where such URIs end; name a file in another folder"
        )
    return path


def plain_uri(database: Path) -> str:
    """The URI of a database that means the same file to every reader.

    SQLAlchemy from 2.1 on takes `%20` in a path for a space, MLflow's own code does not; so a path with a percent sign
    goes from the working folder, where that leaves it out.

    Raises:
        TrackingError: the percent sign stays.
    """
    path = str(database)
    if "%" in path:
        path = os.path.relpath(path)
    if "%" in path:
        raise TrackingError(
            f"tracking database {database}: has a percent sign in its path, which URIs take for a code; "
            "run in that folder, or name a file in another one with --tracking-uri"
        )
    return f"sqlite:///{path}"


def canonical(uri: str) -> str:
    """The URI under which a mirror is remembered: absolute, without user and password."""
    database = sqlite_path(uri)
    return f"sqlite:///{database}" if database is not None else shown(uri)


def shown(uri: str) -> str:
    """The URI without user and password, as messages and markers hold it."""
    return re.sub(r"://[^/]*@", "://", uri)


def _check_sqlite(uri: str, path: Path) -> None:
    plain_uri(path)
    if not path.parent.is_dir():
        raise TrackingError(f"tracking URI {uri!r}: the folder {path.parent} does not exist; make it, or name another")
    present = path.exists()
    writable = os.access(path.parent, os.W_OK) and (not present or os.access(path, os.R_OK | os.W_OK))
    if not writable:
        raise TrackingError(
            f"tracking URI {uri!r}: {path} and its folder have to be writable, and are not; "
            "change their permissions, or name another file with --tracking-uri"
        )
    if not present:
        return
    if not path.is_file():
        raise TrackingError(f"tracking URI {uri!r}: {path} is not a file; expected a SQLite file, or none yet")
    try:
        found = look(path)
    except sqlite3.Error as error:
        raise unreadable(uri, path, error) from error
    refuse(uri, path, found)


def refuse(uri: str, path: Path, found: Found) -> None:
    """Refuse a database that cannot be used, and must not be replaced either, since it holds something.

    Raises:
        TrackingError: it is not MLflow's, or of a newer version, or half-made or older and not empty.
    """
    where = f"tracking URI {shown(uri)!r}:"
    if found.state == "foreign":
        raise TrackingError(
            f"{where} expected MLflow's tables in {path}, got a database of something else with {found.tables} tables; "
            "it was left as it is: name another file with --tracking-uri"
        )
    if found.state == "newer":
        raise TrackingError(
            f"{where} {path} was made by a newer MLflow than the one here ({installed()}); it was left as it is: "
            "`pip install --upgrade mlflow`, or name another file with --tracking-uri"
        )
    if found.state == "half" and found.holds:
        held = f"{found.runs} runs" if found.runs else "no runs, but other things"
        if found.lost:
            names = ", ".join(found.lost[:3]) + (", ..." if len(found.lost) > 3 else "")
            do = f"{names} is missing, which no upgrade brings: take a backup of it, or name"
        else:
            do = f"make a copy of it and run `mlflow db upgrade {plain_uri(path)}`, or, if that fails, name"
        raise TrackingError(
            f"{where} {path} holds {held}, and its tables are not those of {installed()}: half-made, or made by an "
            f"older version; it was left as it is: {do} another file with --tracking-uri"
        )


def unreadable(uri: str, path: Path, error: sqlite3.Error) -> TrackingError:
    """What to say of a file that SQLite cannot read, which may hold anything and is left alone."""
    if "locked" in str(error):
        return TrackingError(f"tracking URI {shown(uri)!r}: {path} is locked by another process; try again later")
    return TrackingError(
        f"tracking URI {shown(uri)!r}: {path} cannot be read as a SQLite database ({error}), so whether it holds runs "
        "is not known; it was left as it is: move it away, or name another file with --tracking-uri"
    )
