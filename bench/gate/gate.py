"""The gate: records against a baseline, a verdict for every number of the baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ...reports.result.record import RunRecord
from ...reports.result.versions import metric_version
from ..compare.trials import Trials, trials
from .baseline import Baseline, BaselineScore, Entry
from .match import Match, match
from .packing import unpack
from .tolerances import unresolved
from .verdict import Finding, unmeasured, verdict_of

OK, REGRESSED, UNDECIDED = 0, 1, 2
"""Exit codes: all is as good or better; something became worse or keeps no limit; something could not be compared."""


@dataclass(frozen=True)
class Outcome:
    """All verdicts, and what else should be known."""

    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]

    @property
    def counts(self) -> Counter[str]:
        """How many of each verdict."""
        return Counter(finding.verdict for finding in self.findings)

    @property
    def code(self) -> int:
        """The exit code; a regression goes before what could not be compared, and no verdict at all is no success."""
        if self.counts["regressed"] or self.counts["beyond-limit"]:
            return REGRESSED
        decided = self.counts["ok"] + self.counts["improved"]
        return OK if decided and decided == len(self.findings) else UNDECIDED


def check(baseline: Baseline, records: Sequence[RunRecord], store: Path) -> Outcome:
    """Compare records with a baseline.

    Seeds are compared with equal seeds. Where a method was run with none of the baseline's seeds, the means over seeds
    are compared. A seed of the baseline that is missing among others is not measured.

    Args:
        baseline: what is expected; every number of it gets a verdict.
        records: of the runs to judge.
        store: the folder of the store that may still hold their trials.

    Raises:
        BaselineError: trials in the baseline are damaged.
    """
    findings: list[Finding] = []
    warnings = unresolved(baseline)
    used: set[str] = set()
    for entries in _variants(baseline):
        found = match(entries[0], records, baseline)
        used |= {record.name for record in found.records}
        warnings += found.warnings
        findings += _missing(entries, found) if found.problem else _compared(baseline, entries, found, store, warnings)
    others = sorted(record.name for record in records if record.name not in used)
    if others:
        warnings.append(f"not in the baseline, and not compared: {_some(others)}")
    return Outcome(tuple(findings), tuple(dict.fromkeys(warnings)))


def _variants(baseline: Baseline) -> Iterator[list[Entry]]:
    """The entries of one method with one set of parameters, all seeds of it together."""

    def same(entry: Entry) -> tuple[str, ...]:
        return entry.method, entry.variant, entry.dataset, entry.recipe_hash, entry.data_hash

    for _, entries in groupby(sorted(baseline.entries, key=lambda e: (*same(e), e.seed)), key=same):
        yield list(entries)


def _missing(entries: Sequence[Entry], found: Match) -> Iterator[Finding]:
    for entry in entries:
        for kept in entry.scores:
            yield Finding(
                entry.method, str(entry.seed), kept.measure, kept.on, found.verdict, found.problem, kept.value
            )


def _compared(
    baseline: Baseline, entries: Sequence[Entry], found: Match, store: Path, warnings: list[str]
) -> Iterator[Finding]:
    by_seed = {record.seed: record for record in found.records}
    if not any(entry.seed in by_seed for entry in entries):
        yield from _other_seeds(baseline, entries, list(by_seed.values()), found.note)
        warnings += [told for record in found.records for told in _new(baseline, entries, record)]
        return
    for entry in entries:
        if entry.seed not in by_seed:
            lacking = Match(verdict="not-measured", problem=f"there is no record of seed {entry.seed}")
            yield from _missing([entry], lacking)
            continue
        record = by_seed[entry.seed]
        for kept in entry.scores:
            trained = [same.value for other in entries if (same := other.score(kept.measure, kept.on))]
            yield _one(baseline, entry, kept, record, store, found.note, warnings, trained)
        warnings += _new(baseline, [entry], record)
    extra = sorted(set(by_seed) - {entry.seed for entry in entries})
    if extra:
        warnings.append(f"{entries[0].method}: seeds {_some(map(str, extra))} are not in the baseline")


def _one(
    baseline: Baseline,
    entry: Entry,
    kept: BaselineScore,
    record: RunRecord,
    store: Path,
    note: str,
    warnings: list[str],
    trained: Sequence[float],
) -> Finding:
    gated, score = baseline.measures[kept.measure], record.score(kept.measure, kept.on)
    problem = unmeasured(record, score, gated, baseline.waived, kept.on)
    place = (entry.method, str(entry.seed), kept.measure, kept.on)
    if problem or score is None:
        return Finding(*place, "not-measured", problem, kept.value, None, gated.tolerance, gated.unit)
    if problem := _other_metric(entry, record, kept.measure):
        return Finding(*place, "not-comparable", problem, kept.value, None, gated.tolerance, gated.unit)
    both: tuple[Trials, Trials] | None = None
    if before := unpack(kept):
        now, problem = trials(record, score, store)
        both = (before, now) if now else None
        if problem:
            warnings.append(f"{record.name}: {kept.measure} on {kept.on}: compared by intervals, because {problem}")
    verdict, why = verdict_of(gated, [kept], [score], both, trained=trained)
    return Finding(*place, verdict, _joined(note, why), kept.value, score.value, gated.tolerance, gated.unit)


def _other_metric(entry: Entry, record: RunRecord, measure: str) -> str:
    """Why a number of the baseline is of another kind than the record's; empty where it is not."""
    before, now = metric_version(entry.metric_versions, measure), metric_version(record.metric_versions, measure)
    if before == now:
        return ""
    return (
        f"version {before} of the metric made the baseline's {measure}, version {now} the record's; make the baseline "
        "anew with --update"
    )


def _other_seeds(
    baseline: Baseline, entries: Sequence[Entry], records: Sequence[RunRecord], note: str
) -> Iterator[Finding]:
    """Means over seeds, where no seed is in both."""
    seeds = f"{_some(str(e.seed) for e in entries)} / {_some(str(r.seed) for r in records)}"
    names = dict.fromkeys((kept.measure, kept.on) for entry in entries for kept in entry.scores)
    for measure, on in names:
        gated = baseline.measures[measure]
        before = [kept for entry in entries if (kept := entry.score(measure, on))]
        scores = [record.score(measure, on) for record in records]
        problems = [
            f"seed {record.seed}: {problem}"
            for record, score in zip(records, scores, strict=True)
            if (problem := unmeasured(record, score, gated, baseline.waived, on))
        ]
        now = [score for score in scores if score is not None and score.value is not None]
        old = sum(kept.value for kept in before) / len(before)
        place = (entries[0].method, seeds, measure, on)
        if problems or not now:
            yield Finding(*place, "not-measured", "; ".join(problems), old, None, gated.tolerance, gated.unit)
            continue
        if problem := next((p for r in records if (p := _other_metric(entries[0], r, measure))), ""):
            yield Finding(*place, "not-comparable", problem, old, None, gated.tolerance, gated.unit)
            continue
        verdict, why = verdict_of(gated, before, now, other_seeds=True)
        mean = sum(score.value or 0.0 for score in now) / len(now)
        yield Finding(*place, verdict, _joined(note, why), old, mean, gated.tolerance, gated.unit)


def _new(baseline: Baseline, entries: Sequence[Entry], record: RunRecord) -> list[str]:
    """Scores of gated measures that the baseline does not have."""
    new = [
        f"{score.measure.name} on {score.on}"
        for score in record.scores
        if score.measure.name in baseline.measures
        and not any(entry.score(score.measure.name, score.on) for entry in entries)
    ]
    return [f"{record.name}: not in the baseline, so not compared: {', '.join(new)}"] if new else []


def _joined(note: str, why: str) -> str:
    return f"{why} ({note})" if note else why


def _some(names: Iterator[str] | Sequence[str], most: int = 5) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
