"""Methods compared two by two, on the same pairs and the same probes, with p-values that know how many there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from statistics import fmean

from ... import FacebenchError
from ...reports.board import floor as lower
from ...reports.board import leaderboard
from ...reports.board.leaderboard import Group, Row
from ...reports.board.marks import newest
from ...reports.result.record import Measure, RunRecord, Score
from ...reports.result.versions import metric_version, newest_metrics
from ...reports.statistics.differences import needs_more_seeds
from ...reports.statistics.holm import holm
from . import trials
from .difference import Difference, of_seed, over_seeds
from .trials import Trials

ALPHA = 0.05
"""An adjusted p-value below it tells two methods apart."""
MOST = 20
"""So many methods of one group are compared with each other; of more, some have to be named."""


class CompareError(FacebenchError, ValueError):
    """Methods that cannot be compared; the message says which, expected, got and what to do."""


@dataclass(frozen=True)
class Line:
    """Two methods in one number, over the seeds that both have."""

    measure: Measure
    on: str
    first: str
    """The row's label, as on the board."""
    second: str
    values: tuple[float, float]
    """Of both, mean over seeds."""
    n: int
    """Pairs or probes of one seed, the fewest."""
    seeds: tuple[int, ...]
    difference: Difference
    by_seed: tuple[Difference, ...]
    """One a seed, in the order of `seeds`."""
    unreliable: bool
    """Whether a record of either was marked, failed a sanity bound of this side, or is of an earlier version of the
    attack or of the metric than others; then nothing is decided."""
    adjusted: float | None = None
    """The p-value by Holm's method, over all lines of the table that have one."""

    @property
    def better(self) -> str:
        """The method that is better, by the adjusted p-value; empty where that is not decided, as by one seed."""
        if needs_more_seeds(len(self.seeds), "better"):
            return ""
        if self.unreliable or self.adjusted is None or self.adjusted >= ALPHA or not self.difference.value:
            return ""
        return self.first if (self.difference.value > 0) == (self.measure.better == "higher") else self.second


@dataclass(frozen=True)
class Table:
    """All comparisons of a group of records that may be compared."""

    dataset: str
    recipe: str
    recipe_hash: str
    data_hash: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    """What could not be compared or tested, and which methods are not to be relied on."""


@dataclass
class _Kept:
    """The trials of records, looked up once each."""

    store: Path
    problems: dict[str, None] = field(default_factory=dict)
    _known: dict[tuple[str, str, str], Trials | None] = field(default_factory=dict)

    def of(self, record: RunRecord, score: Score) -> Trials | None:
        key = (record.name, score.measure.name, score.on)
        if key not in self._known:
            self._known[key], problem = trials.trials(record, score, self.store)
            if problem:
                self.problems[f"{record.name}: {score.measure.name} on {score.on}: {problem}"] = None
        return self._known[key]


def compare(
    records: Sequence[RunRecord], store: Path, *, methods: Sequence[str] = (), against: str | None = None
) -> list[Table]:
    """Compare methods two by two in every headline share that both have, group by group.

    Args:
        records: of any methods, data, recipes and seeds; only those of one group are compared.
        store: the folder with the runs' stages, for trials.
        methods: names, or labels as on the board; all where there are none.
        against: a name or a label; every other method is compared with it alone, instead of each with each.

    Raises:
        CompareError: a method has no record, `against` is several in one group, there are too many methods to
            compare each with each, or no two that may be compared.
    """
    board = leaderboard.board(records)
    known = sorted({name for group in board for row in group.rows for name in (row.method, row.label)})
    for name in [*methods, *([against] if against else [])]:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1) or known
            raise CompareError(f"method {name}: there is no record of it; expected {' or '.join(near[:5])}")
    tables = []
    for group in board:
        pairs = list(_pairs(group, methods, against))
        if pairs:
            tables.append(_table(group, pairs, _Kept(store)))
    if not tables:
        raise CompareError(
            f"expected records of two methods with equal data and an equal recipe, got {len(records)} records without "
            "such a pair; name two methods that were run alike, or run another one"
        )
    return tables


def _pairs(group: Group, methods: Sequence[str], against: str | None) -> Iterator[tuple[Row, Row]]:
    rows = [row for row in group.rows if not methods or row.method in methods or row.label in methods]
    if against is None:
        if len(rows) > MOST:
            raise CompareError(
                f"{group.dataset}, recipe {group.recipe}: expected at most {MOST} methods to compare each with each, "
                f"got {len(rows)}; name some, or one with --against"
            )
        yield from combinations(rows, 2)
        return
    marks = [row for row in group.rows if row.label == against] or [r for r in group.rows if r.method == against]
    if len(marks) > 1:
        labels = ", ".join(f"{row.label!r}" for row in marks[:5])
        raise CompareError(
            f"--against {against}: {len(marks)} methods of {group.dataset} have this name, with other parameters; "
            f"name one of them as the board does: {labels}"
        )
    yield from ((row, mark) for mark in marks for row in rows if row is not mark)


def _table(group: Group, pairs: Sequence[tuple[Row, Row]], kept: _Kept) -> Table:
    notes: list[str] = []
    found: list[Line] = []
    for one, other in pairs:
        if not {record.seed for record in one.records} & {record.seed for record in other.records}:
            notes.append(f"{one.label} and {other.label}: not compared, no seed in common")
            continue
        lines = list(_lines(group, one, other, kept))
        if not any(line.measure.side == "privacy" for line in lines):
            notes.append(f"{one.label} and {other.label}: leakage not compared, no attack was run on both")
        found += lines
    tested = [n for n, line in enumerate(found) if line.difference.p is not None]
    adjusted = dict(zip(tested, holm([found[n].difference.p or 0.0 for n in tested]), strict=True))
    if len(tested) < len(found):
        notes.append(
            f"{len(found) - len(tested)} of {len(found)} comparisons have no p-value: for want of kept trials (or of "
            "people to resample) they show how far apart the two intervals are, and decide nothing"
        )
    single = sum(needs_more_seeds(len(line.seeds), "better") != "" for line in found)
    if single:
        notes.append(
            f"{single} of {len(found)} comparisons are of one seed: their p-values are about one training of each "
            "method, and training again may change more; no method is called better until there are two seeds, or "
            "rather three"
        )
    shown = {row.label: row for pair in pairs for row in pair}
    floor = lower.newest(group.rows, lower.FLOOR)
    notes += [_not_above(row, floor, group) for row in shown.values() if floor and lower.NO_UTILITY in row.marks]
    notes += [f"{label} is unreliable: {reason}" for label, row in shown.items() for reason in row.reasons]
    notes += [f"{label} is incomplete: {lacking}" for label, row in shown.items() for lacking in row.missing]
    return Table(
        group.dataset,
        group.recipe,
        group.recipe_hash,
        group.data_hash,
        tuple(replace(line, adjusted=adjusted.get(n)) for n, line in enumerate(found)),
        (*notes, *kept.problems),
    )


def _not_above(row: Row, floor: Row, group: Group) -> str:
    """That a row is not shown to be worth more than noise, and by how much it is above it."""
    measure = group.main.name if group.main else ""
    keys = [(on, name) for on, name in row.cells if name == measure and (on, name) in floor.cells]
    points = [f"{100 * value:+.1f}" for value in lower.above(row, floor, keys) or ()]
    told = f": {points[0]} points over `{lower.FLOOR}` in mean {measure} [{points[1]}, {points[2]}]" if points else ""
    return f"{row.label}: {lower.NO_UTILITY}{told}"


def _lines(group: Group, one: Row, other: Row, kept: _Kept) -> Iterator[Line]:
    first, second = ({record.seed: record for record in row.records} for row in (one, other))
    everybody = [record for row in group.rows for record in row.records]
    versions, metrics = newest(everybody), newest_metrics(everybody)
    for on, measure in group.columns:
        if measure.unit != "share":
            continue
        scored = {
            seed: (a, b)
            for seed in sorted(first.keys() & second.keys())
            if (a := first[seed].score(measure.name, on)) and (b := second[seed].score(measure.name, on))
            if a.value is not None and b.value is not None
        }
        if not scored:
            continue
        by_seed = tuple(
            of_seed(a, b, (kept.of(first[seed], a), kept.of(second[seed], b))) for seed, (a, b) in scored.items()
        )
        values = tuple(fmean(pair[side].value or 0.0 for pair in scored.values()) for side in (0, 1))
        yield Line(
            measure, on, one.label, other.label, (values[0], values[1]),
            min(score.n for pair in scored.values() for score in pair), tuple(scored), over_seeds(by_seed), by_seed,
            any(
                _flawed(records[seed], measure)
                or records[seed].versions.get(on, 0) < versions.get(on, 0)
                or metric_version(records[seed].metric_versions, measure.name) < metric_version(metrics, measure.name)
                for records in (first, second)
                for seed in scored
            ),
        )  # fmt: skip


def _flawed(record: RunRecord, measure: Measure) -> bool:
    """Whether a number is not to be relied on: a broken attack must not look like privacy."""
    failed = any(not check.passed and check.guards in (measure.side, "run") for check in record.checks)
    return failed or record.unreliable is not None
