"""The leaderboard: records as rows that may be compared, means over seeds, and the privacy-utility front."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .record import Interval, Measure, RunRecord, Score

IGNORANT = frozenset({"ignorant", "other_image"})
"""Attackers who know nothing of the method; a row with these alone is no guarantee, and is marked."""
BOUNDS = ("original", "noise")
"""Methods that mark the ends of both scales; no competitors, so not on the front."""


@dataclass(frozen=True)
class Cell:
    """One measure of a row: the mean over seeds."""

    measure: Measure
    on: str
    values: tuple[float, ...]
    """One a seed."""
    n: int
    """Trials of one seed."""
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
    seeds: tuple[int, ...]
    cells: dict[tuple[str, str], Cell]
    """By what it was measured on and the measure's name."""
    attackers: tuple[str, ...]
    marks: tuple[str, ...]
    reasons: tuple[str, ...]
    """Why a row is unreliable."""
    seconds: float
    """What making all stages took, mean over seeds."""
    worst: Cell | None = None
    """The headline: the highest leakage over the attacks run."""
    utility: float | None = None
    """Mean of the headline utility over verification sets."""
    front: bool = False
    """Whether no other row is better on both sides."""


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


Board = tuple[Group, ...]


def board(records: Iterable[RunRecord]) -> Board:
    """Rows from records; those of different data, recipe, judge or attacks never share a rank.

    Within a group, rows come with the highest utility first.
    """
    groups: dict[tuple[str, ...], list[RunRecord]] = defaultdict(list)
    for record in records:
        groups[record.dataset, record.recipe, record.recipe_hash, record.data_hash].append(record)
    return tuple(_group(key, members) for key, members in sorted(groups.items()))


def _group(key: tuple[str, ...], records: Sequence[RunRecord]) -> Group:
    by_method: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        by_method[json.dumps([record.method, record.method_spec], sort_keys=True)].append(record)
    rows = [_row(sorted(members, key=lambda r: r.seed)) for members in by_method.values()]
    _label(rows)
    found = {(s.on, s.measure.name): (s.on, s.measure) for r in records for s in r.scores if s.measure.headline}
    columns = sorted(found.values(), key=lambda c: c[1].side != "utility")  # stable: else in the records' order
    for row in rows:
        _headline(row)
    _front(rows)
    rows.sort(key=lambda row: -1.0 if row.utility is None else row.utility, reverse=True)
    dataset, recipe, recipe_hash, data_hash = key
    judge = str(records[0].judge.get("file") or records[0].judge.get("kind") or "")
    return Group(dataset, recipe, recipe_hash, data_hash, judge, tuple(columns), rows)


def _row(records: Sequence[RunRecord]) -> Row:
    latest = {record.seed: record for record in records}  # of equal runs, the last one
    kept = list(latest.values())
    scores: dict[tuple[str, str], list[Score]] = defaultdict(list)
    for record in kept:
        for score in record.scores:
            if score.measure.headline and score.value is not None:
                scores[score.on, score.measure.name].append(score)
    reasons = tuple(dict.fromkeys(f"{c.name}: {c.says}" for r in kept for c in r.checks if not c.passed))
    marks = ["unreliable"] if reasons else []
    attackers = tuple(dict.fromkeys(name for record in kept for name in record.attackers))
    if attackers and set(attackers) <= IGNORANT:
        marks.append("ignorant-only")
    if len(kept) == 1:
        marks.append("one seed")
    marks += [note.partition(":")[0] for note in dict.fromkeys(note for r in kept for note in r.notes)]
    return Row(
        label=kept[0].method,
        method=kept[0].method,
        parameters=dict(kept[0].method_spec.get("parameters", {})),
        seeds=tuple(latest),
        cells={key: _cell(found, len(kept)) for key, found in scores.items()},
        attackers=attackers,
        marks=tuple(marks),
        reasons=reasons,
        seconds=statistics.fmean(sum(stage.seconds for stage in record.stages) for record in kept),
    )


def _cell(scores: Sequence[Score], seeds: int) -> Cell:
    first = scores[0]
    return Cell(
        measure=first.measure,
        on=first.on,
        values=tuple(score.value for score in scores if score.value is not None),
        n=first.n,
        interval=first.intervals[0] if seeds == 1 and first.intervals else None,
        chance=first.chance,
    )


def _label(rows: Sequence[Row]) -> None:
    """Tell rows of one method apart by the parameters in which they differ."""
    for row in rows:
        others = [other for other in rows if other.method == row.method and other is not row]
        differing = sorted(
            name for name, value in row.parameters.items() if any(o.parameters.get(name) != value for o in others)
        )
        if differing:
            row.label = f"{row.method} ({', '.join(f'{name}={row.parameters[name]}' for name in differing)})"


def _headline(row: Row) -> None:
    utility = [cell.mean for cell in row.cells.values() if cell.measure.side == "utility"]
    row.utility = statistics.fmean(utility) if utility else None
    leaks = [c for c in row.cells.values() if c.measure.side == "privacy" and c.measure.better == "lower"]
    row.worst = max(leaks, key=lambda cell: cell.mean, default=None)


def _front(rows: Sequence[Row]) -> None:
    """Mark the rows that no other row beats: at least as good on both sides, and better on one."""
    ranked = [
        (row, row.utility, row.worst.mean)
        for row in rows
        if row.utility is not None and row.worst is not None and row.method not in BOUNDS
    ]
    for row, useful, leaky in ranked:
        row.front = not any(u >= useful and w <= leaky and (u > useful or w < leaky) for _, u, w in ranked)
