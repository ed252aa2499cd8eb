"""MLflow's database as a local SQLite file: it appears whole or not at all, and a half-made one stops nobody.

MLflow makes its tables by a chain of some seventy migrations, in seconds, none of which can be done twice. A process
that is killed in between, or a disk that is full, would leave a file that no MLflow opens again.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from .client import connect
from .schema_version import COMPANIONS, Found, installed, look
from .uri import TrackingError, plain_uri, refuse, shown, unreadable

QUIET = 5.0
"""Seconds without a change after which a half-made database counts as given up: another MLflow may be making it."""
LONGEST_WAIT = 60.0
_TRIES = 3


def prepare(uri: str, database: Path, say: Callable[[str], None]) -> None:
    """See to it that there is a whole database, under a lock that the caller holds.

    A new one is made beside its place and takes it when it is whole and on the disk. A half-made one that holds
    nothing is set aside as `NAME.broken-N`, and a new one takes its place; one that holds something is left alone.

    Args:
        uri: what the user named.
        database: its file.
        say: told what was set aside.

    Raises:
        TrackingError: what is there cannot be used.
        OSError, sqlite3.Error, or whatever MLflow raises: a new one cannot be made.
    """
    path = Path(os.path.realpath(database))
    _sweep(path)
    for _ in range(_TRIES):
        found = _looked(uri, path)
        if found.state != "whole" and path.exists():
            refuse(uri, path, found)
            found = _settled(uri, path, found)
            refuse(uri, path, found)
        if found.state == "whole":
            return
        if path.exists():
            _clear(path, found, say)
        if _made(path):
            return
    raise TrackingError(
        f"tracking URI {shown(uri)!r}: {path} was half-made {_TRIES} times by something else; see what else writes "
        "there, or name another file with --tracking-uri"
    )


def _looked(uri: str, path: Path) -> Found:
    try:
        return look(path, _expected())
    except sqlite3.Error as error:
        raise unreadable(uri, path, error) from error


def _settled(uri: str, path: Path, found: Found) -> Found:
    """What the file holds once nobody changes it any more."""
    last, since, started = _stamp(path), time.monotonic(), time.monotonic()
    if time.time() - last[0] / 1e9 >= QUIET:
        return found
    while found.state != "whole" and time.monotonic() - since < QUIET and time.monotonic() - started < LONGEST_WAIT:
        time.sleep(0.2)
        now = _stamp(path)
        if now != last:
            last, since = now, time.monotonic()
        found = _looked(uri, path)
    return found


def _stamp(path: Path) -> tuple[int, int]:
    """Latest change in nanoseconds since 1970, and bytes, of a database and what SQLite keeps beside it."""
    latest, size = 0, 0
    for name in ("", *COMPANIONS):
        with suppress(FileNotFoundError):
            seen = path.with_name(path.name + name).stat()
            latest, size = max(latest, seen.st_mtime_ns), size + seen.st_size
    return latest, size


def _clear(path: Path, found: Found, say: Callable[[str], None]) -> None:
    """Take a database out of the way that holds nothing."""
    if path.stat().st_size == 0:
        path.unlink()
        return
    aside = _set_aside(path)
    say(
        f"MLflow's database {path} was half-made or of an older version, with {found.tables} tables and no runs; it "
        f"was set aside as {aside.name}, and a new one is made in its place"
    )


def _set_aside(path: Path) -> Path:
    """Rename a database, if there is one, and what SQLite keeps beside it, which would spoil a new one."""
    n = 1
    while any(_aside(path, n, end).exists() for end in ("", *COMPANIONS)):
        n += 1
    for end in ("", *COMPANIONS):
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(_aside(path, n, end))
    return _aside(path, n, "")


def _aside(path: Path, n: int, end: str) -> Path:
    return path.with_name(f"{path.name}.broken-{n}{end}")


def _made(path: Path) -> bool:
    """Make a new database; False where another process put one there meanwhile."""
    with TemporaryDirectory(prefix=_prefix(path), dir=path.parent) as folder:
        made, whole = Path(folder) / "made.db", Path(folder) / "whole.db"
        connect(plain_uri(made)).search_experiments(max_results=1)
        with closing(sqlite3.connect(made)) as source, closing(sqlite3.connect(whole)) as copy:
            source.backup(copy)  # MLflow keeps the one that it made open
        if look(whole, _expected()).state != "whole":
            raise TrackingError(f"{installed()} made a database that lacks some of its own tables; install it again")
        _sync(whole)
        if not path.exists() and any(path.with_name(path.name + end).exists() for end in COMPANIONS):
            _set_aside(path)  # of a database that is gone
        try:
            os.link(whole, path)  # a rename would take the place of one that appeared meanwhile
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if path.exists():
                return False
            whole.rename(path)
        _sync(path.parent)
    return True


def _prefix(path: Path) -> str:
    return f".{path.name[:60]}.making-"


def _sweep(path: Path) -> None:
    """Remove what killed makers left."""
    for left in path.parent.iterdir():
        if left.name.startswith(_prefix(path)):
            shutil.rmtree(left, ignore_errors=True)


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@lru_cache
def _expected() -> Mapping[str, frozenset[str]]:
    """Columns by table, as the installed MLflow declares them; none where it keeps them elsewhere."""
    try:
        import mlflow.store.model_registry.dbmodels.models
        import mlflow.store.tracking.dbmodels.models  # noqa: F401  # they declare their tables
        from mlflow.store.db.base_sql_model import Base
    except ImportError:
        return {}
    return {
        str(name): frozenset(str(column.name) for column in table.columns)
        for name, table in Base.metadata.tables.items()
    }
