"""Where records are mirrored to: tracking URIs, checked before anything is made, and what is there already.

Nothing here imports a tracker, so that a run whose results are all kept costs nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from .ledger import MARKER

_LARGEST = 2**20
_SERVERS = ("http", "https", "databricks", "postgresql", "mysql", "mssql")
_OWN = {"alembic_version", "experiments", "runs"}
"""Tables of every MLflow database."""


class TrackingError(OSError):
    """A record that cannot be mirrored; the message says what, where, expected, got and what to do."""


def shown(uri: str) -> str:
    """A tracking URI without its password."""
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{host}"))


def database(uri: str) -> Path | None:
    """The file of an SQLite URI; None for other URIs."""
    scheme, _, rest = uri.partition(":///")
    if scheme.partition("+")[0] != "sqlite":
        return None
    return Path(rest.partition("?")[0])


def check(uri: str) -> None:
    """See whether records can be mirrored there, without asking a server and without changing a file.

    Raises:
        TrackingError: the URI is none that MLflow takes, or names a file that is no MLflow database.
    """
    scheme = urlsplit(uri).scheme.partition("+")[0]
    file = database(uri)
    if file is not None and file.name not in ("", ":memory:"):
        _check_database(file, uri)
    elif scheme not in _SERVERS and uri != "databricks":
        raise TrackingError(
            f"tracking URI {shown(uri)!r}: expected sqlite:///PATH/mlflow.db or the http(s):// address of an MLflow "
            "server (plain folders are not taken by MLflow any more, and a database in memory would be lost); "
            "give one with --tracking-uri, or `none` for no tracking"
        )


def _check_database(file: Path, uri: str) -> None:
    where = f"tracking database {file}"
    if not file.exists():
        folder = next(parent for parent in file.absolute().parents if parent.exists())
        if not (folder.is_dir() and os.access(folder, os.W_OK)):
            raise TrackingError(f"{where}: expected a place to make it, but {folder} cannot be written; "
                                "give another --tracking-uri")  # fmt: skip
        return
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as base:
            tables = {name for (name,) in base.execute("select name from sqlite_master where type = 'table'")}
    except sqlite3.Error as error:
        raise TrackingError(f"{where}: expected a database of MLflow, cannot read it as SQLite ({error}); "
                            "give another --tracking-uri, such as sqlite:///mlflow.db in an empty folder"
                            ) from error  # fmt: skip
    if tables and not tables >= _OWN:
        raise TrackingError(
            f"{where}: expected a database of MLflow, got one with other tables ({', '.join(sorted(tables)[:3])}); "
            f"it was not changed; give another --tracking-uri than {uri}"
        )
    if not os.access(file, os.W_OK):
        raise TrackingError(f"{where}: expected a file that can be written, this one is read-only; "
                            "give another --tracking-uri")  # fmt: skip


def mirrored(record_path: Path, uri: str) -> bool:
    """Whether this very record is mirrored there already; a server is not asked, a database is looked into."""
    run = _marked(record_path).get(_key(uri))
    if run is None:
        return False
    file = database(uri)
    return file is None or _has(file, run)


def _has(file: Path, run: str) -> bool:
    """Whether a database still has a run; it may have been removed since."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as base:
            query = "select 1 from runs where run_uuid = ? and lifecycle_stage = 'active'"
            return base.execute(query, (run,)).fetchone() is not None
    except sqlite3.Error:
        return False


def mark(record_path: Path, uri: str, run: str) -> None:
    """Note beside a record that a run mirrors it; notes about an earlier version of the record are dropped.

    Raises:
        OSError: the folder cannot be written.
    """
    runs = {**_marked(record_path), _key(uri): run}
    text = json.dumps({"sha256": _digest(record_path), "runs": runs}, indent=1, sort_keys=True) + "\n"
    partial = ""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=record_path.parent, suffix=".part", delete=False
        ) as file:
            partial = file.name
            file.write(text)
        Path(partial).replace(_marker(record_path))
    finally:
        if partial:
            Path(partial).unlink(missing_ok=True)


def _marked(record_path: Path) -> dict[str, str]:
    """URI to run of the record as it is now; what cannot be read says nothing, and mirroring again does no harm."""
    try:
        path = _marker(record_path)
        if path.stat().st_size > _LARGEST:
            return {}
        kept = json.loads(path.read_bytes())
        if kept["sha256"] == _digest(record_path):
            return {str(uri): str(run) for uri, run in kept["runs"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return {}


def _marker(record_path: Path) -> Path:
    return record_path.with_name(record_path.stem + MARKER)


def _digest(record_path: Path) -> str:
    return hashlib.sha256(record_path.read_bytes()).hexdigest()


def _key(uri: str) -> str:
    """The URI as it is noted: a relative database is another one in another folder; a password is nobody's business."""
    file = database(uri)
    return shown(uri) if file is None else f"sqlite:///{file.absolute()}"
