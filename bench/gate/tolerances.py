"""How much worse a number may become before the gate calls it a regression."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from ...reports.statistics.intervals import wilson
from .baseline import Baseline, BaselineError, Gated

DEFAULT = {"utility": 0.005, "privacy": 0.01}
"""Of measures that are shares, by side, where nothing else is said."""
SIDES = {"utility": "utility", "leakage": "privacy"}
"""Names that stand for all measures of a side."""


def parse(entries: Sequence[str]) -> dict[str, float]:
    """Tolerances from `NAME=AMOUNT` entries, several in one separated by commas; `0.5pp` is the share 0.005.

    Raises:
        BaselineError: one is nothing of the kind.
    """
    says = "an amount of at least 0, such as accuracy=0.5pp (percentage points) or accuracy=0.005"
    return amounts("--tolerance", entries, "pp", says, least=0.0)


def amounts(option: str, entries: Sequence[str], hundredths: str, says: str, *, least: float) -> dict[str, float]:
    """Amounts by name, from `NAME=AMOUNT` entries, several in one separated by commas.

    Args:
        option: that they were given with, for messages.
        entries: as they were given.
        hundredths: what an amount ends in that is told in hundredths.
        says: what is expected of an amount.
        least: the lowest amount that there is.

    Raises:
        BaselineError: one is nothing of the kind, or was given twice.
    """
    found: dict[str, float] = {}
    for entry in (part.strip() for text in entries for part in text.split(",")):
        name, _, amount = (part.strip() for part in entry.rpartition("="))
        try:
            value = float(amount.removesuffix(hundredths)) / (100 if amount.endswith(hundredths) else 1)
        except ValueError:
            value = math.nan
        if not name or not math.isfinite(value) or value < least:
            raise BaselineError(f"{option} {entry!r}: expected NAME=AMOUNT with {says}")
        if name in found:
            raise BaselineError(f"{option} {entry!r}: {name} was given twice; expected it once")
        found[name] = value
    return found


def applied(measures: Mapping[str, Gated], given: Mapping[str, float]) -> dict[str, Gated]:
    """Measures with the tolerances that were given for them; a measure's own name goes before its side's.

    Raises:
        BaselineError: a name is no gated measure, or the tolerance of a share is not below 1.
    """
    sides = {measure.side for measure in measures.values()}
    known = {*measures, *(name for name, side in SIDES.items() if side in sides)}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise BaselineError(
                f"--tolerance {name}: no such measure is gated; "
                + (f"did you mean {near[0]}?" if near else f"expected one of {', '.join(sorted(known))}")
            )
    found = {}
    for name, measure in measures.items():
        side = next((alias for alias, side in SIDES.items() if side == measure.side), "")
        tolerance = given.get(name, given.get(side, measure.tolerance))
        if measure.unit == "share" and tolerance >= 1:
            raise BaselineError(
                f"--tolerance {name}={tolerance:g}: expected less than 1, since {name} is a share: nothing would ever "
                f"be a regression; {tolerance:g} percentage points are spelled {tolerance:g}pp"
            )
        found[name] = measure.model_copy(update={"tolerance": tolerance})
    return found


def unresolved(baseline: Baseline) -> list[str]:
    """A warning for every share whose trials are too few to see a change as small as its tolerance."""
    warnings = []
    for name, measure in baseline.measures.items():
        counted = [
            ((bounds.high - bounds.low) / 2, kept.n)
            for entry in baseline.entries
            for kept in entry.scores
            if kept.measure == name and measure.unit == "share" and 0 <= kept.value <= 1
            for bounds in [wilson(round(kept.value * kept.n), kept.n)]
        ]
        coarse = [(half, n) for half, n in counted if half > measure.tolerance]
        if coarse:
            half, n = max(coarse)
            warnings.append(
                f"{name}: the tolerance of {100 * measure.tolerance:g} pp is finer than {len(coarse)} of "
                f"{len(counted)} scores can tell (95 % half-width up to {100 * half:.1f} pp at n = {n:,}, "
                f"{100 * fmean(h for h, _ in coarse):.1f} pp on average): smaller changes may pass; use more trials"
            )
    return warnings
