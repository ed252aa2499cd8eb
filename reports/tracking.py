"""A record's mirror in MLflow: to look at, to compare, never a source. The only file that knows MLflow.

One experiment, one parent run for everything that may be compared, one child run a record. Nothing global is set:
variables and log levels that are changed for a call are as before after it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from . import entries
from .ledger import MARKER
from .record import RunRecord
from .tracking_uri import TrackingError, canonical, check, plain_uri, shown, sqlite_path

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

__all__ = ["TrackingError", "check", "mirror", "mirrored"]

EXPERIMENT = "facebench"
ARTIFACTS = "mlartifacts"
"""Folder beside a SQLite file for figures and records."""
LOCK = ".mirror.lock"
KEY = "facebench.key"
FIRST_ANSWER = 4
"""Seconds in which a server has to answer the first request; whole numbers only."""
LATER_ANSWERS = 60
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(FIRST_ANSWER),
}


def mirrored(record_path: Path, uri: str) -> bool:
    """Whether this very record is in MLflow there, as its marker says; MLflow is not asked."""
    try:
        database = sqlite_path(uri)
        known = _marker(record_path).get(canonical(uri))
        return (
            isinstance(known, dict)
            and (database is None or database.is_file())
            and known.get("sha256") == _sha256(record_path)
        )
    except (OSError, TrackingError):
        return False


def mirror(
    record: RunRecord,
    *,
    uri: str,
    record_path: Path,
    figures: Sequence[Path] = (),
    logs: Mapping[str, Path] | None = None,
) -> str:
    """Put a record into MLflow, or bring its run there up to date; the run's identifier.

    A record that is there unchanged keeps its run, which is completed. One that has changed replaces its run, for
    parameters of a run cannot change and old losses would stay among new ones: the old run goes to MLflow's trash.

    Args:
        record: what is mirrored.
        uri: a `sqlite:///` file, which is made where there is none, or a server.
        record_path: the record's file; it goes along, and a marker beside it says that it was mirrored.
        figures: pictures that go along.
        logs: training logs by stage, JSON lines with `step`.

    Raises:
        TrackingError: the URI cannot work, the server does not answer or refuses. The record is not touched.
    """
    check(uri)
    database = sqlite_path(uri)
    artifacts = database.parent / ARTIFACTS if database else None
    try:
        if artifacts:
            artifacts.mkdir(exist_ok=True)
        with FileLock((artifacts or record_path.parent) / LOCK, timeout=LATER_ANSWERS), _quietly():
            client = _connect(plain_uri(database) if database else uri)
            experiment = _experiment(client, artifacts)
            os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(LATER_ANSWERS)
            digest = _sha256(record_path)
            run = _run(client, experiment, record, digest)
            _fill(client, run, record, logs or {})
            for path in (record_path, *figures):
                client.log_artifact(run, str(path), None if path == record_path else "figures")
            client.set_terminated(run, "FINISHED", _ended(record))
        _mark(record_path, uri, run=run, sha256=digest)
    except Exception as error:  # whatever MLflow and its libraries raise: a mirror takes no finished run down
        raise TrackingError(_said(error, uri, record_path)) from error
    return run


def _connect(uri: str) -> MlflowClient:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _experiment(client: MlflowClient, artifacts: Path | None) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        created = client.create_experiment(EXPERIMENT, artifacts.as_uri() if artifacts else None)
        return str(created)
    if found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _run(client: MlflowClient, experiment: str, record: RunRecord, digest: str) -> str:
    """The record's own run, below the run of its group."""
    started = _ended(record) - round(1000 * sum(stage.seconds for stage in record.stages))
    group = f"{record.dataset}-{record.recipe}-{record.recipe_hash}"
    parents = _tagged(client, experiment, "facebench.group", group)
    if parents:
        parent = parents[0].info.run_id
    else:
        told = {"facebench.group": group, "dataset": record.dataset, "recipe": record.recipe}
        told[KEY] = _key("facebench.group", group)
        told["recipe_hash"] = record.recipe_hash
        parent = client.create_run(experiment, started, told, group).info.run_id
        client.set_terminated(parent, "FINISHED")
    kept = None
    for run in _tagged(client, experiment, "facebench.record", record.name):
        if kept is None and run.data.tags.get("facebench.sha256") == digest:
            kept = str(run.info.run_id)
        else:
            client.delete_run(run.info.run_id)
    if kept:
        return kept
    told = {"facebench.record": record.name, "facebench.sha256": digest, "mlflow.parentRunId": parent}
    told[KEY] = _key("facebench.record", record.name)
    return str(client.create_run(experiment, started, told, record.name).info.run_id)


def _tagged(client: MlflowClient, experiment: str, tag: str, value: str) -> list[Any]:
    found = client.search_runs([experiment], f"tags.`{KEY}` = '{_key(tag, value)}'", max_results=100)
    return [run for run in found if run.data.tags.get(tag) == value]


def _key(tag: str, value: str) -> str:
    """What a run is found by: a digest, for MLflow's filters take no name that has both kinds of quotes."""
    return hashlib.sha256(f"{tag}={value}".encode()).hexdigest()[:32]


def _fill(client: MlflowClient, run: str, record: RunRecord, logs: Mapping[str, Path]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    when = _ended(record)  # not now: the same point sent twice is one point
    params = iter([Param(name, value) for name, value in entries.parameters(record).items()])
    while batch := list(islice(params, 100)):
        client.log_batch(run, params=batch)
    tags = iter([RunTag(name, value) for name, value in entries.tags(record).items()])
    while batch := list(islice(tags, 100)):
        client.log_batch(run, tags=batch)
    points = (Metric(name, value, when, step) for name, step, value in _points(record, logs))
    while batch := list(islice(points, 1000)):
        client.log_batch(run, metrics=batch)
    source = json.dumps({"dataset": record.dataset})
    people = {name: role.model_dump() for name, role in record.roles.items()}
    faces = Dataset(record.dataset[:500], record.data_hash[:36], "facebench", source, profile=json.dumps(people))
    client.log_inputs(run, [DatasetInput(faces, [InputTag("mlflow.data.context", "benchmark")])])


def _points(record: RunRecord, logs: Mapping[str, Path]) -> Iterator[tuple[str, int, float]]:
    yield from ((name, 0, value) for name, value in entries.metrics(record).items())
    yield from entries.curves(logs)


def _ended(record: RunRecord) -> int:
    """When the run ended, in milliseconds."""
    return round(1000 * datetime.fromisoformat(record.created).timestamp())


@contextmanager
def _quietly() -> Iterator[None]:
    """No telemetry, no warnings, no lines of MLflow's own, no minutes of retries; all as before afterwards."""
    before = {name: os.environ.get(name) for name in QUIET}
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "urllib3.connectionpool")]
    levels = [logger.level for logger in loggers]
    os.environ.update(QUIET)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mlflow  # noqa: F401  # it sets log levels when it is imported

            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _said(error: Exception, uri: str, record_path: Path) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    user = re.search(r"://([^/]*@)", uri)
    if isinstance(error, Timeout):
        text = f"another run holds {error.lock_file}"
    elif user:
        text = text.replace(user.group(1), "")
    return (
        f"MLflow at {shown(uri)}: {record_path.stem} could not be mirrored ({text[:300]}); "
        f"the record is safe at {record_path}; send it later with `bench mirror`"
    )


def _marker(record_path: Path) -> dict[str, Any]:
    try:
        found = json.loads(record_path.with_name(record_path.stem + MARKER).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}  # none, or damaged: mirroring again finds the run by its tag
    return found if isinstance(found, dict) else {}


def _mark(record_path: Path, uri: str, **known: str) -> None:
    text = json.dumps({**_marker(record_path), canonical(uri): known}, indent=1, sort_keys=True) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=record_path.parent, suffix=".part", delete=False) as file:
        file.write(text)
    Path(file.name).replace(record_path.with_name(record_path.stem + MARKER))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
