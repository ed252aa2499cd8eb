"""The leaderboard: records as rows that may be compared, means over seeds, and the privacy-utility front."""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from ..result.record import Measure, RunRecord, Score, parameters
from ..result.thirdparty import ThirdPartyAttack
from ..result.versions import earlier_metrics, newest_metrics
from .floor import NO_UTILITY, no_utility
from .labels import label
from .marks import BOUNDS, NO_SOURCES, attackers, lacking, marks, newest, reasons, searching
from .rows import Cell, Group, Row
from .unmatched import UNMATCHED, unmatched

__all__ = ["BOUNDS", "NO_SOURCES", "SIDES", "Board", "Cell", "Group", "Row", "board"]

SIDES = ("utility", "privacy", "cost")
"""The order of columns."""


Board = tuple[Group, ...]
Others = Mapping[str, list[ThirdPartyAttack]]
"""Third parties' attacks by the record they attack."""


def board(records: Iterable[RunRecord], attacks: Iterable[ThirdPartyAttack] = ()) -> Board:
    """Rows from records, in whatever order; those of different data, recipe, judge or attacks never share a rank.

    Within a group, rows come with the best utility first, those without it last.

    Args:
        records: one a run.
        attacks: of third parties on these records, as `thirdparty.load` checked them.
    """
    groups: dict[tuple[str, ...], list[RunRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda r: (r.created, r.name)):
        groups[record.group].append(record)
    others: dict[str, list[ThirdPartyAttack]] = defaultdict(list)
    for attack in attacks:
        others[attack.against.record].append(attack)
    return tuple(_group(key, members, others) for key, members in sorted(groups.items()))


def _group(key: tuple[str, ...], records: Sequence[RunRecord], others: Others) -> Group:
    by_method: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        by_method[json.dumps([record.method, record.method_spec], sort_keys=True)].append(record)
    found = {(s.on, s.measure.name): (s.on, s.measure) for r in records for s in r.scores if s.measure.headline}
    searches = searching(records)
    columns = sorted(
        found.values(), key=lambda column: _order(column[0], column[1], searches)
    )  # stable: else as in the records
    # a set on which no row has a number (too few pairs, say) is nobody's fault, and takes nobody's mean away
    alive = [(on, m) for on, m in columns if any((s := r.score(m.name, on)) and s.value is not None for r in records)]
    made_by = newest(records), newest_metrics(records)
    rows = [_row(sorted(members, key=lambda r: r.seed), alive, others, *made_by) for members in by_method.values()]
    label(rows)
    main = next((measure for _, measure in columns if measure.side == "utility"), None)
    sets = [(on, main.name) for on, measure in alive if main and measure.name == main.name]
    for row in rows:
        _headline(row, sets)
    for row, why in zip(rows, unmatched(rows), strict=True):
        row.unmatched = why
    sign = -1.0 if main and main.better == "lower" else 1.0
    _front(rows, sign)
    unlike = len({record.arithmetic for row in rows for record in row.records}) > 1
    for row, low in zip(rows, no_utility(rows, sets, sign), strict=True):
        untold = unlike and any(not record.arithmetic for record in row.records)
        told = {NO_UTILITY: low, UNMATCHED: bool(row.unmatched), "arithmetic not recorded": untold}
        row.marks += tuple(mark for mark, holds in told.items() if holds)
    rows.sort(key=lambda row: (row.utility is None, -sign * (row.utility or 0.0), row.label))
    dataset, recipe, recipe_hash, data_hash = key[:4]
    judge = str(records[0].judge.get("file") or records[0].judge.get("kind") or "")
    arithmetic = max(record.arithmetic for record in records)
    return Group(dataset, recipe, recipe_hash, data_hash, judge, tuple(columns), rows, arithmetic)


def _order(on: str, measure: Measure, searches: Sequence[str]) -> tuple[int, int]:
    """Sides one after the other, and searches by who knows how much."""
    return SIDES.index(measure.side), searches.index(on) if on in searches else len(searches)


def _row(
    records: Sequence[RunRecord],
    columns: Sequence[tuple[str, Measure]],
    others: Others,
    versions: Mapping[str, int],
    metric_versions: Mapping[str, int],
) -> Row:
    latest = {record.seed: record for record in records}  # of equal runs, the last one
    kept = list(latest.values())
    due = {(on, measure.name) for on, measure in columns}
    scores: dict[tuple[str, str], dict[int, Score]] = defaultdict(dict)
    for record in kept:
        for score in record.scores:
            if (key := (score.on, score.measure.name)) in due and score.value is not None:
                scores[key][record.seed] = score
    # the column's measure: a record's own could say that its leakage is none
    cells = {
        key: replace(_cell(scores[key], len(kept)), measure=measure)
        for on, measure in columns
        if (key := (on, measure.name)) in scores
    }
    foreign = [attack for record in kept for attack in others.get(record.name, ())]
    absent = lacking(kept, columns, versions) + earlier_metrics(kept, metric_versions)
    why = reasons(kept)
    return Row(
        label=kept[0].method,
        method=kept[0].method,
        parameters=parameters(kept[0].method_spec),
        version=kept[0].method_spec.get("version"),
        source=kept[0].method_spec.get("source"),
        seeds=tuple(latest),
        cells={**cells, **_foreign_cells(kept, others)},
        attackers=tuple(dict.fromkeys([*attackers(kept), *(attack.attack for attack in foreign)])),
        inapplicable=tuple(dict.fromkeys(name for record in kept for name in record.inapplicable)),
        sourced=all(record.sourced for record in kept),
        marks=marks(kept, foreign, unreliable=bool(why), incomplete=bool(absent)),
        reasons=why,
        missing=absent,
        seconds=statistics.fmean(sum(stage.seconds for stage in record.stages) for record in kept),
        records=tuple(kept),
        foreign=tuple(foreign),
    )


def _foreign_cells(records: Sequence[RunRecord], others: Others) -> dict[tuple[str, str], Cell]:
    """Third parties' headline numbers, over the seeds whose records they attacked."""
    attacks: dict[tuple[str, str], dict[int, tuple[Score, ThirdPartyAttack]]] = defaultdict(dict)
    for record in records:
        for attack in others.get(record.name, ()):
            for score in attack.scores:
                if score.measure.headline and score.value is not None:
                    attacks[score.on, score.measure.name][record.seed] = score, attack
    cells = {}
    for key, by_seed in attacks.items():
        cell = _cell({seed: score for seed, (score, _) in by_seed.items()}, len(by_seed))
        makers = dict.fromkeys(attack.by for _, attack in by_seed.values())
        links = dict.fromkeys(attack.link for _, attack in by_seed.values())
        cells[key] = replace(cell, by=", ".join(makers), link=" ".join(links))
    return cells


def _cell(scores: Mapping[int, Score], seeds: int) -> Cell:
    first = next(iter(scores.values()))
    return Cell(
        measure=first.measure,
        on=first.on,
        values=tuple(score.value for score in scores.values() if score.value is not None),
        seeds=tuple(scores),
        n=min(score.n for score in scores.values()),
        interval=first.intervals[0] if seeds == 1 and first.intervals else None,
        chance=_chance(scores.values()),
        intervals=tuple(score.intervals[0] if score.intervals else None for score in scores.values()),
    )


def _chance(scores: Collection[Score]) -> float | None:
    """Mean over the row's own seeds: each draws its own people, so what guessing gives differs."""
    known = [score.chance for score in scores if score.chance is not None]
    return math.fsum(known) / len(known) if len(known) == len(scores) else None


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
