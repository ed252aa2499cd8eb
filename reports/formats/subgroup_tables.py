"""Scores by group as text: lines for a screen, and a table below the leaderboard's."""

from __future__ import annotations

from typing import NamedTuple

from ..board.leaderboard import Group
from ..board.subgroup_gaps import LEAST, Spread, spreads, widest
from ..result.record import GroupScore, Measure, RunRecord
from .tables import clean, code, number

LEGEND = (
    "By groups that users' tables name; none is inferred. Worst and best of the groups with n of "
    f"{LEAST} or more, in brackets their 95 % intervals, and the gap between them in points. "
    "Where the two intervals overlap, the gap may well be chance; among many groups some gap always is. "
    "All groups: formats csv, json and html."
)


class GroupsTable(NamedTuple):
    """What is told of groups below a table of the leaderboard, as text to be laid out."""

    header: list[str]
    rows: list[list[str]]
    """The first six columns are words, the others numbers."""
    remarks: list[str]
    """What could not be told by group."""


def groups_table(group: Group) -> GroupsTable | None:
    """The widest gap of every row, column and measure; None where no record has groups."""
    header = ["method", "seed", "by", "measure", "worst group", "best group", "gap", "groups", "intervals"]
    rows, remarks = [], []
    for row in group.rows:
        for record in row.records:
            if record.groups is None:
                continue
            rows += [[row.label, str(record.seed), *_cells(spread)] for spread in widest(record.groups)]
            remarks += [f"{code(row.label)}, seed {record.seed}: {note}" for note in record.groups.notes]
    return GroupsTable(header, rows, remarks) if rows or remarks else None


def _cells(spread: Spread) -> list[str]:
    what = [spread.column, f"{spread.measure.name} {spread.on}"]
    if spread.worst is None or spread.gap is None:
        return [*what, "-", "-", "-", str(len(spread.compared)), "-"]
    ends = [_told(one, spread.measure) for one in (spread.compared[0], spread.compared[-1])]
    return [*what, *ends, number(spread.gap, spread.measure), str(len(spread.compared)), _bounds(spread)]


def _told(one: GroupScore, measure: Measure) -> str:
    score, interval = one.score, one.score.intervals[0]
    bounds = f"[{number(interval.low, measure)}, {number(interval.high, measure)}]"
    return f"{one.group}: {number(score.value or 0.0, measure)} {bounds}, n = {score.n:,}"


def group_lines(record: RunRecord) -> list[str]:
    """What a screen shows of groups: a line a column and measure, then what could not be told."""
    if record.groups is None:
        return []
    return [*map(_line, widest(record.groups)), *(f"by group: {clean(note)}" for note in record.groups.notes)]


def _line(spread: Spread) -> str:
    told = f"by {clean(spread.column)}, {spread.measure.name} {spread.on}:"
    if spread.worst is None or spread.gap is None:
        return f"{told} no two groups with n of {LEAST} or more to compare"
    score = spread.worst.score
    if spread.gap == 0:
        return f"{told} the same for all of {len(spread.compared)} groups"
    return (
        f"{told} worst {clean(spread.worst.group)}, {number(score.value or 0.0, spread.measure)} % (n = {score.n:,}); "
        f"gap {number(spread.gap, spread.measure)}, {len(spread.compared)} groups, intervals {_bounds(spread)}"
    )


def _bounds(spread: Spread) -> str:
    return "overlap" if spread.overlap else "apart"


def all_groups(record: RunRecord) -> list[list[str]]:
    """Every group's score as a line of texts: by, group, measure, value, interval, chance, n, people, note.

    The gap stands in lines of its own below the groups of a column and measure.
    """
    rows = []
    for spread in spreads(record.groups) if record.groups else ():
        for one in spread.every:
            score, measure = one.score, spread.measure
            first = score.intervals[0] if score.intervals else None
            rows.append([
                clean(spread.column), clean(one.group), f"{measure.name} {clean(spread.on)}",
                "-" if score.value is None else number(score.value, measure),
                f"{number(first.low, measure)} to {number(first.high, measure)}" if first else "-",
                "-" if score.chance is None else number(score.chance, measure), f"{score.n:,}",
                f"{score.detail['people']:,.0f}" if score.detail.get("people") is not None else "-",
                clean(score.note) or "-",
            ])  # fmt: skip
        if spread.gap is not None:
            what = [clean(spread.column), f"gap of {len(spread.compared)} groups", rows[-1][2]]
            gap = number(spread.gap, spread.measure)
            rows.append([*what, gap, "-", "-", "-", "-", f"intervals {_bounds(spread)}"])
    return rows
