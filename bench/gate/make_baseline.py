"""A baseline made from records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...reports.result.record import RunRecord, Score
from ..compare.trials import trials
from .baseline import Baseline, BaselineError, BaselineScore, Entry, Gated
from .packing import MEAN_OF_FOLDS, pack
from .tolerances import DEFAULT, SIDES, applied


def make(
    records: Sequence[RunRecord],
    store: Path,
    *,
    tolerances: Mapping[str, float],
    waived: Sequence[str] = (),
    previous: Baseline | None = None,
) -> tuple[Baseline, list[str]]:
    """A baseline of some records, and what a reviewer should know of it.

    Gated are the headline measures, and those that `tolerances` or the previous baseline name.

    Args:
        records: one entry is made of each.
        store: the folder of the store that may still hold their trials.
        tolerances: by a measure's name, or a side's.
        waived: sanity bounds, by name, that a record may fail.
        previous: the baseline that this one replaces; its tolerances and its waived bounds stay.

    Raises:
        BaselineError: a record failed a sanity bound that is not waived or was marked as unreliable, has nothing to
            gate, or a tolerance is wrong.
    """
    waived = sorted({*waived, *(previous.waived if previous else ())})
    _refuse_failed(records, waived)
    measures = _measures(records, tolerances, previous)
    entries, told = [], []
    for record in sorted(records, key=lambda r: (r.method, r.dataset, r.recipe, r.seed, r.name)):
        scores = [s for s in record.scores if s.measure.name in measures]
        measured = [s for s in scores if s.value is not None and s.n]
        told += [
            f"{record.name}: {s.measure.name} on {s.on} was not measured, so it is not gated ({s.note or 'no value'})"
            for s in scores
            if s not in measured
        ]
        if not measured:
            raise BaselineError(
                f"record {record.name}: expected a measured score of {', '.join(measures) or 'a headline measure'}, "
                "got none; a gate on it would measure nothing: move the record out of the folder"
            )
        entries.append(
            Entry(
                method=record.method,
                method_spec=record.method_spec,
                dataset=record.dataset,
                recipe=record.recipe,
                recipe_hash=record.recipe_hash,
                data_hash=record.data_hash,
                seed=record.seed,
                precision=record.arithmetic,
                metric_versions=record.metric_versions,
                scores=tuple(_kept(record, score, store, told) for score in measured),
            )
        )
    used = {kept.measure for entry in entries for kept in entry.scores}
    try:
        made = Baseline(
            measures=applied({name: measure for name, measure in measures.items() if name in used}, tolerances),
            waived=tuple(waived),
            entries=tuple(entries),
        )
    except ValueError as error:
        if isinstance(error, BaselineError):
            raise
        raise BaselineError(f"no baseline can be made of these records: {error}") from error
    return made, told


def _refuse_failed(records: Sequence[RunRecord], waived: Sequence[str]) -> None:
    marked = next((record for record in records if record.unreliable), None)
    if marked:
        raise BaselineError(
            f"record {marked.name}: it was marked as unreliable ({marked.unreliable}), and makes no baseline: move the "
            "record out of the folder"
        )
    failed = [(r, c) for r in records for c in r.checks if not c.passed and c.name not in waived]
    if failed:
        record, check = failed[0]
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise BaselineError(
            f"record {record.name}: the sanity bound {check.name!r} failed: {check.says}{more}; numbers that are not "
            f"to be relied on make no baseline: repair the run, or accept it with --waive {check.name!r}"
        )
    unknown = set(waived) - {c.name for r in records for c in r.checks}
    if unknown:
        raise BaselineError(f"--waive {sorted(unknown)[0]!r}: no record here has a sanity bound of that name")


def _measures(
    records: Sequence[RunRecord], tolerances: Mapping[str, float], previous: Baseline | None
) -> dict[str, Gated]:
    """What is to be gated, by name."""
    wanted = {*tolerances, *(previous.measures if previous else ())} - set(SIDES)
    found: dict[str, Gated] = {}
    for score in sorted((s for r in records for s in r.scores), key=lambda s: s.measure.name):
        measure = score.measure
        if measure.name in found or not (measure.headline or measure.name in wanted):
            continue
        before = previous.measures.get(measure.name) if previous else None
        usual = DEFAULT.get(measure.side) if measure.unit == "share" else None
        tolerance = before.tolerance if before else tolerances.get(measure.name, usual)
        if tolerance is None:
            raise BaselineError(
                f"measure {measure.name}: expected a tolerance, since there is no usual one for {measure.side} in "
                f"{measure.unit}; give --tolerance {measure.name}=AMOUNT"
            )
        found[measure.name] = Gated(
            side=measure.side, better=measure.better, unit=measure.unit, tolerance=tolerance
        )  # fmt: skip
    return found


def _kept(record: RunRecord, score: Score, store: Path, told: list[str]) -> BaselineScore:
    found, problem = trials(record, score, store)
    if problem:
        told.append(f"{record.name}: {score.measure.name} on {score.on} is kept without its trials, because {problem}")
    if found and abs(float(found.hit.mean()) - (score.value or 0.0)) > MEAN_OF_FOLDS / score.n:
        found = None  # a mean over official folds of unequal size is no count
    packed, people = pack(found)
    first = score.intervals[0] if score.intervals else None
    return BaselineScore(
        measure=score.measure.name,
        on=score.on,
        value=score.value if score.value is not None else 0.0,
        n=score.n,
        interval=(first.low, first.high) if first else None,
        trials=packed,
        people=people,
    )
