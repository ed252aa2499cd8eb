"""A record's mirror in MLflow: to look at, to compare, and to share. The record stays what counts.

`tracking_runs` says where a record stands among MLflow's runs, `tracking_models` brings networks along, and
`tracking_read` brings records back from a server. Nothing global is set: variables and log levels that are changed
for a call are as before after it.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from ..result.ledger import MARKER
from ..result.locks import NO_LOCKS, locked, without_locks
from ..result.record import RunRecord
from . import entries
from . import uri as tracking_uri
from .client import EXPERIMENT, LATER_ANSWERS, be_patient, connect, quietly, reason
from .database import prepare
from .models import Model, Opened, drop_models, log_models
from .runs import experiment_of, run_of, settled
from .uri import TrackingError, canonical, shown, sqlite_path
from .watch import TooSlowError, Watch, limit

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

__all__ = ["EXPERIMENT", "Model", "Opened", "TrackingError", "check", "mirror", "mirrored"]

ARTIFACTS = "mlartifacts"
"""Folder beside a SQLite file for figures and records."""
LOCK = ".mirror.lock"


def check(uri: str) -> None:
    """Refuse before a run what could not work after it: as `tracking_uri.check`, and a limit that is none.

    Raises:
        TrackingError: it could not.
    """
    tracking_uri.check(uri)
    limit()


def mirrored(
    record_path: Path, uri: str, *, experiment: str = EXPERIMENT, models: bool = False, faces: bool = False
) -> bool:
    """Whether this very record is in MLflow there, as its marker says; MLflow is not asked.

    Args:
        record_path: the record's file.
        uri: where it would be.
        experiment: its name there.
        models: whether its models have to be there, too.
        faces: whether its pictures of real faces have to be.
    """
    try:
        database = sqlite_path(uri)
        known = _marker(record_path).get(_place(uri, experiment))
        return (
            isinstance(known, dict)
            and (database is None or database.is_file())
            and known.get("sha256") == _sha256(record_path)
            and (not models or known.get("models") is True)
            and (not faces or known.get("faces") is True)
        )
    except (OSError, TrackingError):
        return False


def mirror(
    record: RunRecord,
    *,
    uri: str,
    record_path: Path,
    experiment: str = EXPERIMENT,
    figures: Sequence[Path] = (),
    logs: Mapping[str, Path] | None = None,
    system: Path | None = None,
    models: Opened | None = None,
    page: Path | None = None,
    faces: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> str:
    """Put a record into MLflow, or bring its run there up to date; the run's identifier.

    A record that is there unchanged keeps its run, which is completed. One that has changed replaces its run, for
    parameters of a run cannot change and old losses would stay among new ones: the old run goes to MLflow's trash.

    Args:
        record: what is mirrored.
        uri: a `sqlite:///` file, which is made where there is none, or a server.
        record_path: the record's file; it goes along, and a marker beside it says that it was mirrored.
        experiment: name of the experiment in MLflow.
        figures: pictures that go along.
        logs: training logs by stage, JSON lines with `step`.
        system: load of the machine during the run, as `tracking_system.sampling` writes it.
        models: networks by name, opened only where they are not there yet. They can leak the faces they were
            trained on, so nobody's business but the caller's whether they go.
        page: a report on all runs that may be compared with this one; it goes to the run above.
        faces: whether pictures of real faces are among the figures, for the marker; whether they may be is nobody's
            business but the caller's.
        say: told what else the user has to know, such as a half-made database that was set aside.

    Raises:
        TrackingError: the URI cannot work, the server does not answer, refuses, or takes too long. The record is not
            touched.
    """
    check(uri)
    database = sqlite_path(uri)
    artifacts = database.parent / ARTIFACTS if database else None
    try:
        if artifacts:
            artifacts.mkdir(exist_ok=True)
        watch = Watch()
        with locked((artifacts or record_path.parent) / LOCK, timeout=LATER_ANSWERS), quietly():
            if database:
                prepare(uri, database, say)
            digest = _sha256(record_path)
            ended = _ended(record)
            started = ended - round(1000 * sum(stage.seconds for stage in record.stages))

            def exchange() -> str:
                client = connect(uri) if database else watch.of(connect(uri))
                place = experiment_of(client, experiment, artifacts)
                be_patient()

                def send(run: str, parent: str) -> None:
                    _fill(client, run, record, _points(record, logs or {}, system))
                    for path in (record_path, *figures):
                        client.log_artifact(run, str(path), None if path == record_path else "figures")
                    if page:
                        client.log_artifact(parent, str(page))
                    client.set_terminated(run, "FINISHED", ended)
                    log_models(client, place, run, models or {})

                def find() -> tuple[str, str]:
                    run, parent, earlier = run_of(client, place, record, digest=digest, started=started)
                    drop_models(client, place, earlier)
                    return run, parent

                return settled(find, send)

            run = exchange() if database else watch.run(exchange)
        had = _marker(record_path).get(_place(uri, experiment))
        kept = had if isinstance(had, dict) and had.get("run") == run else {}
        went = {"models": models is not None, "faces": faces}
        went = {name: there or kept.get(name) is True for name, there in went.items()}
        _mark(record_path, _place(uri, experiment), run=run, sha256=digest, **went)
    except TrackingError as error:
        if isinstance(error, TooSlowError):
            raise TrackingError(_said(error, uri, record_path)) from error
        raise TrackingError(f"{error}; {_safe(record_path)}") from error
    except Exception as error:  # whatever MLflow and its libraries raise: a mirror takes no finished run down
        raise TrackingError(_said(error, uri, record_path)) from error
    return run


def _fill(client: MlflowClient, run: str, record: RunRecord, points: Iterator[tuple[str, int, float, int]]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    params = iter([Param(name, value) for name, value in entries.parameters(record).items()])
    while batch := list(islice(params, 100)):
        client.log_batch(run, params=batch)
    tags = iter([RunTag(name, value) for name, value in entries.tags(record).items()])
    while batch := list(islice(tags, 100)):
        client.log_batch(run, tags=batch)
    metrics = (Metric(name, value, when, step) for name, step, value, when in points)
    while batch := list(islice(metrics, 1000)):
        client.log_batch(run, metrics=batch)
    inputs = [
        DatasetInput(
            Dataset(used.name, used.digest, "facebench", json.dumps(used.source), profile=json.dumps(used.profile)),
            [InputTag("mlflow.data.context", used.context)],
        )
        for used in entries.datasets(record)
    ]
    _log_inputs(client, run, inputs)


def _log_inputs(client: MlflowClient, run: str, inputs: list[Any]) -> None:
    """Say what a run was made from; again where another process said it of the same data in the same moment."""
    for last in (False, False, True):
        try:
            client.log_inputs(run, inputs)
            return
        except Exception as error:
            if last or not re.search("unique|duplicate", str(error), re.IGNORECASE):
                raise
            time.sleep(0.2)


def _points(
    record: RunRecord, logs: Mapping[str, Path], system: Path | None
) -> Iterator[tuple[str, int, float, int]]:  # fmt: skip
    """Name, step, value, and milliseconds since 1970: never now, for the same point sent twice is one point."""
    when = _ended(record)
    yield from ((name, 0, value, when) for name, value in entries.metrics(record).items())
    yield from ((name, step, value, when) for name, step, value in entries.curves(logs))
    if system:
        yield from entries.load(system)


def _ended(record: RunRecord) -> int:
    """When the run ended, in milliseconds."""
    return round(1000 * datetime.fromisoformat(record.created).timestamp())


def _said(error: Exception, uri: str, record_path: Path) -> str:
    if isinstance(error, Timeout):
        text = f"another run holds {error.lock_file}"
    elif isinstance(error, OSError) and error.errno in NO_LOCKS:
        database = sqlite_path(uri)
        text = without_locks(database.parent if database else record_path.parent, error)
    else:
        text = reason(error, uri)
    return f"MLflow at {shown(uri)}: {record_path.stem} could not be mirrored ({text}); {_safe(record_path)}"


def _safe(record_path: Path) -> str:
    return f"the record is safe at {record_path}; send it later with `bench mirror`"


def _place(uri: str, experiment: str) -> str:
    """Under what a marker remembers a mirror."""
    return canonical(uri) if experiment == EXPERIMENT else f"{canonical(uri)} {experiment}"


def _marker(record_path: Path) -> dict[str, Any]:
    try:
        found = json.loads(record_path.with_name(record_path.stem + MARKER).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}  # none, or damaged: mirroring again finds the run by its tag
    return found if isinstance(found, dict) else {}


def _mark(record_path: Path, place: str, **known: str | bool) -> None:
    text = json.dumps({**_marker(record_path), place: known}, indent=1, sort_keys=True) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=record_path.parent, suffix=".part", delete=False) as file:
        file.write(text)
    Path(file.name).replace(record_path.with_name(record_path.stem + MARKER))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
