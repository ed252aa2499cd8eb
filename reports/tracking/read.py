"""Records from a shared MLflow: fetched, checked like files, and nothing of what is there executed.

From a server only that server is asked, by its own route for artifacts: where a run says that its artifacts lie is not
followed, and no more is read than a record may have.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..result import ledger
from ..result.record import RecordError, RunRecord
from .client import be_patient, connect, quietly, reason
from .runs import RECORD
from .schema_version import look
from .uri import TrackingError, check, shown, sqlite_path
from .watch import TooSlowError, Watch

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MOST_RUNS = 10_000
LARGEST = 32 << 20
"""Bytes of one record."""
_CHUNK = 1 << 16


def fetch(uri: str, *, experiment: str, say: Callable[[str], None] = lambda text: None) -> list[RunRecord]:
    """All records of an experiment, of each name the newest one.

    A run whose record is not there yet, or cannot be read, is passed over: it is one person's, and the board is
    everybody's.

    Args:
        uri: a `sqlite:///` file or a server, as for `mirror`.
        experiment: its name.
        say: told which runs were passed over, and why.

    Raises:
        TrackingError: the server does not answer, refuses, or takes too long, there is no such experiment or nothing in
            it, or there are more than MOST_RUNS runs.
        RecordError: every record is missing, damaged, too large, or of another layout; the message names the run of
            the first one.
    """
    check(uri)
    database = sqlite_path(uri)
    if database and not database.exists():
        raise TrackingError(f"tracking URI {uri!r}: {database} does not exist; check the path")
    if database and look(database).state != "whole":  # opened, MLflow would begin to change it
        raise TrackingError(
            f"tracking URI {uri!r}: {database} is half-made or of an older MLflow and holds no records; check the "
            "path, or send some there with `bench mirror`"
        )
    bad: list[RecordError] = []
    try:
        watch = Watch()
        with quietly():

            def exchange() -> list[RunRecord]:
                client = connect(uri) if database else watch.of(connect(uri))
                found = client.get_experiment_by_name(experiment)
                if found is None or found.lifecycle_stage != "active":
                    raise TrackingError(
                        f"MLflow at {shown(uri)}: expected an experiment {experiment!r:.200}, got none; name another "
                        "with --experiment-name, or send records there with `bench mirror`"
                    )
                be_patient()
                return list(_sound(client, uri, found.experiment_id, bad, watch))

            records = exchange() if database else watch.run(exchange)
    except TrackingError as error:
        if isinstance(error, TooSlowError):
            raise TrackingError(f"MLflow at {shown(uri)}: {error}") from error
        raise
    except Exception as error:  # whatever MLflow and its libraries raise
        raise TrackingError(
            f"MLflow at {shown(uri)}: records cannot be fetched ({reason(error, uri)}); check that the server runs and "
            "can be reached from here, and try again"
        ) from error
    if bad and not records:
        raise bad[0]
    for each in bad:
        say(f"warning: passed over: {each}")
    if not records:
        raise TrackingError(
            f"MLflow at {shown(uri)}: expected records in the experiment {experiment!r:.200}, got none; send some with "
            "`bench mirror`"
        )
    newest = {record.name: record for record in sorted(records, key=lambda record: record.created)}
    return sorted(newest.values(), key=lambda record: record.name)


def _sound(
    client: MlflowClient, uri: str, experiment: str, bad: list[RecordError], watch: Watch
) -> Iterator[RunRecord]:
    for run in _runs(client, experiment):
        try:
            yield _record(client, uri, run, watch)
        except RecordError as error:
            bad.append(error)


def _runs(client: MlflowClient, experiment: str) -> Iterator[Any]:
    """The runs that hold a record; runs that others keep in the same experiment, and parents, hold none."""
    token, seen = None, 0
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        seen += len(page)
        if seen > MOST_RUNS:
            raise TrackingError(
                f"experiment {experiment}: has more than {MOST_RUNS:,} runs; keep records in one of their own "
                "(--experiment-name)"
            )
        yield from (run for run in page if RECORD in run.data.tags)
        token = page.token
        if not token or not page:
            return


def _record(client: MlflowClient, uri: str, run: Any, watch: Watch) -> RunRecord:
    name, run_id = str(run.data.tags[RECORD]), str(run.info.run_id)
    where = f"MLflow run {run_id!r:.60}"
    if not re.fullmatch(r"[^/\\\x00-\x1f]{1,200}", name) or name.startswith(".") or name.endswith(".mirror"):
        raise RecordError(f"{where}: its tag {RECORD} is no name of a record: {name!r:.60}; delete the run in MLflow")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.json"
        if sqlite_path(uri) or not uri.lower().startswith(("http:", "https:")):
            _copy(client, run_id, path)
        else:
            with watch.request():
                _download(uri, run_id, path)
        try:
            (record,) = ledger.load(path.parent)
        except RecordError as error:
            raise RecordError(
                f"{where}: {str(error).replace(folder + '/', '')}; or update facebench, or delete the run in MLflow"
            ) from error
    return record


def _download(uri: str, run_id: str, path: Path) -> None:
    """Get a record through the server's own route, with the credentials that MLflow has for it."""
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    asked = {"path": path.name, "run_uuid": run_id}
    answer = http_request(
        get_default_host_creds(uri), "/get-artifact", "GET", params=asked, stream=True, allow_redirects=False
    )
    with answer, path.open("wb") as file:
        if answer.status_code != 200:
            raise RecordError(
                f"MLflow run {run_id!r:.60}: expected an artifact {path.name!r:.250}, and the server answered "
                f"{answer.status_code}; its record is not there yet, or was deleted: wait, send it again with "
                "`bench mirror`, or delete the run in MLflow"
            )
        size = 0
        for chunk in answer.iter_content(_CHUNK):
            size += len(chunk)
            _refuse_large(size, run_id)
            file.write(chunk)


def _copy(client: MlflowClient, run_id: str, path: Path) -> None:
    """Get a record from where a database of the user's own says that it lies."""
    listed = {found.path: found for found in client.list_artifacts(run_id)}
    found = listed.get(path.name)
    if found is None or found.is_dir:
        raise RecordError(
            f"MLflow run {run_id!r:.60}: expected an artifact {path.name!r:.250}, got none: it is not there yet, or "
            "was deleted; wait, send it again with `bench mirror`, or delete the run in MLflow"
        )
    _refuse_large(found.file_size or 0, run_id)
    client.download_artifacts(run_id, path.name, str(path.parent))


def _refuse_large(size: int, run_id: str) -> None:
    if size > LARGEST:
        raise RecordError(
            f"MLflow run {run_id!r:.60}: expected a record of at most {LARGEST >> 20} MiB, got a larger one; delete "
            "the run in MLflow"
        )
