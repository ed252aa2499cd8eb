"""The lower end of the scale of utility: what a recognizer is worth that was trained on noise, and who is above it.

A network that has learned nothing of faces verifies more than half of the pairs, by colours and backgrounds. So the
floor is the row `noise` of the same table, seed by seed, and not what guessing gives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from .rows import Group, Row

Key = tuple[str, str]
"""What was measured on, and the measure's name."""
FLOOR = "noise"
UPPER = "original"
NO_UTILITY = "no utility shown"
"""The mark of a row that is not shown to be worth more than noise."""
LEVEL = 0.95


class Spread(NamedTuple):
    """A mean over seeds with its interval (95 %)."""

    value: float
    low: float
    high: float


def newest(rows: Sequence[Row], method: str) -> Row | None:
    """A method's row with a utility, of its newest version; None where there is none."""
    found = [row for row in rows if row.method == method and row.utility is not None]
    return max(found, key=lambda row: row.version or 0, default=None)


def shared_seeds(rows: Sequence[Row], keys: Sequence[Key]) -> tuple[int, ...]:
    """The seeds at which all rows have a number in all cells, in the order of the first row's."""
    return tuple(
        seed for seed in rows[0].seeds
        if all(key in row.cells and seed in row.cells[key].seeds for row in rows for key in keys)
    )  # fmt: skip


def by_seed(row: Row, seeds: Sequence[int], keys: Sequence[Key]) -> list[float]:
    """A row's mean over cells at each seed."""
    return [fmean(row.cells[key].values[row.cells[key].seeds.index(seed)] for key in keys) for seed in seeds]


def reach(row: Row, seed: int, keys: Sequence[Key]) -> float | None:
    """Half-width of the interval of a row's mean over cells at one seed, from those of its scores; None without."""
    record = next(record for record in row.records if record.seed == seed)
    scores = [record.score(measure, on) for on, measure in keys]
    ends = [score.intervals[0] for score in scores if score and score.intervals]
    return math.hypot(*((end.high - end.low) / 2 for end in ends)) / len(keys) if len(ends) == len(keys) else None


def spread(values: Sequence[float], halves: Sequence[float | None], *, same: bool) -> Spread | None:
    """A mean over seeds, with an interval that holds both what trials and what seeds vary by.

    Both parts are added. With two seeds the quantile is Student's of one degree of freedom, with more that of Welch and
    Satterthwaite for the sum; with one there is the trials' part alone.

    Args:
        values: one a seed, of differences the paired ones.
        halves: half-widths of the intervals (95 %) over trials, one a seed; None where one has none, and is zero then
            if there are several seeds.
        same: whether all seeds are put to the same trials; else their part becomes less with more seeds.

    Returns:
        None where one seed has no interval, or there is no seed.
    """
    from scipy.special import ndtri, stdtrit

    n, known = len(values), [half for half in halves if half is not None]
    if not n or (n == 1 and not known):
        return None
    tail = (1 + LEVEL) / 2
    middle = fmean(values)
    trials = fmean((half / float(ndtri(tail))) ** 2 for half in known) / (1 if same else n) if known else 0.0
    seeds = math.fsum((value - middle) ** 2 for value in values) / (n - 1) / n if n > 1 else 0.0
    if n == 2:
        quantile = stdtrit(1, tail)
    else:
        quantile = stdtrit((seeds + trials) ** 2 * (n - 1) / seeds**2, tail) if seeds > 0 else ndtri(tail)
    half = float(quantile) * math.sqrt(seeds + trials)
    return Spread(middle, middle - half, middle + half)


def above(row: Row, floor: Row, keys: Sequence[Key]) -> Spread | None:
    """By how much a row is above another in the mean over cells, at the seeds that both have; None without any.

    The two share their pairs and are taken for independent in them, so the interval is rather too wide.
    """
    seeds = shared_seeds([row, floor], keys)
    one, other = (by_seed(each, seeds, keys) for each in (row, floor))
    halves = [_both(row, floor, seed, keys) for seed in seeds]
    return spread([a - b for a, b in zip(one, other, strict=True)], halves, same=True)


def _both(row: Row, floor: Row, seed: int, keys: Sequence[Key]) -> float | None:
    first, second = reach(row, seed, keys), reach(floor, seed, keys)
    return None if first is None or second is None else math.hypot(first, second)


def no_utility(rows: Sequence[Row], keys: Sequence[Key], sign: float) -> list[bool]:
    """Which rows are not shown to be worth more than noise: those whose lead over it has an interval that holds zero.

    Args:
        rows: of one group.
        keys: the verification sets.
        sign: 1 where more is better, else -1.
    """
    floor = newest(rows, FLOOR)
    if floor is None or not keys:
        return [False] * len(rows)
    found = [None if row.utility is None or row is floor else above(row, floor, keys) for row in rows]
    return [lead is not None and (lead.low if sign > 0 else -lead.high) <= 0 for lead in found]


def floor_of(group: Group, key: Key) -> float | None:
    """What noise is worth on one set, mean over its seeds; None where the group has no such row."""
    floor = newest(group.rows, FLOOR)
    cell = floor.cells.get(key) if floor else None
    return cell.mean if cell else None
