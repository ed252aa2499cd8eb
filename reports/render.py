"""The leaderboard as Markdown, CSV and JSON, each from the same rows."""

from __future__ import annotations

import csv as csv_format
import io
import json as json_format
from dataclasses import asdict
from typing import Any

from .leaderboard import Board, Cell, Group, Row
from .record import Measure

LEGEND = (
    "Utility is verification accuracy on ordinary faces of a recognizer trained on the private faces; leakage is the "
    "share of private faces whose person an attacker finds among the originals (leak@1), with the source image in the "
    "gallery (`ignorant`) and without it (`other_image`). In brackets the 95 % interval of one seed, or the standard "
    "deviation over several. `*`: on the privacy-utility front. `ignorant-only`: no attacker who knows the method was "
    "run, so low leakage is no guarantee."
)


def markdown(board: Board) -> str:
    """One table a group of comparable rows."""
    parts = []
    for group in board:
        head = ["method", *(f"{measure.name} {on}" for on, measure in group.columns), "worst leakage", "seeds", "marks"]
        lines = [
            f"### {group.dataset}, recipe {group.recipe}",
            "",
            _line(head),
            _line(["---", *["---:"] * (len(head) - 2), "---"]),
            *(_line(_shown(row, group)) for row in group.rows),
            "",
            _caption(group),
        ]
        reasons = [f"- `{row.label}` is unreliable: {reason}" for row in group.rows for reason in row.reasons]
        reasons += [f"- `{row.label}` is incomplete: {what}" for row in group.rows for what in row.missing]
        parts.append("\n".join([*lines, *(["", *reasons] if reasons else [])]))
    return "\n\n".join([*parts, LEGEND]) + "\n"


def _caption(group: Group) -> str:
    cells = [row.cells.get((on, measure.name)) for on, measure in group.columns for row in group.rows]
    counts: dict[str, str] = {}
    for cell in cells:
        if cell and cell.on not in counts:
            chance = "" if cell.chance is None else f", chance {_number(cell.chance, cell.measure)}"
            counts[cell.on] = f"{cell.on}: n = {cell.n:,}{chance}"
    return f"{'; '.join(counts.values())}. Judge: {group.judge}. Recipe {group.recipe_hash}, data {group.data_hash}."


def _shown(row: Row, group: Group) -> list[str]:
    cells = [_cell(row.cells.get((on, measure.name))) for on, measure in group.columns]
    worst = "-" if row.worst is None else f"{_number(row.worst.mean, row.worst.measure)} ({row.worst.on})"
    return [f"{row.label}{' *' if row.front else ''}", *cells, worst, str(len(row.seeds)), ", ".join(row.marks) or "-"]


def _cell(cell: Cell | None) -> str:
    """A value with its uncertainty; a dash where there is none, never a zero."""
    if cell is None or not cell.values:
        return "-"
    value = _number(cell.mean, cell.measure)
    if cell.sd is not None:
        return f"{value} (sd {_number(cell.sd, cell.measure)})"
    if cell.interval is not None:
        return f"{value} [{_number(cell.interval.low, cell.measure)}, {_number(cell.interval.high, cell.measure)}]"
    return value


def _number(value: float, measure: Measure) -> str:
    """Shares as percentages, with more digits where they are small."""
    if measure.unit != "share":
        return f"{value:.4g}"
    return f"{100 * value:.1f}" if value >= 0.01 or value == 0 else f"{100 * value:.2f}"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def csv(board: Board) -> str:
    """One line a row and measure, numbers in full."""
    out = io.StringIO()
    head = ["dataset", "recipe", "recipe_hash", "data_hash", "method", "parameters", "front", "marks", "seeds",
            "side", "measure", "on", "mean", "sd", "low", "high", "interval", "n", "chance"]  # fmt: skip
    writer = csv_format.writer(out, lineterminator="\n")
    writer.writerow(head)
    for group in board:
        for row in group.rows:
            for cell in row.cells.values():
                bounds = cell.interval
                writer.writerow(
                    [group.dataset, group.recipe, group.recipe_hash, group.data_hash, row.method,
                     json_format.dumps(row.parameters, sort_keys=True), row.front, " ".join(row.marks),
                     " ".join(map(str, row.seeds)), cell.measure.side, cell.measure.name, cell.on, cell.mean, cell.sd,
                     bounds.low if bounds else None, bounds.high if bounds else None, bounds.kind if bounds else None,
                     cell.n, cell.chance]
                )  # fmt: skip
    return out.getvalue()


def json(board: Board) -> str:
    """All that the tables are made of."""
    return json_format.dumps([_plain(group) for group in board], indent=1, allow_nan=False) + "\n"


def _plain(group: Group) -> dict[str, Any]:
    shown = {key: value for key, value in vars(group).items() if key not in ("rows", "columns")}
    shown["columns"] = [{"on": on, "measure": measure.name, "side": measure.side} for on, measure in group.columns]
    shown["rows"] = []
    for row in group.rows:
        kept = {key: value for key, value in vars(row).items() if key not in ("cells", "worst")}
        kept["cells"] = [_plain_cell(cell) for cell in row.cells.values()]
        kept["worst"] = _plain_cell(row.worst) if row.worst else None
        shown["rows"].append(kept)
    return shown


def _plain_cell(cell: Cell) -> dict[str, Any]:
    shown = asdict(cell)
    shown["measure"] = cell.measure.name
    shown["side"] = cell.measure.side
    shown["interval"] = cell.interval.model_dump() if cell.interval else None
    return {**shown, "mean": cell.mean, "sd": cell.sd}
