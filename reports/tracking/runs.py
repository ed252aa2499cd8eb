"""Where a record stands among MLflow's runs: one experiment, a parent for all that may be compared, a child a record.

A record has one run however often, and by however many processes at once, it is sent: runs are found by a tag,
and where two were made in the same moment, the one that was sent first stays.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..result.record import RunRecord

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

KEY = "facebench.key"
GROUP = "facebench.group"
RECORD = "facebench.record"
SHA256 = "facebench.sha256"
_SENT = "facebench.sent"
"""Milliseconds since 1970; MLflow's own start of a run is when the experiment started."""
_PARENT = "mlflow.parentRunId"
_NEUTRAL = {"mlflow.source.name": "facebench", "mlflow.source.type": "LOCAL"}
"""What MLflow's fluent interface would fill with the script's path; it would name the account, too."""
_ABOUT = (
    "Runs below this one may be compared: equal data, recipe, judge and attacks. Show the columns "
    "`utility/mean/accuracy` and `leakage/worst/rank1` side by side; runs tagged `unreliable: yes` failed a "
    "sanity bound."
)


def experiment_of(client: MlflowClient, name: str, artifacts: Path | None) -> str:
    """The experiment of that name, made or taken out of the trash where need be."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifacts.as_uri() if artifacts else None))
        except Exception:  # another process may have made it in the same moment
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def run_of(
    client: MlflowClient, experiment: str, record: RunRecord, *, digest: str, started: int
) -> tuple[str, str, list[str]]:
    """The record's own run, the run above it, and runs of earlier versions, which go to MLflow's trash.

    Args:
        client: connected.
        experiment: its identifier.
        record: what the run is for.
        digest: of the record's file; a run with another one is an earlier version.
        started: milliseconds since 1970.
    """
    parent = _parent(client, experiment, record)
    same: list[str] = []
    earlier: list[str] = []
    for run in _tagged(client, experiment, RECORD, record.name):
        (same if run.data.tags.get(SHA256) == digest else earlier).append(str(run.info.run_id))
    if not same:
        told = {**_NEUTRAL, RECORD: record.name, SHA256: digest, _PARENT: parent, KEY: _key(RECORD, record.name)}
        shown = record.name.removeprefix(f"{record.dataset}-{record.recipe}-")  # the run above tells the rest
        mine = client.create_run(experiment, started, told | {_SENT: _now()}, shown).info.run_id
        found = _tagged(client, experiment, RECORD, record.name)
        same = [str(run.info.run_id) for run in found if run.data.tags.get(SHA256) == digest] or [str(mine)]
    earlier += same[1:]
    for run_id in earlier:
        _delete(client, run_id)
    client.set_tag(same[0], _PARENT, parent)
    return same[0], parent, earlier


def settled(find: Callable[[], tuple[str, str]], send: Callable[[str, str], None]) -> str:
    """Send to the run that stays.

    A run that another process began to make before ours may be seen only after it, and then takes its place.

    Args:
        find: gives the run and the one above it, as they are now.
        send: fills them; what is there already may be sent again.
    """
    while True:
        run, parent = find()
        try:
            send(run, parent)
        except Exception as error:
            try:
                now = find()[0]
            except Exception:
                raise error from None  # what went wrong first is what the user has to hear
            if now == run:
                raise
            continue  # it was deleted while it was filled
        if find()[0] == run:
            return run


def _delete(client: MlflowClient, run: str) -> None:
    """Delete a run, unless another process just did."""
    try:
        client.delete_run(run)
    except Exception:
        if client.get_run(run).info.lifecycle_stage != "deleted":
            raise


def _parent(client: MlflowClient, experiment: str, record: RunRecord) -> str:
    group = "-".join(record.group)
    found = _tagged(client, experiment, GROUP, group)
    if not found:
        told = {**_NEUTRAL, GROUP: group, KEY: _key(GROUP, group), _SENT: _now(), "mlflow.note.content": _ABOUT}
        told |= {"dataset": record.dataset, "recipe": record.recipe}
        told |= {"recipe_hash": record.recipe_hash, "data_hash": record.data_hash}
        name = f"{record.dataset}-{record.recipe}-{record.recipe_hash[:8]}-{record.data_hash[:8]}"
        made = client.create_run(experiment, int(time.time() * 1000), told, name)
        client.set_terminated(made.info.run_id, "FINISHED")
        found = _tagged(client, experiment, GROUP, group) or [made]
    kept, *others = [str(run.info.run_id) for run in found]
    for other in others:
        for child in client.search_runs([experiment], f"tags.`{_PARENT}` = '{other}'"):
            client.set_tag(child.info.run_id, _PARENT, kept)
        _delete(client, other)
    return kept


def _tagged(client: MlflowClient, experiment: str, tag: str, value: str) -> list[Any]:
    """The runs that have a tag, those sent first first, so that all who look choose the same one."""
    found = client.search_runs([experiment], f"tags.`{KEY}` = '{_key(tag, value)}'", max_results=100)
    found = [run for run in found if run.data.tags.get(tag) == value]
    return sorted(found, key=lambda run: (run.data.tags.get(_SENT, ""), run.info.run_id))


def _key(tag: str, value: str) -> str:
    """What a run is found by: a digest, for MLflow's filters take no name that has both kinds of quotes."""
    return hashlib.sha256(f"{tag}={value}".encode()).hexdigest()[:32]


def _now() -> str:
    return str(int(time.time() * 1000))
