"""A record's mirror in MLflow; the only file that knows MLflow. A mirror, never a source.

One MLflow experiment; in it one parent run for all that may be compared, and below it one run a method and seed.
Mirroring a record again updates its run.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import urllib.request
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import entries
from .mirrors import TrackingError, check, database, mark, mirrored, shown
from .record import RecordError, RunRecord

__all__ = ["EXPERIMENT", "TrackingError", "check", "mirror", "mirrored", "shown"]

EXPERIMENT = "facebench"
KEY = "facebench.key"
"""Tag by which runs are found again: a digest, because names may have quotes, which MLflow's filters cannot hold."""
_METRICS, _PARAMS = 1000, 100
"""MLflow's limits on one batch; tags have the limit of parameters."""
_CONNECT = 5.0
"""Seconds to wait for a server to answer at all."""
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # its own defaults try for minutes
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def mirror(
    record: RunRecord,
    *,
    uri: str,
    record_path: Path,
    figures: Sequence[Path] = (),
    logs: Mapping[str, Path] | None = None,
    artifacts_root: Path | None = None,
) -> str:
    """Mirror a record: parameters, scores, loss curves, figures, the record itself, and what data it is on.

    Args:
        record: what is mirrored.
        uri: MLflow's tracking URI; a database that is not there is made.
        record_path: the record's file; beside it is noted that it is mirrored.
        figures: PNG files.
        logs: training logs by stage, JSON lines with `step`.
        artifacts_root: folder for files where the URI is a database; `mlartifacts` beside it by default.

    Returns:
        The MLflow run's id.

    Raises:
        TrackingError: the server does not answer, the database is not MLflow's, or anything else went wrong there.
    """
    try:
        check(uri)
        file = database(uri)
        with ExitStack() as stack:
            if file is None:
                _reach(uri)
            else:
                stack.enter_context(_alone(file))
                artifacts_root = artifacts_root or file.absolute().parent / "mlartifacts"
            stack.enter_context(_quiet())
            run = _mirror(record, uri, record_path, figures, logs or {}, artifacts_root)
        mark(record_path, uri, run)
    except (TrackingError, RecordError) as error:
        raise _failed(record_path, uri, str(error)) from error
    except (OSError, ValueError, ImportError) as error:
        raise _failed(record_path, uri, f"{type(error).__name__}: {error}") from error
    return run


def _mirror(
    record: RunRecord,
    uri: str,
    record_path: Path,
    figures: Sequence[Path],
    logs: Mapping[str, Path],
    artifacts_root: Path | None,
) -> str:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from sqlalchemy.exc import SQLAlchemyError

    when = _milliseconds(record, record_path)
    metrics = [Metric(name, value, when, 0) for name, value in entries.metrics(record).items()]
    metrics += [Metric(name, value, when, step) for name, step, value in entries.curves(logs)]
    tags = [RunTag(key, value) for key, value in entries.tags(record).items()]
    try:
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        experiment = _experiment(client, artifacts_root)
        params = entries.parameters(record)
        run = _child(client, experiment, record, params, when)
        known = client.get_run(run).data.params
        new = [Param(key, value) for key, value in params.items() if key not in known]
        for start in range(0, len(new), _PARAMS):
            client.log_batch(run, params=new[start : start + _PARAMS])
        for start in range(0, len(metrics), _METRICS):
            client.log_batch(run, metrics=metrics[start : start + _METRICS])
        for start in range(0, len(tags), _PARAMS):
            client.log_batch(run, tags=tags[start : start + _PARAMS])
        source = json.dumps({"tags": {"mlflow.source.name": EXPERIMENT}})
        people = json.dumps({name: role.model_dump() for name, role in record.roles.items()})
        faces = Dataset(record.dataset, record.data_hash[:36], "code", source, profile=people)
        client.log_inputs(run, [DatasetInput(faces, [InputTag("mlflow.data.context", "benchmark")])])
        for figure in figures:
            client.log_artifact(run, str(figure), "figures")
        client.log_artifact(run, str(record_path))
        client.set_terminated(run, "FINISHED")
    except (MlflowException, SQLAlchemyError) as error:
        raise TrackingError(f"MLflow says: {error}") from error
    return str(run)


def _experiment(client: Any, artifacts_root: Path | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        try:
            return str(client.create_experiment(EXPERIMENT, artifacts_root and artifacts_root.absolute().as_uri()))
        except MlflowException:  # another client may have been faster
            found = client.get_experiment_by_name(EXPERIMENT)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"expected an active experiment {EXPERIMENT!r}, it is {found.lifecycle_stage}; bring it back with "
            f"`mlflow experiments restore --experiment-id {found.experiment_id}`"
        )
    return str(found.experiment_id)


def _child(client: Any, experiment: str, record: RunRecord, params: dict[str, str], when: int) -> str:
    """The run of a record, found by its tag or made below its parent."""
    compared = {key: getattr(record, key) for key in ("dataset", "recipe", "recipe_hash", "data_hash")}
    tags = {f"facebench.{key}": value for key, value in compared.items()}
    key = _digest(json.dumps(compared, sort_keys=True))
    parent = _found(client, experiment, key)
    if parent is None:
        name = f"{record.dataset}-{record.recipe}"
        parent = client.create_run(experiment, start_time=when, tags={**tags, KEY: key}, run_name=name)
        client.set_terminated(parent.info.run_id, "FINISHED")
    key = _digest(f"record {record.name}")
    child = _found(client, experiment, key)
    if child is not None:
        known = child.data.params
        if all(known.get(name, value) == value for name, value in params.items()):
            return str(child.info.run_id)
        client.delete_run(child.info.run_id)  # MLflow never changes a parameter; the old run goes to its bin
    tags = {**tags, KEY: key, "mlflow.parentRunId": parent.info.run_id}
    name = f"{record.method} seed {record.seed}"
    return str(client.create_run(experiment, start_time=when, tags=tags, run_name=name).info.run_id)


def _found(client: Any, experiment: str, key: str) -> Any:
    runs = client.search_runs([experiment], f"tags.`{KEY}` = '{key}'", max_results=1, order_by=["start_time ASC"])
    return runs[0] if runs else None


def _milliseconds(record: RunRecord, path: Path) -> int:
    """When the record was made: equal for equal records, so that mirroring twice adds no second point."""
    try:
        seconds = datetime.fromisoformat(record.created).timestamp()
    except (ValueError, OverflowError):
        seconds = path.stat().st_mtime
    return max(0, int(seconds * 1000))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]


def _reach(uri: str) -> None:
    """Find out in seconds that nobody listens, where MLflow would take minutes; proxies answer for themselves."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(parts.hostname):
        return
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        socket.create_connection((parts.hostname, port), timeout=_CONNECT).close()
    except (OSError, ValueError) as error:
        raise TrackingError(
            f"expected an MLflow server at {parts.hostname}, nobody answers ({error}); "
            "start it or give another --tracking-uri"
        ) from error


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Nobody else of ours makes the database's tables or the parent run meanwhile."""
    from filelock import FileLock, Timeout

    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(file.with_name(f".{file.name}.lock"), timeout=120):
            yield
    except Timeout as error:
        raise TrackingError(f"{file} is in use by another run for two minutes") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow with our settings and without its chatter; all is put back afterwards."""
    before = {key: os.environ.get(key) for key in _SETTINGS}
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "urllib3")]
    levels = [logger.level for logger in loggers]
    os.environ.update(_SETTINGS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mlflow  # noqa: F401 - sets the level of its loggers

            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def _failed(record_path: Path, uri: str, why: str) -> TrackingError:
    password = urlsplit(uri).password
    why = why.replace(uri, shown(uri))
    why = " ".join((why.replace(password, "***") if password else why).split())[:500]
    return TrackingError(
        f"record not mirrored to {shown(uri)}: {why}. "
        f"The record is safe at {record_path}: mirror it later with `bench mirror`"
    )
