"""Which of two rows leaks more, as far as their intervals tell."""

from __future__ import annotations

from typing import Literal, NamedTuple

from .floor import Spread, spread
from .leaderboard import Cell, Row

Leakage = Literal["no more", "more", "undecided", "of another kind", "not measured"]
Both = tuple[Spread | None, Spread | None]


class Compared(NamedTuple):
    """The worst leakage of two rows: of the attacks that both met, over the seeds that both have."""

    verdict: Leakage
    values: tuple[float | None, float | None]
    spreads: Both = (None, None)


def leakages(row: Row, other: Row) -> Compared:
    """How the worst leakage of one row compares with another's."""
    if row.sourced != other.sourced:
        values = tuple(each.worst.mean if each.worst else None for each in (row, other))
        return Compared("of another kind", (values[0], values[1]))
    both = [{(cell.on, cell.measure.name): cell for cell in each.leaks} for each in (row, other)]
    worst = {(each.worst.on, each.worst.measure.name) for each in (row, other) if each.worst}
    if not worst or any(key not in cells for key in worst for cells in both):
        return Compared("not measured", (None, None))
    pairs = [(both[0][key], both[1][key]) for key in both[0].keys() & both[1].keys()]
    if not all(set(one.seeds) & set(two.seeds) for one, two in pairs):
        return Compared("not measured", (None, None))
    first = max((_values(one, two) for one, two in pairs), key=_mean)
    second = max((_values(two, one) for one, two in pairs), key=_mean)
    spreads = tuple(_spread(each, found) for each, found in ((row, first), (other, second)))
    values = (_mean(first), _mean(second))
    one, two = spreads
    if one is None or two is None or (one.low <= two.high and two.low <= one.high):
        return Compared("undecided", values, (one, two))
    return Compared("no more" if values[0] < values[1] else "more", values, (one, two))


class _Found(NamedTuple):
    cell: Cell
    by_seed: dict[int, float]


def _values(cell: Cell, other: Cell) -> _Found:
    """A cell at the seeds that another has, too."""
    return _Found(cell, {s: v for s, v in zip(cell.seeds, cell.values, strict=True) if s in other.seeds})


def _mean(found: _Found) -> float:
    return sum(found.by_seed.values()) / len(found.by_seed)


def _spread(row: Row, found: _Found) -> Spread | None:
    """The mean over seeds with its interval; seeds draw their own people, so their trials are others."""
    values = list(found.by_seed.values())
    return spread(values, [_half(row, found.cell, seed) for seed in found.by_seed], same=False)


def _half(row: Row, cell: Cell, seed: int) -> float | None:
    """Half-width of the interval of one seed's score; the wider side, since few hits make it lopsided."""
    names = {record.name for record in row.records if record.seed == seed}
    scores = [record.score(cell.measure.name, cell.on) for record in row.records if record.seed == seed]
    scores += [
        score
        for attack in row.foreign
        if attack.against.record in names
        for score in attack.scores
        if (score.measure.name, score.on) == (cell.measure.name, cell.on)
    ]
    for score in scores:
        if score and score.value is not None and score.intervals:
            return max(score.value - score.intervals[0].low, score.intervals[0].high - score.value)
    return None
