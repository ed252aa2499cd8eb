"""Relative utility: which part of what originals are worth above guessing is left in a private set.

U = (accuracy - chance) / (accuracy of `original` - chance), so `original` is 1 and a set worth no more than guessing 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from .leaderboard import Group, Row
from .places import Key, bar, sets

UPPER = "original"
NOTE = (
    "It is (utility - chance) / (utility of `original` - chance), of the seeds that both have, else of all; in "
    "brackets 95 % of one seed, as if both were independent."
)


class Relative(NamedTuple):
    """The relative utility of a row."""

    value: float
    """1 is what originals are worth; below 0 it is worse than guessing."""
    low: float | None
    high: float | None
    """Of one seed, by first-order propagation of both intervals; None with several, and of `original` itself."""
    sd: float | None
    """Between the values of several seeds."""
    seeds: tuple[int, ...]
    """Those that the row and `original` have in common; none where means over different seeds were compared."""


def relative(group: Group) -> list[Relative | None]:
    """Of each row of a group, in the order of the rows.

    None where the row, `original` or chance has no number, or `original` is not clearly better than chance, over all
    its seeds or over those that the row has, too: its interval, or its mean less two standard deviations over seeds,
    does not lie above it.
    """
    keys = [key for key in sets(group) if any(key in row.cells for row in group.rows)]
    uppers = [row for row in group.rows if row.method == UPPER and row.utility is not None]
    chances = [row.cells[key].chance for row in uppers[:1] for key in keys]
    if group.main is None or group.main.better != "higher" or not uppers or None in chances:
        return [None] * len(group.rows)
    upper = max(uppers, key=lambda row: row.version or 0)
    chance = fmean(value for value in chances if value is not None)
    cells = [upper.cells[key] for key in keys]
    ends = bar(cells, upper.utility or 0.0)
    reach = 0.0 if ends is None else ((upper.utility or 0.0) - ends[0]) * (1 if len(upper.seeds) == 1 else 2)
    if (upper.utility or 0.0) - reach <= chance:
        return [None] * len(group.rows)
    return [None if row.utility is None else _relative(row, upper, keys, chance) for row in group.rows]


def _relative(row: Row, upper: Row, keys: Sequence[Key], chance: float) -> Relative | None:
    shared = tuple(seed for seed in row.seeds if _has(row, seed, keys) and _has(upper, seed, keys))
    own, bound = (_by_seed(each, shared, keys) for each in (row, upper))
    if not shared:
        own, bound = [row.utility or 0.0], [upper.utility or 0.0]
    if row is upper:
        return Relative(1.0, None, None, None, shared)
    if shared and not _clear(upper, shared, keys, bound, chance):  # it is over all of its seeds, and not over these
        return None
    above = fmean(bound) - chance
    value = (fmean(own) - chance) / above
    if len(shared) > 1:
        ratios = [(one - chance) / (top - chance) for one, top in zip(own, bound, strict=True) if top > chance]
        return Relative(value, None, None, stdev(ratios) if len(ratios) == len(shared) else None, shared)
    half = _half(row, upper, shared[0], keys, value, above) if shared else None
    if half is None:
        return Relative(value, None, None, None, shared)
    return Relative(value, value - half, value + half, None, shared)


def _has(row: Row, seed: int, keys: Sequence[Key]) -> bool:
    return all(seed in row.cells[key].seeds for key in keys)


def _by_seed(row: Row, seeds: Sequence[int], keys: Sequence[Key]) -> list[float]:
    """Mean over sets of each seed."""
    return [fmean(row.cells[key].values[row.cells[key].seeds.index(seed)] for key in keys) for seed in seeds]


def _half(row: Row, upper: Row, seed: int, keys: Sequence[Key], value: float, above: float) -> float | None:
    """Half-width of the ratio at one seed, from the intervals of both rows' scores."""
    one, other = _reach(row, seed, keys), _reach(upper, seed, keys)
    return None if one is None or other is None else math.hypot(one, value * other) / above


def _reach(row: Row, seed: int, keys: Sequence[Key]) -> float | None:
    """Half-width of the interval of a row's mean over sets at one seed."""
    record = next(record for record in row.records if record.seed == seed)
    scores = [record.score(measure, on) for on, measure in keys]
    ends = [score.intervals[0] for score in scores if score and score.intervals]
    return math.hypot(*((end.high - end.low) / 2 for end in ends)) / len(keys) if len(ends) == len(keys) else None


def _clear(upper: Row, seeds: Sequence[int], keys: Sequence[Key], values: Sequence[float], chance: float) -> bool:
    """Whether `original` is clearly better than chance at some seeds."""
    reach = 2 * stdev(values) if len(values) > 1 else _reach(upper, seeds[0], keys) or 0.0
    return fmean(values) - reach > chance
