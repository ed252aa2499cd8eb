"""The leaderboard as Markdown, CSV and JSON, each from the same rows."""

from __future__ import annotations

import csv as csv_format
import io
import json as json_format
from typing import Any, NamedTuple

from pydantic_core import to_json

from .claim import claims
from .claim_table import ClaimTable, claim_table, plain
from .leaderboard import Board, Cell, Group, Row
from .record import Measure

LEGEND = (
    "In brackets the interval (95 %) of one seed, or the standard deviation (sd) over several. `*`: on the "
    "privacy-utility front: no other row is as good on both sides and better on one; bounds, unreliable and incomplete "
    "rows and rows without sources are not on it. `-`: not measured. `n/a`: does not apply. `ignorant-only`: no "
    "attacker who knows the method was run, so low leakage is no guarantee."
)
KINDS = (
    "faces were made from no originals: its leakage is how much more often they match people the generator was trained "
    "on than people it never saw. That is not the same number as how often an original is found, so its leakage and "
    "that of the other rows are not compared."
)
"""Said of rows without sources."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a text that spreadsheets take for a formula."""


class Table(NamedTuple):
    """A group of comparable rows, as text to be laid out."""

    title: str
    header: list[str]
    rows: list[list[str]]
    """One cell a column of the header; the first and the last column are words, the others numbers."""
    caption: str
    """n, chance, judge and hashes."""
    remarks: list[str]
    """What rows are not to be relied on, or lack, or cannot be compared in, and why."""
    claim: ClaimTable | None = None
    """What became of the paper's claim."""


def tables(board: Board) -> list[Table]:
    """One table a group of comparable rows."""
    return [_table(group) for group in board]


def markdown(board: Board) -> str:
    """One table a group of comparable rows, readable also as it is."""
    parts = []
    for table in tables(board):
        remarks = [f"- {_safe(remark)}" for remark in table.remarks]
        laid_out = _laid_out(table.header, table.rows, words={0, len(table.header) - 1})
        parts += [f"### {_safe(table.title)}", laid_out, _safe(table.caption), "\n".join(remarks)]
        if table.claim:
            parts += [_laid_out(table.claim.header, table.claim.rows, words={0, 1}), _safe(table.claim.caption)]
            parts.append("\n".join(f"- {_safe(verdict)}" for verdict in table.claim.verdicts))
    measures = {measure.name: measure for group in board for _, measure in group.columns}
    parts.append("\n".join(f"- {_safe(f'`{name}`: {measure.says}')}" for name, measure in measures.items()))
    return "\n\n".join(part for part in [*parts, LEGEND] if part) + "\n"


def _laid_out(header: list[str], rows: list[list[str]], *, words: set[int]) -> str:
    """A Markdown table with aligned columns: `words` to the left, numbers to the right."""
    cells = [[_safe(cell) for cell in line] for line in (header, *rows)]
    widths = [max(3, *(len(line[n]) for line in cells)) for n in range(len(header))]
    rule = ["-" * width if n in words else "-" * (width - 1) + ":" for n, width in enumerate(widths)]
    aligned = [
        [c.ljust(w) if n in words else c.rjust(w) for n, (c, w) in enumerate(zip(line, widths, strict=True))]
        for line in cells
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in (aligned[0], rule, *aligned[1:]))


def _table(group: Group) -> Table:
    main = group.main
    mean = sum(measure.name == main.name for _, measure in group.columns) > 1 if main else False
    header = ["method", *([f"mean {main.name}"] if main and mean else [])]
    header += [f"{measure.name} {on}" for on, measure in group.columns]
    rows = []
    for row in group.rows:
        utility = "-" if row.utility is None or main is None else number(row.utility, main)
        rows.append([
            f"{row.label}{' *' if row.front else ''}",
            *([utility] if mean else []),
            *("n/a" if on in row.inapplicable else _cell(row.cells.get((on, measure.name)))
              for on, measure in group.columns),
            "-" if row.worst is None else f"{number(row.worst.mean, row.worst.measure)} ({row.worst.on})",
            str(len(row.seeds)),
            ", ".join(row.marks) or "-",
        ])  # fmt: skip
    return Table(
        title=f"{group.dataset}, recipe {group.recipe}",
        header=[*header, "worst leakage", "seeds", "marks"],
        rows=rows,
        caption=_caption(group),
        remarks=[f"`{row.label}` is unreliable: {reason}" for row in group.rows for reason in row.reasons]
        + [f"`{row.label}` is incomplete: {what}" for row in group.rows for what in row.missing]
        + [f"`{row.label}`: {KINDS}" for row in group.rows if not row.sourced],
        claim=claim_table(claims(group)),
    )


def _caption(group: Group) -> str:
    told: dict[str, str] = {}
    for on, measure in group.columns:
        cells = [row.cells[on, measure.name] for row in group.rows if (on, measure.name) in row.cells]
        counts = sorted({cell.n for cell in cells})
        if on in told or not counts:
            continue
        n = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        chances = sorted({number(cell.chance, cell.measure) for cell in cells if cell.chance is not None})
        chance = f", chance {' to '.join(dict.fromkeys([chances[0], chances[-1]]))}" if chances else ""
        told[on] = f"{on}: n = {n}{chance}"
    shares = " Shares in %." if any(measure.unit == "share" for _, measure in group.columns) else ""
    return (
        f"{'; '.join(told.values()) or 'nothing measured'}.{shares} Judge: {group.judge or 'not named'}. "
        f"Recipe {group.recipe_hash}, data {group.data_hash}."
    )


def _cell(cell: Cell | None) -> str:
    """A value with its uncertainty; a dash where there is none, never a zero."""
    if cell is None or not cell.values:
        return "-"
    value = number(cell.mean, cell.measure)
    if cell.sd is not None:
        return f"{value} (sd {number(cell.sd, cell.measure)})"
    if cell.interval is not None:
        return f"{value} [{number(cell.interval.low, cell.measure)}, {number(cell.interval.high, cell.measure)}]"
    return value


def number(value: float, measure: Measure) -> str:
    """Shares as percentages, with more digits where they are small."""
    if measure.unit != "share":
        return f"{value:.4g}"
    value = 0.0 if abs(value) < 5e-5 and value < 0 else value  # a difference that rounds to zero has no sign
    return f"{100 * value:.1f}" if abs(value) >= 0.01 or value == 0 else f"{100 * value:.2f}"


def _safe(text: str) -> str:
    """Text that stays in its cell, and that no viewer takes for a link, an image or HTML."""
    for character in "\\|<":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.replace("](", "]\\(").split())


def csv(board: Board) -> str:
    """One line a row and measure, numbers in full."""
    out = io.StringIO()
    head = ["dataset", "recipe", "recipe_hash", "data_hash", "method", "label", "parameters", "version", "front",
            "sourced", "marks", "seeds", "seconds", "utility", "worst_leakage", "worst_on", "side", "measure", "on",
            "mean", "sd", "values", "low", "high", "interval", "n", "chance"]  # fmt: skip
    numbers = {head.index("seeds"), head.index("values")}  # lists of them: a minus is no formula
    writer = csv_format.writer(out, lineterminator="\n")
    writer.writerow(head)
    for group in board:
        for row in group.rows:
            for cell in row.cells.values():
                bounds = cell.interval
                line: list[Any] = [
                    group.dataset, group.recipe, group.recipe_hash, group.data_hash, row.method, row.label,
                    json_format.dumps(row.parameters, sort_keys=True), row.version, row.front,
                    row.sourced, "; ".join(row.marks),
                    " ".join(map(str, row.seeds)), row.seconds, row.utility, row.worst.mean if row.worst else None,
                    row.worst.on if row.worst else None, cell.measure.side, cell.measure.name, cell.on, cell.mean,
                    cell.sd, " ".join(map(repr, cell.values)), bounds.low if bounds else None,
                    bounds.high if bounds else None, bounds.kind if bounds else None, cell.n, cell.chance,
                ]  # fmt: skip
                writer.writerow([
                    f"'{v}" if isinstance(v, str) and v.startswith(FORMULA) and n not in numbers else v
                    for n, v in enumerate(line)
                ])  # fmt: skip
    return out.getvalue()


def json(board: Board) -> str:
    """All that the tables are made of."""
    return to_json([_plain(group) for group in board], indent=1).decode() + "\n"  # ten times as fast as `json`


def _plain(group: Group) -> dict[str, Any]:
    shown = {key: value for key, value in vars(group).items() if key not in ("rows", "columns")}
    shown["columns"] = [{"on": on, "measure": measure.name, "side": measure.side} for on, measure in group.columns]
    shown["rows"] = [_plain_row(row) for row in group.rows]
    shown["claims"] = plain(claims(group))
    return shown


def _plain_row(row: Row) -> dict[str, Any]:
    kept = {key: value for key, value in vars(row).items() if key not in ("cells", "worst", "records")}
    kept["records"] = [record.name for record in row.records]
    cells = [_plain_cell(cell) for cell in row.cells.values()]
    return {**kept, "cells": cells, "worst": _plain_cell(row.worst) if row.worst else None}


def _plain_cell(cell: Cell) -> dict[str, Any]:
    shown = dict(vars(cell))
    shown["measure"] = cell.measure.name
    shown["side"] = cell.measure.side
    shown["interval"] = cell.interval.model_dump() if cell.interval else None
    return {**shown, "mean": cell.mean, "sd": cell.sd}
