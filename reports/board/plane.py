"""Where rows stand on the privacy-utility plane: seen by one verification set or all, by one attacker or the worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from .leaderboard import Cell, Group, Row

Key = tuple[str, str]
"""What was measured on, and the measure's name: a cell of a row."""


class Place(NamedTuple):
    """A number on one axis."""

    value: float
    bar: tuple[float, float] | None
    """Ends of its 95 % interval, over seeds where there are several; None where it has none."""
    on: str
    """The set, `mean`, or the attack."""


def sets(group: Group) -> list[Key]:
    """The verification sets of a group, by whose mean its rows are sorted."""
    return [(on, measure.name) for on, measure in group.columns if group.main and measure.name == group.main.name]


def attacks(group: Group) -> list[Key]:
    """The attacks by which sourced rows of a group can be compared, in the order of the columns."""
    leaks = {(cell.on, cell.measure.name) for row in group.rows if row.sourced for cell in row.leaks}
    return [(on, measure.name) for on, measure in group.columns if (on, measure.name) in leaks]


def utility(row: Row, group: Group, key: Key | None = None) -> Place | None:
    """A row's utility on one set, or its mean over all; None where it has no such number."""
    if key is not None:
        cell = row.cells.get(key)
        return Place(cell.mean, bar([cell], cell.mean), cell.on) if cell else None
    if row.utility is None:
        return None
    cells = [row.cells[key] for key in sets(group) if key in row.cells]
    return Place(row.utility, bar(cells, row.utility), cells[0].on if len(cells) == 1 else "mean")


def leakage(row: Row, key: Key | None = None) -> Place | None:
    """A row's leakage to one attack, or to the worst; None where it has no such number.

    Of rows without sources there is none: what they leak is another quantity.
    """
    cell = row.worst if key is None else row.cells.get(key)
    return Place(cell.mean, bar([cell], cell.mean), cell.on) if cell and row.sourced else None


def bar(cells: Sequence[Cell], at: float) -> tuple[float, float] | None:
    """Ends of the bar of a mean over cells: their 95 % intervals, as the table has them.

    Those of several cells are added as of independent errors. A bar of what is at least zero ends at zero.
    """
    reaches = []
    for cell in cells:
        if (bracket := cell.bracket) is None:
            return None
        reaches.append((cell.mean - bracket.low, bracket.high - cell.mean))
    if not reaches:
        return None
    down, up = (math.hypot(*(max(0.0, reach) for reach in side)) / len(reaches) for side in zip(*reaches, strict=True))
    return (at - min(down, at) if at >= 0 else at - down), at + up


def chances(group: Group, key: Key | None, side: str) -> list[float]:
    """What guessing gives on one side of the plane, each value once; of the mean over sets, their mean.

    Args:
        group: its rows mostly share one value.
        key: a set or an attack; None for the mean of all sets, or the worst attack of each row.
        side: `utility` or `privacy`.
    """
    found = set()
    for row in group.rows:
        if side == "utility":
            cells = [row.cells[k] for k in ([key] if key else sets(group)) if k in row.cells]
        else:
            cell = row.worst if key is None else row.cells.get(key)
            cells = [cell] if cell and row.sourced else []
        known = [cell.chance for cell in cells if cell.chance is not None]
        if known:
            found.add(round(math.fsum(known) / len(known), 8))
    return sorted(found)
