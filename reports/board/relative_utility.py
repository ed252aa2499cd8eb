"""Relative utility: which part of what originals are worth above noise is left in a private set.

U = (a - a_noise) / (a_original - a_noise), seed by seed, so `original` is 1, and a set worth no more than noise 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from .floor import FLOOR, UPPER, above, by_seed, newest, reach, shared_seeds, spread
from .leaderboard import Group, Row
from .plane import Key, sets

__all__ = ["FLOOR", "NOTE", "UPPER", "Relative", "relative"]

NOTE = (
    "It is (utility - that of `noise`) / (utility of `original` - that of `noise`), paired over the seeds that all "
    "three have; in brackets 95 %. Above chance, with chance in place of `noise`, is the older form."
)


class Relative(NamedTuple):
    """The relative utility of a row."""

    value: float | None
    """1 is what originals are worth, 0 what noise is; None where the table has no `noise`, or `original` is not
    clearly better."""
    low: float | None
    high: float | None
    """95 %, over pairs and over seeds; None of `original` and `noise` themselves, or without intervals."""
    sd: float | None
    """Between the values of several seeds."""
    seeds: tuple[int, ...]
    """Those that the row, `original` and `noise` have in common."""
    over_chance: float | None
    """(utility - chance) / (utility of `original` - chance), over the seeds that both have: the older form."""


def relative(group: Group) -> list[Relative | None]:
    """Of each row of a group, in the order of the rows.

    None where the row or `original` has no utility, or no seed in common, or neither form can be told: where originals
    are not clearly better than noise, or than chance.
    """
    keys = [key for key in sets(group) if any(key in row.cells for row in group.rows)]
    upper, floor = newest(group.rows, UPPER), newest(group.rows, FLOOR)
    if group.main is None or group.main.better != "higher" or upper is None:
        return [None] * len(group.rows)
    if floor is not None and not _clear(upper, floor, keys):
        floor = None  # no scale to measure on
    found = [None if row.utility is None else _relative(row, upper, floor, keys) for row in group.rows]
    return [None if each is None or (each.value is None and each.over_chance is None) else each for each in found]


def _clear(upper: Row, floor: Row, keys: Sequence[Key]) -> bool:
    """Whether originals are clearly better than noise: by the interval of one seed, or two deviations of several."""
    seeds = shared_seeds([upper, floor], keys)
    if len(seeds) < 2:
        lead = above(upper, floor, keys)
        return lead is not None and lead.low > 0
    leads = [a - b for a, b in zip(by_seed(upper, seeds, keys), by_seed(floor, seeds, keys), strict=True)]
    return fmean(leads) - 2 * stdev(leads) > 0


def _relative(row: Row, upper: Row, floor: Row | None, keys: Sequence[Key]) -> Relative | None:
    chance = _over_chance(row, upper, keys)
    if floor is None:
        return Relative(None, None, None, None, (), chance)
    seeds = shared_seeds([row, upper, floor], keys)
    if not seeds:
        return Relative(None, None, None, None, (), chance)
    own, top, low = (by_seed(each, seeds, keys) for each in (row, upper, floor))
    scale = fmean(a - b for a, b in zip(top, low, strict=True))
    if scale <= 0:
        return Relative(None, None, None, None, seeds, chance)
    value = fmean(a - b for a, b in zip(own, low, strict=True)) / scale
    if row is upper or row is floor:
        return Relative(value, None, None, None, seeds, chance)
    # first order: how the ratio of means moves with each seed's numbers, and with the pairs of each
    moved = [value + (a - n - value * (o - n)) / scale for a, o, n in zip(own, top, low, strict=True)]
    halves = [_half((row, upper, floor), seed, keys, value, scale) for seed in seeds]
    ends = spread(moved, halves, same=True)
    each = [(a - n) / (o - n) for a, o, n in zip(own, top, low, strict=True) if o > n]
    deviation = stdev(each) if len(each) == len(seeds) > 1 else None
    return Relative(value, ends.low if ends else None, ends.high if ends else None, deviation, seeds, chance)


def _half(rows: tuple[Row, Row, Row], seed: int, keys: Sequence[Key], value: float, scale: float) -> float | None:
    """Half-width of the ratio at one seed, from the intervals of all three scores, as if independent."""
    ends = [reach(row, seed, keys) for row in rows]
    if any(end is None for end in ends):
        return None
    own, top, low = (end or 0.0 for end in ends)
    return math.hypot(own, value * top, (1 - value) * low) / scale


def _over_chance(row: Row, upper: Row, keys: Sequence[Key]) -> float | None:
    """The older form; None where `original` is not clearly better than chance at the seeds that both have."""
    seeds = shared_seeds([row, upper], keys)
    chances = [upper.cells[key].chance for key in keys]
    if not seeds or not keys or None in chances:
        return None
    chance = fmean(value for value in chances if value is not None)
    own, top = by_seed(row, seeds, keys), by_seed(upper, seeds, keys)
    doubt = 2 * stdev(top) if len(top) > 1 else reach(upper, seeds[0], keys) or 0.0
    if fmean(top) - doubt <= chance:
        return None
    return (fmean(own) - chance) / (fmean(top) - chance)
