"""What the leaderboard's page shows, as plain data: every number, text and front is made here, none in the browser."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np

from ..board.leaderboard import BOUNDS, Board, Group, Row, front
from ..board.plane import Key, Place, attacks, chances, leakage, sets, utility
from ..formats.claim_table import ClaimTable
from ..formats.subgroup_tables import all_groups
from ..formats.tables import Table, number, tables
from ..result.record import RunRecord, Score

ALL = {"utility": "mean of all", "privacy": "worst attacker"}
"""The first choice on either axis, which is what the table is sorted and marked by."""
DIGITS = 4
"""Significant ones of a curve's points: more than a screen can show."""
SHOWN = {"name", "seed", "created", "checks", "notes", "quality", "machine", "judge", "roles", "not_run", "skipped",
         "overlap", "curves"}  # fmt: skip
"""What of a record a row's details show."""


def groups(board: Board) -> list[dict[str, Any]]:
    """Groups of rows that may be compared, with all that their plane, their table and the claim need."""
    return [_group(group, table, n) for n, (group, table) in enumerate(zip(board, tables(board), strict=True))]


def details(board: Board) -> dict[str, list[dict[str, Any]]]:
    """Of each row its records without what the row says already; by the row's identifier."""
    return {
        _name(n, m): [_record(record) for record in row.records]
        for n, group in enumerate(board)
        for m, row in enumerate(group.rows)
    }


def _name(group: int, row: int) -> str:
    return f"row-{group}-{row}"


def _group(group: Group, table: Table, n: int) -> dict[str, Any]:
    useful: list[Key | None] = [None, *(sets(group) if len(sets(group)) > 1 else [])]
    leaky: list[Key | None] = [None, *attacks(group)]
    places = {
        "utility": [[utility(row, group, key) for row in group.rows] for key in useful],
        "privacy": [[leakage(row, key) for row in group.rows] for key in leaky],
    }
    scale = 100 if group.main is None or group.main.unit == "share" else 1
    sign = -1 if group.main and group.main.better == "lower" else 1
    return {
        "title": table.title,
        "dataset": group.dataset,
        "recipe": f"{group.recipe}, {group.recipe_hash[:8]} on data {group.data_hash[:8]}",
        "measure": group.main.name if group.main else "utility",
        "unit": "%" if scale == 100 else group.main.unit if group.main else "",
        "better": "lower" if sign < 0 else "higher",
        "sets": _choices(useful, "utility", sets(group)),
        "attacks": _choices(leaky, "privacy", attacks(group)),
        "columns": _columns(table),
        "rows": [
            _row(group, row, table.rows[m], _name(n, m))
            | {
                "utility": [_point(choice[m], scale) for choice in places["utility"]],
                "leakage": [_point(choice[m], 100) for choice in places["privacy"]],
            }
            for m, row in enumerate(group.rows)
        ],
        "fronts": [[_front(group.rows, u, p, sign) for p in places["privacy"]] for u in places["utility"]],
        "chance": {
            "utility": [[scale * value for value in chances(group, key, "utility")] for key in useful],
            "leakage": [[100 * value for value in chances(group, key, "privacy")] for key in leaky],
        },
        "caption": table.caption,
        "remarks": table.remarks,
        "claim": _claim(table.claim),
        "measures": [[m.name, m.says] for m in {measure.name: measure for _, measure in group.columns}.values()],
    }


def _choices(keys: Iterable[Key | None], side: str, known: list[Key]) -> list[str]:
    """How a switch names sets or attacks: with the measure only where it tells them apart."""
    several = len({measure for _, measure in known}) > 1
    only = f"{known[0][0]}" if len(known) == 1 and side == "utility" else ALL[side]
    return [only if key is None else f"{key[0]}: {key[1]}" if several else key[0] for key in keys]


def _columns(table: Table) -> list[dict[str, Any]]:
    words = {"method", "marks", "recipe", "data"}
    titles = [*table.header[:-1], "n", table.header[-1], "recipe", "data"]
    return [{"title": title, "number": title not in words} for title in titles]


def _row(group: Group, row: Row, cells: list[str], name: str) -> dict[str, Any]:
    trials = [cell.n for cell in row.cells.values()]
    counts = " to ".join(f"{n:,}" for n in sorted({min(trials), max(trials)})) if trials else "-"
    means = [row.cells[on, m.name].mean if (on, m.name) in row.cells else None for on, m in group.columns]
    spread = [row.utility] if len(cells) > len(means) + 4 else []  # the table has a column for the mean
    worst = row.worst.mean if row.worst and row.sourced else None  # leakage of another kind has no rank among these
    numbers = [*spread, *means, worst, len(row.seeds), min(trials, default=None)]
    return {
        "id": name,
        "label": row.label,
        "method": row.method,
        "kind": "bound" if row.method in BOUNDS else "method",
        "front": row.front,
        "cells": [row.label, *cells[1:-1], counts, cells[-1], group.recipe_hash, group.data_hash],
        "keys": [row.label, *numbers, ", ".join(row.marks), group.recipe_hash, group.data_hash],
        "marks": list(row.marks),
        "reasons": [f"unreliable: {reason}" for reason in row.reasons]
        + [f"incomplete: {what}" for what in row.missing],
        "apart": None if row.sourced else _apart(row),
        "parameters": row.parameters | {"version": row.version},
    }


def _apart(row: Row) -> str:
    """What is said of a row without sources beside the plane."""
    if row.worst is None:
        return "no sources, and no memorisation measured"
    return f"no sources: memorisation {number(row.worst.mean, row.worst.measure)} % is another kind of leakage"


def _point(place: Place | None, scale: float) -> list[Any] | None:
    """A place as [value, low, high, on], ends absent where it has no bar."""
    if place is None:
        return None
    low, high = place.bar or (None, None)
    return [*(None if value is None else round(scale * value, 6) for value in (place.value, low, high)), place.on]


def _front(rows: list[Row], useful: list[Place | None], leaky: list[Place | None], sign: int) -> list[int]:
    places = [(sign * u.value, p.value) if u and p else None for u, p in zip(useful, leaky, strict=True)]
    return [n for n, best in enumerate(front(rows, places)) if best]


def _claim(claim: ClaimTable | None) -> dict[str, Any] | None:
    return claim._asdict() if claim else None


def _record(record: RunRecord) -> dict[str, Any]:
    shown = record.model_dump(mode="json", include=SHOWN)
    shown["groups"] = all_groups(record)
    shown["scores"] = [_score(score) for score in record.scores]
    shown["stages"] = [[stage.name, stage.seconds, stage.peak_mib] for stage in record.stages]
    lines = [line for curve in shown["curves"] for line in (curve["x"], curve["y"])]
    points = iter(significant([value for line in lines for value in line]))  # all at once: a tenth of the time
    for line in lines:
        line[:] = islice(points, len(line))
    return shown


def _score(score: Score) -> dict[str, Any]:
    """A score as the page shows it: a large board has twenty thousand of them."""
    interval = score.intervals[0] if score.intervals else None
    return {
        "name": score.measure.name,
        "unit": score.measure.unit,
        "on": score.on,
        "value": _short(score.value),
        "interval": [_short(interval.low), _short(interval.high), interval.level, interval.kind] if interval else [],
        "chance": _short(score.chance),
        "n": score.n,
        "note": score.note,
    }


def _short(value: float | None) -> float | None:
    """Six significant digits, two more than the page shows; whole numbers whole."""
    return value if value is None or value.is_integer() else float(f"{value:.6g}")


def significant(values: list[float]) -> list[float]:
    """Numbers rounded to significant digits: a page need not carry seventeen."""
    full = np.asarray(values, dtype=np.float64)
    size = np.floor(np.log10(np.abs(full), out=np.zeros_like(full), where=full != 0))
    places = 10.0 ** np.clip(DIGITS - 1 - size, -300, 300)
    rounded: list[float] = (np.round(full * places) / places).tolist()
    return rounded
