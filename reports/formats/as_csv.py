"""The leaderboard as CSV."""

from __future__ import annotations

import csv as csv_format
import io
import json
import re
from typing import Any

from ..board.floor import floor_of
from ..board.leaderboard import Board, Cell, Group, Row
from ..board.relative_utility import Relative, relative
from ..board.subgroup_gaps import long_form
from .tables import clean

FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""Beginnings of a text that spreadsheets take for a formula, the last four full-width; `clean` took tabs away."""
_SECOND = re.compile(rf"([;|]\s*)(?=[{re.escape(''.join(FORMULA))}])")
"""Before a formula where a spreadsheet of another country takes semicolons for the ends of cells."""

HEAD = ("dataset", "recipe", "recipe_hash", "data_hash", "method", "label", "parameters", "version", "front",
        "sourced", "marks", "seeds", "seconds", "utility", "worst_leakage", "worst_on", "side", "measure", "on",
        "mean", "sd", "values", "low", "high", "interval", "n", "chance", "by", "link", "reasons",
        "relative_utility", "relative_utility_over_chance", "noise", "group_by", "group")  # fmt: skip
NUMBERS = {HEAD.index("seeds"), HEAD.index("values")}
"""Lists of numbers, where a minus is no formula."""


def csv(board: Board) -> str:
    """One line a row and measure, numbers in full; then one for every group, named in `group_by` and `group`."""
    out = io.StringIO()
    writer = csv_format.writer(out, lineterminator="\n")
    writer.writerow(HEAD)
    for group in board:
        for row, found in zip(group.rows, relative(group), strict=True):
            lines = [_line(group, row, cell, found) for cell in row.cells.values()]
            lines += [_group_line(group, row, one) for record in row.records for one in long_form(record)]
            writer.writerows(
                [v if n in NUMBERS or not isinstance(v, str) else safe(v) for n, v in enumerate(line)] for line in lines
            )
    return out.getvalue()


def _row(group: Group, row: Row, seeds: tuple[int, ...]) -> list[Any]:
    """What is told of a row in each of its lines."""
    return [
        group.dataset, group.recipe, group.recipe_hash, group.data_hash, row.method, row.label,
        json.dumps(row.parameters, sort_keys=True), row.version, row.front, row.sourced, "; ".join(row.marks),
        " ".join(map(str, seeds)), row.seconds, row.utility, row.worst.mean if row.worst else None,
        row.worst.on if row.worst else None,
    ]  # fmt: skip


def _line(group: Group, row: Row, cell: Cell, found: Relative | None) -> list[Any]:
    bounds = cell.bracket
    low = floor_of(group, (cell.on, cell.measure.name)) if cell.measure.side == "utility" else None
    return [
        *_row(group, row, row.seeds), cell.measure.side, cell.measure.name, cell.on, cell.mean,
        cell.sd, " ".join(map(repr, cell.values)), bounds.low if bounds else None, bounds.high if bounds else None,
        bounds.kind if bounds else None, cell.n, cell.chance, cell.by, cell.link, "; ".join(row.reasons),
        found.value if found else None, found.over_chance if found else None, low, "", "",
    ]  # fmt: skip


def _group_line(group: Group, row: Row, one: dict[str, Any]) -> list[Any]:
    """One group's score of one seed, as `long_form` has it."""
    return [
        *_row(group, row, (one["seed"],)), one["side"], one["measure"], one["on"], one["value"], None,
        "" if one["value"] is None else repr(one["value"]), one["low"], one["high"], one["interval"], one["n"],
        one["chance"], "", "", "; ".join(row.reasons), None, None, None, one["column"], one["group"],
    ]  # fmt: skip


def safe(text: str) -> str:
    """Text on one line that no spreadsheet takes for a formula."""
    text = clean(text)
    text = _SECOND.sub(r"\1'", text)
    return f"'{text}" if text.startswith(FORMULA) else text
