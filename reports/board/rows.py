"""What a board is made of: cells, rows, and groups of rows that may be compared."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import Any

from ..result.record import Interval, Measure, RunRecord
from ..result.thirdparty import ThirdPartyAttack
from ..statistics.differences import over_seeds


@dataclass(frozen=True)
class Cell:
    """One measure of a row: the mean over seeds."""

    measure: Measure
    on: str
    values: tuple[float, ...]
    """One a seed that has a number."""
    seeds: tuple[int, ...]
    """Which seeds these are."""
    n: int
    """Trials of one seed, the fewest where seeds differ."""
    interval: Interval | None
    """Of one seed's value; None with several seeds, whose spread says more."""
    chance: float | None
    """What guessing gives, mean over the seeds."""
    by: str = ""
    """Who made the attack, where it was not the run."""
    link: str = ""
    """Where it is described, an address of http or https."""
    intervals: tuple[Interval | None, ...] = ()
    """Of each seed's value."""

    @property
    def bracket(self) -> Interval | None:
        """The interval of the mean, whether of one seed or of several; None where a seed has none.

        A share's does not leave 0 to 1.
        """
        made = over_seeds(self.values, self.intervals, shared=self.measure.side == "utility") if self.values else None
        if made is None or self.measure.unit != "share":
            return made
        lowest = -1.0 if made.low < 0 and min(self.values) < 0 else 0.0  # a difference of shares may be below 0
        return made.model_copy(update={"low": max(lowest, made.low), "high": min(1.0, made.high)})

    @property
    def mean(self) -> float:
        """Over seeds."""
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float | None:
        """Between seeds; None for one."""
        if len(self.values) < 2:
            return None
        mean = self.mean  # by `fsum`, which is as exact as `statistics.stdev` here and takes a tenth of its time
        return math.sqrt(math.fsum((value - mean) ** 2 for value in self.values) / (len(self.values) - 1))


@dataclass
class Row:
    """One method with its parameters, over its seeds."""

    label: str
    method: str
    parameters: dict[str, Any]
    version: int | None
    """Of the method: raised when equal parameters give other images."""
    seeds: tuple[int, ...]
    cells: dict[tuple[str, str], Cell]
    """By what it was measured on and the measure's name; those of third parties too, which are no columns."""
    attackers: tuple[str, ...]
    inapplicable: tuple[str, ...]
    """Attacks that do not apply to the method."""
    sourced: bool
    """Whether private faces were made from originals; leakage of those that were not is another quantity."""
    marks: tuple[str, ...]
    source: str | None
    """Digest of the method's code, where another package brings it."""
    reasons: tuple[str, ...]
    """Why a row is unreliable: the sanity bounds that failed, and what people found later, with the link."""
    missing: tuple[str, ...]
    """Which headline numbers are missing or of an earlier version of an attack, and why."""
    seconds: float
    """What making all stages took, mean over seeds."""
    worst: Cell | None = None
    """The headline: the highest leakage over the attacks run, third parties' too."""
    utility: float | None = None
    """Mean over verification sets of the first headline utility; None where a set has no number."""
    unmatched: str = ""
    """Why its private set is of another size than that of `original`; nothing where it is not, or not known."""
    front: bool = False
    """Whether no other row is as good on both sides and better on one; never that of a row without sources."""
    records: tuple[RunRecord, ...] = ()
    """What the row was made from, one a seed."""
    foreign: tuple[ThirdPartyAttack, ...] = ()
    """Third parties' attacks on these."""

    @property
    def leaks(self) -> list[Cell]:
        """What the worst leakage is the worst of."""
        kind = ("privacy", "lower", "share")
        return [c for c in self.cells.values() if (c.measure.side, c.measure.better, c.measure.unit) == kind]


@dataclass
class Group:
    """Rows that may be compared: equal data, recipe, judge, attacks and arithmetic."""

    dataset: str
    recipe: str
    recipe_hash: str
    data_hash: str
    judge: str
    columns: tuple[tuple[str, Measure], ...]
    """What is measured on what: utility first, then privacy."""
    rows: list[Row] = field(default_factory=list)
    arithmetic: str = ""
    """In which arithmetic networks were trained, see `RunRecord.arithmetic`; nothing where no record tells."""

    @property
    def main(self) -> Measure | None:
        """The first headline utility, by whose mean over sets the rows are sorted."""
        return next((measure for _, measure in self.columns if measure.side == "utility"), None)
