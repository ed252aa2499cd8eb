"""The leaderboard as JSON."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from ..board.claim import claims
from ..board.leaderboard import Board, Cell, Group, Row
from ..board.relative_utility import NOTE, relative
from ..board.subgroup_gaps import long_form
from ..result.harmless import harmless
from .claim_table import plain


def json(board: Board) -> str:
    """All that the tables are made of."""
    made = to_json([_plain(group) for group in board], indent=1).decode()  # ten times as fast as `json`
    return harmless(made) + "\n"


def _plain(group: Group) -> dict[str, Any]:
    shown = {key: value for key, value in vars(group).items() if key not in ("rows", "columns")}
    shown["columns"] = [{"on": on, "measure": measure.name, "side": measure.side} for on, measure in group.columns]
    shown["rows"] = [
        {**_plain_row(row), "relative_utility": found._asdict() if found else None}
        for row, found in zip(group.rows, relative(group), strict=True)
    ]
    shown["relative_utility"] = NOTE
    shown["claims"] = plain(claims(group))
    return shown


def _plain_row(row: Row) -> dict[str, Any]:
    kept = {key: value for key, value in vars(row).items() if key not in ("cells", "worst", "records", "foreign")}
    kept["records"] = [record.name for record in row.records]
    kept["groups"] = [entry for record in row.records for entry in long_form(record)]
    cells = [_plain_cell(cell) for cell in row.cells.values()]
    return {**kept, "cells": cells, "worst": _plain_cell(row.worst) if row.worst else None}


def _plain_cell(cell: Cell) -> dict[str, Any]:
    shown = dict(vars(cell))
    shown["measure"] = cell.measure.name
    shown["side"] = cell.measure.side
    del shown["intervals"]  # of each seed: its record has them
    shown["interval"] = bounds.model_dump() if (bounds := cell.bracket) else None
    return {**shown, "mean": cell.mean, "sd": cell.sd}
