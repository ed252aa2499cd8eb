"""Scores by group: who is protected least, whom the private set serves worst, and how far apart groups are."""

from __future__ import annotations

from itertools import groupby
from typing import Any, NamedTuple

from ..result.record import Groups, GroupScore, Measure, RunRecord

LEAST = 30
"""Groups with fewer trials than this are shown, without an interval, and not compared."""
NOT_TOLD = "(not told)"
"""The group of trials that the table says nothing about: shown, and not compared with groups of people."""


class Spread(NamedTuple):
    """How far the groups of one column are apart in one measure."""

    column: str
    measure: Measure
    on: str
    every: tuple[GroupScore, ...]
    """All groups, in the record's order."""
    compared: tuple[GroupScore, ...]
    """The groups with at least `LEAST` trials, the worst first."""

    @property
    def worst(self) -> GroupScore | None:
        """The group that leaks most, or is served worst; None where no two groups can be compared."""
        return self.compared[0] if len(self.compared) > 1 else None

    @property
    def gap(self) -> float | None:
        """Largest less smallest value; None where no two groups can be compared."""
        values = [one.score.value for one in self.compared if one.score.value is not None]
        return max(values) - min(values) if len(values) > 1 else None

    @property
    def overlap(self) -> bool:
        """Whether the intervals of the worst and of the best group overlap, so that the gap may well be chance."""
        if self.worst is None:
            return True
        first, last = (one.score.intervals[0] for one in (self.compared[0], self.compared[-1]))
        return first.low <= last.high and last.low <= first.high


def compared(one: GroupScore) -> bool:
    """Whether a group's score enters worst group and gap."""
    score = one.score
    return one.group != NOT_TOLD and score.n >= LEAST and score.value is not None and bool(score.intervals)


def spreads(groups: Groups) -> list[Spread]:
    """One for every column, measure and attack or verification set, in the record's order."""
    found = []
    for (column, measure, on), scores in groupby(
        groups.scores, key=lambda one: (one.column, one.score.measure, one.score.on)
    ):
        every = tuple(scores)
        sign = -1 if measure.better == "lower" else 1
        chosen = sorted(filter(compared, every), key=lambda one: sign * (one.score.value or 0.0))
        found.append(Spread(column, measure, on, every, tuple(chosen)))
    return found


def widest(groups: Groups) -> list[Spread]:
    """Of each column and measure the attack, or the verification set, where the gap is largest."""
    found: dict[tuple[str, str], Spread] = {}
    for one in spreads(groups):
        key = (one.column, one.measure.name)
        if key not in found or (one.gap or -1.0) > (found[key].gap or -1.0):
            found[key] = one
    return list(found.values())


def long_form(record: RunRecord) -> list[dict[str, Any]]:
    """One entry a group and score, for tables that machines read; none where the record has no groups."""
    rows = []
    for one in record.groups.scores if record.groups else ():
        score, interval = one.score, one.score.intervals[0] if one.score.intervals else None
        rows.append({
            "seed": record.seed, "column": one.column, "group": one.group, "measure": score.measure.name,
            "side": score.measure.side, "on": score.on, "value": score.value,
            "low": interval.low if interval else None, "high": interval.high if interval else None,
            "interval": interval.kind if interval else None, "n": score.n, "people": score.detail.get("people"),
            "chance": score.chance, "compared": compared(one), "note": score.note,
        })  # fmt: skip
    return rows
