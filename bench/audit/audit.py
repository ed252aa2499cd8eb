"""Whether records say what was measured, as far as it can be seen from here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ... import FacebenchError
from ...reports.result import ledger, thirdparty
from ...reports.result.harmless import one_line
from ...reports.result.record import RecordError, RunRecord
from ..store.store import Store
from ..terminal.progress import Display
from . import consistency
from .recompute import Recomputed, from_store, own_content


@dataclass(frozen=True)
class Verdict:
    """What came of one record, or of one attack on a record."""

    name: str
    findings: tuple[str, ...]
    """What is wrong; nothing where all that could be checked is right."""
    told: str
    """What was re-computed, and what was not."""
    digest: str = ""
    """Of the record's content, as third parties' attacks name it."""


def audit(folder: Path, store: Path, *, as_json: bool = False, quiet: bool = False) -> tuple[str, bool]:
    """Check every record of a folder, and the attacks on them.

    Args:
        folder: holds the records.
        store: may hold their stages, of which scores are computed again.
        as_json: how the verdicts are told; else as text.
        quiet: show no progress.

    Returns:
        The verdicts, and whether all are sound.

    Raises:
        RecordError: there is no record.
    """
    files = ledger.paths(folder)
    if not files:
        raise RecordError(f"records {folder}: expected at least one record, got none; name a folder with --records")
    stages, verdicts, records = Store(store), [], []
    with Display(quiet=quiet).stage("verify", "records") as progress:
        for n, path in enumerate(files):
            try:
                record = ledger.load_one(path)
            except RecordError as error:
                verdicts.append(Verdict(path.stem, (str(error),), ""))
            else:
                records.append(record)
                verdicts.append(_judged(record, stages))
            progress(n + 1, len(files))
    verdicts += _attacks(folder, records)
    sound = not any(verdict.findings for verdict in verdicts)
    if as_json:
        return json.dumps([vars(verdict) for verdict in verdicts], indent=1) + "\n", sound
    failed = sum(bool(verdict.findings) for verdict in verdicts)
    last = f"{len(verdicts) - failed} of {len(verdicts)} are sound" + (f", {failed} FAIL" if failed else "")
    return "\n".join([*(line for verdict in verdicts for line in _lines(verdict)), last]) + "\n", sound


def _judged(record: RunRecord, store: Store) -> Verdict:
    try:
        return _verdict(record, store)
    except Exception as error:  # whatever one record brings, the others are checked
        says = str(error) if isinstance(error, FacebenchError) else f"{type(error).__name__}: {error}"
        return Verdict(record.name, (f"cannot be checked: {says[:500]}",), "", record.digest)


def _verdict(record: RunRecord, store: Store) -> Verdict:
    made = from_store(record, store)
    found = (*own_content(record), *consistency.findings(record), *made.findings)
    return Verdict(record.name, found, _told(record, made), record.digest)


def _told(record: RunRecord, made: Recomputed) -> str:
    if not made.stages:
        return "not re-computed: stages not in this store"
    told = f"{made.same} of {len(record.scores)} scores re-computed from {made.stages} of {len(record.stages)} stages"
    absent = f"; not in this store: {', '.join(made.absent)}" if made.absent else ""
    groups = "; groups not re-computed: that takes their table" if record.groups else ""
    return told + absent + groups + "".join(f"; not re-computed: {what}" for what in made.unknown)


def _attacks(folder: Path, records: list[RunRecord]) -> Iterator[Verdict]:
    problems: list[str] = []
    for attack in thirdparty.load(folder, records, problems=problems):
        name = f"{attack.against.record}, attack {attack.attack}"
        yield Verdict(name, (), "fits its record; not re-computed: made elsewhere")
    yield from (Verdict("attack", (problem,), "") for problem in problems)


def _lines(verdict: Verdict) -> Iterator[str]:
    if not verdict.findings:
        yield one_line(f"{verdict.name}: ok; {verdict.told}")
        return
    yield one_line(f"{verdict.name}: FAILS{'; ' if verdict.told else ''}{verdict.told}")
    yield from (f"  {one_line(finding)}" for finding in verdict.findings)
