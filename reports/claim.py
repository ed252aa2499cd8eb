"""The claim of the FaceMAE paper as a number: its errors of verification over those of other methods.

As this suite states it: at no more leakage than the best prior method, FaceMAE's recognizer makes at most half its
errors of verification on LFW, CFP-FP and AgeDB-30.

Source: Wang et al., FaceMAE, arXiv 2205.11090, abstract: the error rate falls by at least a half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from .compared import Errors, error_ratio
from .leaderboard import BOUNDS, Cell, Group, Row
from .record import Interval

CLAIMANT = "facemae"
PRIORS = ("masking", "gan")
"""The methods the paper compares with: faces masked as heavily, and faces that a GAN synthesized. Whatever else is in
the table is compared too, but the claim says nothing of it."""
AT_MOST = 0.5
"""The claimed ratio of errors."""
MOST = 10
"""Of more rows of the claimant, or of others, the best are compared: every pair of a thousand rows is no answer."""

Leakage = Literal["no more", "more", "of another kind", "not measured"]


@dataclass(frozen=True)
class Ratio:
    """Errors of one method over those of another on one verification set, or on average."""

    on: str
    """The set, or `mean`."""
    value: float | None
    """Below 1 where the first errs less; None where one makes no error, or no seed has both numbers."""
    interval: Interval | None
    n: int
    """Pairs of one seed; of the mean, of all sets."""
    seeds: tuple[int, ...]
    """Those that have both numbers."""


@dataclass(frozen=True)
class Comparison:
    """The claimant with one other method."""

    other: str
    """The row's label."""
    prior: bool
    """Whether the paper compares with it."""
    ratios: tuple[Ratio, ...]
    """One a verification set, and their mean where there are several."""
    leakage: Leakage
    """The claimant's worst leakage against the other's, by the values without their intervals: of the attacks that both
    were put to, over the seeds that both have. Not measured where the worst attack on one was not made on the other."""
    leaks: tuple[float | None, float | None]
    """Both, the claimant's first."""
    unreliable: tuple[str, ...]
    """Which of the two is not to be relied on, or lacks a number."""


@dataclass(frozen=True)
class Claim:
    """What became of the claim for one row of the claimant's."""

    claimant: str
    """The row's label."""
    comparisons: tuple[Comparison, ...]
    """The best method first."""
    best: Comparison
    """With the prior method of the best utility."""
    holds: bool | None
    """None where the data do not decide."""
    because: str
    """Why, in a few words."""
    left_out: int
    """Rows of the group, the claimant's or others, that were not compared since there are many better ones."""


def claims(group: Group) -> tuple[Claim, ...]:
    """The claim, for each row of the claimant's; none where it or every prior method is missing.

    Of many rows the best of either side take part, and the best of each prior method in any case.
    """
    main = group.main
    if main is None or (main.better, main.unit) != ("higher", "share"):
        return ()
    rows = [row for row in group.rows if row.utility is not None and row.method not in BOUNDS]  # the best first
    others = [row for row in rows if row.method != CLAIMANT]
    if not any(row.method in PRIORS for row in others):
        return ()
    claimants = [row for row in rows if row.method == CLAIMANT][:MOST]
    firsts = [next((n for n, row in enumerate(others) if row.method == prior), 0) for prior in PRIORS]
    compared = [row for n, row in enumerate(others) if n < MOST or n in firsts]
    left_out = len(rows) - len(claimants) - len(compared)
    return tuple(_claim(row, compared, main.name, left_out) for row in claimants)


def _claim(row: Row, others: list[Row], measure: str, left_out: int) -> Claim:
    compared = tuple(_compare(row, other, measure) for other in others)
    best = next(comparison for comparison in compared if comparison.prior)
    holds, because = _verdict(best)
    return Claim(row.label, compared, best, holds, because, left_out)


def _compare(row: Row, other: Row, measure: str) -> Comparison:
    sets = [on for on, name in row.cells if name == measure and (on, measure) in other.cells]
    pairs = [(row.cells[on, measure], other.cells[on, measure]) for on in sets]
    ratios = [_ratio(pair[0].on, [pair]) for pair in pairs]
    if len(pairs) > 1:
        ratios.append(_ratio("mean", pairs))
    leakage, leaks = _leakage(row, other)
    return Comparison(
        other=other.label,
        prior=other.method in PRIORS,
        ratios=tuple(ratios),
        leakage=leakage,
        leaks=leaks,
        unreliable=tuple(r.label for r in (row, other) if r.reasons or r.missing),
    )


def _ratio(on: str, pairs: list[tuple[Cell, Cell]]) -> Ratio:
    seeds = sorted(set.intersection(*(set(cell.seeds) for pair in pairs for cell in pair)))
    n = sum(min(cell.n for cell in pair) for pair in pairs)
    if not seeds:
        return Ratio(on, None, None, n, ())
    first, second = ([_errors(pair[side], seeds) for pair in pairs] for side in (0, 1))
    found = error_ratio(first, second)
    value, interval = found or (None, None)
    return Ratio(on, value, interval, n, tuple(seeds))


def _errors(cell: Cell, seeds: list[int]) -> Errors:
    by_seed = dict(zip(cell.seeds, cell.values, strict=True))
    return Errors(tuple(1 - by_seed[seed] for seed in seeds), cell.n)


def _leakage(row: Row, other: Row) -> tuple[Leakage, tuple[float | None, float | None]]:
    """How the worst leakage of two rows compares, and both: of equal attackers and equal seeds."""
    if row.sourced != other.sourced:
        return "of another kind", (row.worst.mean if row.worst else None, other.worst.mean if other.worst else None)
    both = [{(cell.on, cell.measure.name): cell for cell in each.leaks} for each in (row, other)]
    worst = {(each.worst.on, each.worst.measure.name) for each in (row, other) if each.worst}
    if not worst or any(key not in cells for key in worst for cells in both):
        return "not measured", (None, None)
    pairs = [(both[0][key], both[1][key]) for key in both[0].keys() & both[1].keys()]
    if not all(set(one.seeds) & set(two.seeds) for one, two in pairs):
        return "not measured", (None, None)
    first = max(_over(one, two.seeds) for one, two in pairs)
    second = max(_over(two, one.seeds) for one, two in pairs)
    return ("no more" if first <= second else "more"), (first, second)


def _over(cell: Cell, seeds: Sequence[int]) -> float:
    """The mean over those seeds that are among some."""
    return fmean(value for seed, value in zip(cell.seeds, cell.values, strict=True) if seed in seeds)


def _verdict(best: Comparison) -> tuple[bool | None, str]:
    """Whether the claim holds against the best prior method: yes or no where whole intervals say so."""
    if best.unreliable:
        return None, " and ".join(f"`{label}`" for label in best.unreliable) + " cannot be relied on or lacks a number"
    if best.leakage == "more":
        return False, "it leaks more"
    sets = [ratio for ratio in best.ratios if ratio.on != "mean" or len(best.ratios) == 1]
    above = [ratio.on for ratio in sets if ratio.interval and ratio.interval.low > AT_MOST]
    if above:
        return False, f"on {', '.join(above)} the whole interval is above {AT_MOST}"
    if not all(ratio.interval and ratio.interval.high <= AT_MOST for ratio in sets):
        return None, f"intervals reach across {AT_MOST}, or are missing"
    if best.leakage != "no more":
        return None, f"errors are at most {AT_MOST} of the other's, but its leakage is {best.leakage}"
    return True, f"on every set the whole interval is at or below {AT_MOST}, at no more leakage"
