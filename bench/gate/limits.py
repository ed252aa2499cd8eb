"""Absolute bounds: what a number may reach at most or at least, whatever a baseline says.

The 95 % interval has to keep the bound, not the value alone: of few trials a small leakage says little.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence

from ...reports.board.leaderboard import BOUNDS, board
from ...reports.board.marks import IGNORANT_ONLY
from ...reports.board.rows import Cell, Row
from ...reports.result.record import RunRecord
from .baseline import BaselineError
from .tolerances import SIDES, amounts
from .verdict import Finding, Verdict


def parse(entries: Sequence[str]) -> dict[str, float]:
    """Limits from `NAME=AMOUNT` entries, several in one separated by commas; `2%` is the share 0.02.

    Raises:
        BaselineError: one is nothing of the kind.
    """
    says = "a number, such as leakage=2% or accuracy=0.7"
    return amounts("--limit", entries, "%", says, least=-math.inf)


def check(records: Sequence[RunRecord], limits: dict[str, float]) -> list[Finding]:
    """A verdict on every number that a limit names, of every method but the bounds `original` and `noise`.

    A measure that is better when higher has to reach its limit, another may not go beyond it. Several seeds of a method
    are one number, with an interval for what seeds differ by.

    Args:
        records: of any groups.
        limits: by the name of a measure, or `utility` or `leakage` for all headline measures of a side.

    Raises:
        BaselineError: a name is no measure of these records, or a share's limit leaves 0 to 1.
    """
    groups = board(records)
    rows = [row for group in groups for row in group.rows if row.method not in BOUNDS]
    if len(groups) > 1:
        for group in groups:
            for row in group.rows:
                row.label = f"{row.label} on {group.dataset}, {group.recipe}"
    cells = [(row, cell) for row in rows for cell in row.cells.values()]
    known = {*SIDES, *(cell.measure.name for _, cell in cells)}
    findings = []
    for name, limit in limits.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=2) or sorted(known)
            raise BaselineError(f"--limit {name}: no such measure in the records; expected {' or '.join(near)}")
        chosen = [(r, c) for r, c in cells if c.measure.name == name or c.measure.side == SIDES.get(name)]
        if any(c.measure.unit == "share" for _, c in chosen) and not 0 <= limit <= 1:
            raise BaselineError(
                f"--limit {name}={limit:g}: expected a share, 0 to 1; {limit:g} % are spelled {limit:g}%"
            )
        findings += [_finding(row, cell, limit) for row, cell in chosen]
        measured = {id(row) for row, _ in chosen}
        findings += [_absent(row, name) for row in rows if id(row) not in measured]
    return findings


def _finding(row: Row, cell: Cell, limit: float) -> Finding:
    higher = cell.measure.better == "higher"
    verdict, why = _judged(row, cell, limit, higher=higher)
    asked = f"{'at least' if higher else 'at most'} {_told(limit, cell)}"
    return Finding(
        row.label, _seeds(row), cell.measure.name, cell.on, verdict, f"{asked}: {why}", now=cell.mean,
        unit=cell.measure.unit,
    )  # fmt: skip


def _judged(row: Row, cell: Cell, limit: float, *, higher: bool) -> tuple[Verdict, str]:
    if row.reasons:
        return "not-comparable", f"unreliable: {row.reasons[0]}"
    if cell.measure.side == "privacy" and IGNORANT_ONLY in row.marks:
        return "not-comparable", "no attacker who knows the method was run"
    if (cell.mean < limit) if higher else (cell.mean > limit):
        return "beyond-limit", "it is not"
    bracket = cell.bracket
    if bracket is None:
        return "not-comparable", "it has no interval, so nothing tells what chance would change"
    end = bracket.low if higher else bracket.high
    if (end < limit) if higher else (end > limit):
        return "beyond-limit", f"its interval (95 %) reaches {_told(end, cell)}; more trials or seeds may tell"
    return "ok", f"its interval (95 %) ends at {_told(end, cell)}"


def _absent(row: Row, name: str) -> Finding:
    return Finding(row.label, _seeds(row), name, "-", "not-measured", "the records have no such number")


def _seeds(row: Row) -> str:
    return " ".join(map(str, row.seeds))


def _told(value: float, cell: Cell) -> str:
    return f"{value:.1%}" if cell.measure.unit == "share" else f"{value:.4g}"
