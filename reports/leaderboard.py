"""The leaderboard: records as rows that may be compared, means over seeds, and the privacy-utility front."""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from .record import Interval, Measure, RunRecord, Score

IGNORANT = frozenset({"ignorant", "other_image", "memorisation", "consistency"})
"""Attackers who know nothing of the method; a row with these alone is no guarantee, and is marked."""
NO_SOURCES = "no sources: leakage is memorisation"
BOUNDS = {"original": "upper bound", "noise": "lower bound"}
"""Methods that mark the ends of both scales; no competitors, so not on the front."""
SIDES = ("utility", "privacy", "cost")
"""The order of columns."""


@dataclass(frozen=True)
class Cell:
    """One measure of a row: the mean over seeds."""

    measure: Measure
    on: str
    values: tuple[float, ...]
    """One a seed that has a number."""
    seeds: tuple[int, ...]
    """Which seeds these are."""
    n: int
    """Trials of one seed, the fewest where seeds differ."""
    interval: Interval | None
    """Of one seed's value; None with several seeds, whose spread says more."""
    chance: float | None

    @property
    def mean(self) -> float:
        """Over seeds."""
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float | None:
        """Between seeds; None for one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass
class Row:
    """One method with its parameters, over its seeds."""

    label: str
    method: str
    parameters: dict[str, Any]
    version: int | None
    """Of the method: raised when equal parameters give other images."""
    seeds: tuple[int, ...]
    cells: dict[tuple[str, str], Cell]
    """By what it was measured on and the measure's name."""
    attackers: tuple[str, ...]
    inapplicable: tuple[str, ...]
    """Attacks that do not apply to the method."""
    sourced: bool
    """Whether private faces were made from originals; leakage of those that were not is another quantity."""
    marks: tuple[str, ...]
    reasons: tuple[str, ...]
    """Why a row is unreliable: the sanity bounds that failed."""
    missing: tuple[str, ...]
    """Which headline numbers are missing, and why."""
    seconds: float
    """What making all stages took, mean over seeds."""
    worst: Cell | None = None
    """The headline: the highest leakage over the attacks run."""
    utility: float | None = None
    """Mean over verification sets of the first headline utility; None where a set has no number."""
    front: bool = False
    """Whether no other row is as good on both sides and better on one; never that of a row without sources."""
    records: tuple[RunRecord, ...] = ()
    """What the row was made from, one a seed."""

    @property
    def leaks(self) -> list[Cell]:
        """What the worst leakage is the worst of."""
        kind = ("privacy", "lower", "share")
        return [c for c in self.cells.values() if (c.measure.side, c.measure.better, c.measure.unit) == kind]


@dataclass
class Group:
    """Rows that may be compared: equal data, recipe, judge and attacks."""

    dataset: str
    recipe: str
    recipe_hash: str
    data_hash: str
    judge: str
    columns: tuple[tuple[str, Measure], ...]
    """What is measured on what: utility first, then privacy."""
    rows: list[Row] = field(default_factory=list)

    @property
    def main(self) -> Measure | None:
        """The first headline utility, by whose mean over sets the rows are sorted."""
        return next((measure for _, measure in self.columns if measure.side == "utility"), None)


Board = tuple[Group, ...]


def board(records: Iterable[RunRecord]) -> Board:
    """Rows from records, in whatever order; those of different data, recipe, judge or attacks never share a rank.

    Within a group, rows come with the best utility first, those without it last.
    """
    groups: dict[tuple[str, ...], list[RunRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda r: (r.created, r.name)):
        groups[record.dataset, record.recipe, record.recipe_hash, record.data_hash].append(record)
    return tuple(_group(key, members) for key, members in sorted(groups.items()))


def _group(key: tuple[str, ...], records: Sequence[RunRecord]) -> Group:
    by_method: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        by_method[json.dumps([record.method, record.method_spec], sort_keys=True)].append(record)
    found = {(s.on, s.measure.name): (s.on, s.measure) for r in records for s in r.scores if s.measure.headline}
    columns = sorted(found.values(), key=lambda c: SIDES.index(c[1].side))  # stable: else in the records' order
    # a set on which no row has a number (too few pairs, say) is nobody's fault, and takes nobody's mean away
    alive = [(on, m) for on, m in columns if any((s := r.score(m.name, on)) and s.value is not None for r in records)]
    rows = [_row(sorted(members, key=lambda r: r.seed), alive) for members in by_method.values()]
    _label(rows)
    main = next((measure for _, measure in columns if measure.side == "utility"), None)
    sets = [(on, main.name) for on, measure in alive if main and measure.name == main.name]
    for row in rows:
        _headline(row, sets)
    sign = -1.0 if main and main.better == "lower" else 1.0
    _front(rows, sign)
    rows.sort(key=lambda row: (row.utility is None, -sign * (row.utility or 0.0), row.label))
    dataset, recipe, recipe_hash, data_hash = key
    judge = str(records[0].judge.get("file") or records[0].judge.get("kind") or "")
    return Group(dataset, recipe, recipe_hash, data_hash, judge, tuple(columns), rows)


def _row(records: Sequence[RunRecord], columns: Iterable[tuple[str, Measure]]) -> Row:
    latest = {record.seed: record for record in records}  # of equal runs, the last one
    kept = list(latest.values())
    scores: dict[tuple[str, str], dict[int, Score]] = defaultdict(dict)
    for record in kept:
        for score in record.scores:
            if score.measure.headline and score.value is not None:
                scores[score.on, score.measure.name][record.seed] = score
    missing = [text for on, measure in columns if (text := _missing(measure, on, kept))]
    reasons = tuple(dict.fromkeys(f"{c.name}: {c.says}" for r in kept for c in r.checks if not c.passed))
    marks = [BOUNDS[kept[0].method]] if kept[0].method in BOUNDS else []
    if reasons:
        marks.append("unreliable")
    if missing:
        marks.append("incomplete")
    attackers = tuple(dict.fromkeys(name for record in kept for name in record.attackers))
    inapplicable = tuple(dict.fromkeys(name for record in kept for name in record.not_run))
    from_originals = all(record.sourced for record in kept)
    if not from_originals:
        marks.append(NO_SOURCES)
    if attackers and set(attackers) <= IGNORANT:
        marks.append("ignorant-only")
    if len(kept) == 1:
        marks.append("one seed")
    if any(sum(record.skipped.values()) for record in kept):
        marks.append("images skipped")
    marks += [note.partition(":")[0] for note in dict.fromkeys(note for r in kept for note in r.notes)]
    return Row(
        label=kept[0].method,
        method=kept[0].method,
        parameters=dict(kept[0].method_spec.get("parameters", {})),
        version=kept[0].method_spec.get("version"),
        seeds=tuple(latest),
        cells={key: _cell(scores[key], len(kept)) for on, m in columns if (key := (on, m.name)) in scores},
        attackers=attackers,
        inapplicable=inapplicable,
        sourced=from_originals,
        marks=tuple(marks),
        reasons=reasons,
        missing=tuple(missing),
        seconds=statistics.fmean(sum(stage.seconds for stage in record.stages) for record in kept),
        records=tuple(kept),
    )


def _cell(scores: Mapping[int, Score], seeds: int) -> Cell:
    first = next(iter(scores.values()))
    return Cell(
        measure=first.measure,
        on=first.on,
        values=tuple(score.value for score in scores.values() if score.value is not None),
        seeds=tuple(scores),
        n=min(score.n for score in scores.values()),
        interval=first.intervals[0] if seeds == 1 and first.intervals else None,
        chance=first.chance,
    )


def _missing(measure: Measure, on: str, records: Sequence[RunRecord]) -> str:
    """Which seeds have no number though one was due, and the first reason that is given."""
    due = [record for record in records if on not in record.not_run]
    without = {r.seed: found for r in due if (found := r.score(measure.name, on)) is None or found.value is None}
    notes = [score.note for score in without.values() if score and score.note]
    seeds = ", ".join(map(str, without))
    return f"{measure.name} on {on}, seed {seeds}{': ' + notes[0] if notes else ''}" if without else ""


def _label(rows: Sequence[Row]) -> None:
    """Tell rows of one method apart by the parameters in which they differ."""
    by_method: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_method[row.method].append(row)
    for members in by_method.values():
        given = [{**row.parameters, "version": row.version} for row in members]
        names = sorted({name for own in given for name in own})
        differing = [name for name in names if any(own.get(name) != given[0].get(name) for own in given)]
        for row, own in zip(members, given, strict=True):
            told = [f"{name}={_short(own[name])}" for name in differing if name in own]
            if told:
                row.label = f"{row.method} ({', '.join(told)})"


def _short(value: Any) -> str:
    """A parameter in a label; of a file's digest the first digits."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 24 else f"{text[:21]}..."


def _headline(row: Row, sets: Sequence[tuple[str, str]]) -> None:
    if sets and all(key in row.cells for key in sets):
        row.utility = statistics.fmean(row.cells[key].mean for key in sets)
    row.worst = max(row.leaks, key=lambda cell: cell.mean, default=None)


def _front(rows: Sequence[Row], sign: float) -> None:
    """Mark the rows on the front of the headline numbers."""
    places = [
        (sign * row.utility, row.worst.mean) if row.utility is not None and row.worst is not None else None
        for row in rows
    ]
    for row, best in zip(rows, front(rows, places), strict=True):
        row.front = best


def front(rows: Sequence[Row], places: Sequence[tuple[float, float] | None]) -> list[bool]:
    """Which rows no other row beats: at least as good on both sides, and better on one.

    Bounds are no competitors: they are not on the front, though a method may be beaten by one. Rows that are
    unreliable or incomplete have no place: a broken attack must not look like privacy. Nor have rows without
    sources, whose leakage is no number that could be compared with the others'.

    Args:
        rows: that may be compared.
        places: of each row utility, where more is better, and leakage; None where one is missing.
    """
    ranked = [
        (-place[0], place[1], n)
        for n, (row, place) in enumerate(zip(rows, places, strict=True))
        if place and row.sourced and not row.reasons and not row.missing
    ]
    found = [False] * len(rows)
    least = math.inf  # leakage of all that is more useful
    for _, equals in groupby(sorted(ranked), key=lambda entry: entry[0]):
        members = list(equals)
        here = members[0][1]
        for _, leakage, n in members:
            found[n] = leakage == here < least and rows[n].method not in BOUNDS
        least = min(least, here)
    return found
