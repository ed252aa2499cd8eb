"""The claim of the FaceMAE paper as a number: its errors of verification over those of other methods.

As this suite states it: at no more leakage than the best prior method, FaceMAE's recognizer makes at most half its
errors of verification on LFW, CFP-FP and AgeDB-30.

Source: Wang et al., FaceMAE, arXiv 2205.11090, abstract: the error rate falls by at least a half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..result.record import Interval
from ..statistics.differences import Errors, error_ratio
from .claim_leakage import Leakage, leakages
from .floor import FLOOR, NO_UTILITY, UPPER, Spread, newest
from .leaderboard import BOUNDS, Cell, Group, Row
from .marks import STILL_LEARNING

CLAIMANT = "facemae"
PRIORS = ("masking", "gan")
"""The methods the paper compares with: faces masked as heavily, and faces that a GAN synthesized. Whatever else is in
the table is compared too, but the claim says nothing of it."""
AT_MOST = 0.5
"""The claimed ratio of errors."""
MOST = 10
"""Of more rows of the claimant, or of others, the best are compared: every pair of a thousand rows is no answer."""
LEAST_SEEDS = 3
"""From fewer trainings nothing is said: one differs from the next by points."""

Verdict = Literal["holds", "does not hold", "is open", "needs more seeds", "cannot be decided at this size"]


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
    """The claimant's worst leakage against the other's: of the attacks that both were put to, over the seeds that both
    have. Undecided where the two intervals overlap or one is missing; not measured where the worst attack on one was
    not made on the other."""
    leaks: tuple[float | None, float | None]
    """Both, the claimant's first."""
    spreads: tuple[Spread | None, Spread | None]
    """Both with their intervals."""
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
    upper: tuple[Ratio, ...]
    """Errors of the originals over those of the best prior method: nobody can be expected below. Empty without them."""
    floor: tuple[Ratio, ...]
    """Errors of noise over them: what a network reaches that learned no face. Empty without it."""
    verdict: Verdict
    because: str
    """Why, in a few words."""
    beside: tuple[str, ...]
    """What else a reader has to know of the rows, in a sentence each."""
    left_out: int
    """Rows of the group, the claimant's or others, that were not compared since there are many better ones."""

    @property
    def holds(self) -> bool | None:
        """None where nothing is decided."""
        return {"holds": True, "does not hold": False}.get(self.verdict)


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
    return tuple(_claim(row, compared, group, main.name, left_out) for row in claimants)


def _claim(row: Row, others: list[Row], group: Group, measure: str, left_out: int) -> Claim:
    compared = tuple(_compare(row, other, measure) for other in others)
    best, prior = next(pair for pair in zip(compared, others, strict=True) if pair[0].prior)
    ends = [newest(group.rows, method) for method in (UPPER, FLOOR)]
    upper, floor = (_ratios(end, prior, measure) if end else () for end in ends)
    verdict, because = _verdict(best, upper)
    marks = (NO_UTILITY, STILL_LEARNING)
    beside = tuple(f"`{each.label}`: {mark}" for each in (row, prior) for mark in marks if mark in each.marks)
    return Claim(row.label, compared, best, upper, floor, verdict, because, beside, left_out)


def _compare(row: Row, other: Row, measure: str) -> Comparison:
    found = leakages(row, other)
    return Comparison(
        other=other.label,
        prior=other.method in PRIORS,
        ratios=_ratios(row, other, measure),
        leakage=found.verdict,
        leaks=found.values,
        spreads=found.spreads,
        unreliable=tuple(r.label for r in (row, other) if r.reasons or r.missing),
    )


def _ratios(row: Row, other: Row, measure: str) -> tuple[Ratio, ...]:
    """Of the errors on each set that both have, and of the means where there are several."""
    sets = [on for on, name in row.cells if name == measure and (on, measure) in other.cells]
    pairs = [(row.cells[on, measure], other.cells[on, measure]) for on in sets]
    ratios = [_ratio(pair[0].on, [pair]) for pair in pairs]
    if len(pairs) > 1:
        ratios.append(_ratio("mean", pairs))
    return tuple(ratios)


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


def _verdict(best: Comparison, upper: tuple[Ratio, ...]) -> tuple[Verdict, str]:
    """What becomes of the claim against the best prior method: yes or no where whole intervals say so.

    No is said only where a recognizer that was trained on the originals keeps the bound clearly: what nobody can reach,
    a method cannot miss.
    """
    sets = [ratio for ratio in best.ratios if ratio.on != "mean" or len(best.ratios) == 1]
    seeds = min((len(ratio.seeds) for ratio in sets), default=0)
    below = all(ratio.interval and ratio.interval.high <= AT_MOST for ratio in sets)
    above = [ratio.on for ratio in sets if ratio.interval and ratio.interval.low > AT_MOST]
    out = [ratio.on for ratio in upper if ratio.on in {each.on for each in sets} and not _reachable(ratio)]
    of = f"`{best.other}`"
    rules: tuple[tuple[bool, Verdict, str], ...] = (
        (bool(best.unreliable), "is open",
         " and ".join(f"`{row}`" for row in best.unreliable) + " cannot be relied on or lacks a number"),
        (best.leakage == "of another kind", "is open",
         f"leakage of {of} is of another kind, so nobody can tell which of the two leaks more"),
        (seeds < LEAST_SEEDS, "needs more seeds",
         f"both have {seeds} in common, and {LEAST_SEEDS} are the fewest that say something"),
        (below and best.leakage == "no more", "holds",
         f"on every set the whole interval is at or below {AT_MOST}, at no more leakage"),
        (not upper, "is open", f"without a row `{UPPER}` nobody knows whether {AT_MOST} can be reached"),
        (bool(out) and not below, "cannot be decided at this size",
         f"on {', '.join(out)} originals themselves are not clearly below {AT_MOST}"),
        (best.leakage == "more", "does not hold", "it leaks more"),
        (bool(above), "does not hold", f"on {', '.join(above)} the whole interval is above {AT_MOST}"),
        (not below, "is open", f"intervals reach across {AT_MOST}, or are missing"),
        (True, "is open",
         f"errors are at most {AT_MOST} of the other's, but which of the two leaks more is {best.leakage}"),
    )  # fmt: skip
    return next((verdict, because) for holds, verdict, because in rules if holds)


def _reachable(ratio: Ratio) -> bool:
    """Whether originals are clearly below the bound; where they make no errors at all, they are."""
    if ratio.value is None:
        return bool(ratio.seeds)
    return ratio.value < AT_MOST and (ratio.interval is None or ratio.interval.high < AT_MOST)
