"""Comparisons of methods for people, for documents and for programs. Names are anybody's, and stay text."""

from __future__ import annotations

import csv as csv_format
import io
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from ...reports.formats import as_csv, as_markdown
from ...reports.formats.tables import code, number
from ...reports.result.harmless import harmless
from ...reports.statistics.differences import needs_more_seeds
from ..terminal.text import tame, text

if TYPE_CHECKING:
    from .compare import Line, Table

ALPHA = 0.05
"""As that of `compare`, which takes longer to load."""
COLUMNS = ("first", "second", "measure", "on", "first's", "second's", "difference", "95 % interval", "p", "p (Holm)",
           "better", "n")  # fmt: skip
WORDS = {0, 1, 2, 3, 10}
"""Columns of words; the others are numbers."""
LEGEND = (
    "Values in %, differences in percentage points, the first's less the second's, over the seeds that both have. p: "
    "accuracy by McNemar's test, leakage by a bootstrap over people, several seeds by Student's t. Holm: adjusted for "
    "all comparisons of the table; below 0.05 one of the two is called better, from two seeds on. n: trials, seeds x "
    "trials of each."
)
HEAD = ("dataset", "recipe", "recipe_hash", "data_hash", "first", "second", "side", "measure", "on", "seed",
        "value_first", "value_second", "difference", "low", "high", "p", "p_holm", "better", "unreliable", "how",
        "n")  # fmt: skip


def table(tables: Sequence[Table]) -> str:
    """For people at a screen."""
    from rich.table import Table as Grid
    from rich.text import Text

    parts: list[Any] = []
    for found in tables:
        parts.append(Text(tame(_title(found)), style="bold"))
        widths = [max(map(len, column)) for column in zip(COLUMNS, *map(_cells, found.lines), strict=True)]
        for (first, second), lines in groupby(found.lines, key=lambda line: (line.first, line.second)):
            shown = Grid(box=None, padding=(0, 1, 0, 0))
            for n, column in enumerate(COLUMNS[2:], start=2):
                side: Literal["left", "right"] = "left" if n in WORDS else "right"
                shown.add_column(column, justify=side, overflow="fold", min_width=min(widths[n], 20))
            for line in lines:
                shown.add_row(*[Text(tame(cell)) for cell in _cells(line)[2:]])
            parts += [Text(tame(f"{first} against {second}"), style="italic"), shown]
        parts += [*[Text(f"note: {tame(note)}", style="yellow") for note in found.notes], ""]
    return text(*parts, LEGEND) + "\n"


def markdown(tables: Sequence[Table]) -> str:
    """A Markdown table a group, with what is said below it."""
    parts = []
    for found in tables:
        rows = [[code(cell) if n < 2 else cell for n, cell in enumerate(_cells(line))] for line in found.lines]
        parts += [
            f"### {as_markdown.safe(_title(found))}",
            as_markdown.laid_out(list(COLUMNS), rows, words=WORDS),
            as_markdown.bullets(list(found.notes)),
        ]
    return "\n\n".join(part for part in [*parts, LEGEND] if part) + "\n"


def csv(tables: Sequence[Table]) -> str:
    """A line a comparison, numbers in full; `seed` is `all`, and below it, where there are several, each seed's own."""
    out = io.StringIO()
    writer = csv_format.writer(out, lineterminator="\n")
    writer.writerow(HEAD)
    for found in tables:
        for row in _flat(found):
            writer.writerow([as_csv.safe(v) if isinstance(v, str) else v for v in row.values()])
    return out.getvalue()


def json(tables: Sequence[Table]) -> str:
    """All that the tables are made of."""
    from pydantic_core import to_json

    keys = ("dataset", "recipe", "recipe_hash", "data_hash")
    plain = [
        {
            **{key: getattr(found, key) for key in keys},
            "comparisons": [{k: v for k, v in row.items() if k not in keys} for row in _flat(found)],
            "notes": found.notes,
        }
        for found in tables
    ]
    return harmless(to_json(plain, indent=1).decode()) + "\n"


def _flat(found: Table) -> list[dict[str, Any]]:
    """Lines as values by the names of `HEAD`; of several seeds each one's own comparison follows, not adjusted."""
    rows = []
    for line in found.lines:
        compared = [("all" if len(line.seeds) > 1 else line.seeds[0], line.difference)]
        compared += zip(line.seeds, line.by_seed, strict=True) if len(line.seeds) > 1 else []
        for n, (seed, each) in enumerate(compared):
            values = (
                found.dataset, found.recipe, found.recipe_hash, found.data_hash, line.first, line.second,
                line.measure.side, line.measure.name, line.on, seed, *(line.values if not n else (None, None)),
                each.value, each.low, each.high, each.p, line.adjusted if not n else None, line.better if not n else "",
                line.unreliable, each.how, line.n,
            )  # fmt: skip
            rows.append(dict(zip(HEAD, values, strict=True)))
    return rows


def _title(found: Table) -> str:
    return f"{found.dataset}, recipe {found.recipe} ({found.recipe_hash}, data {found.data_hash})"


def _cells(line: Line) -> list[str]:
    each = line.difference
    ends = None if each.low is None or each.high is None else (each.low, each.high)
    return [
        line.first,
        line.second,
        line.measure.name,
        line.on,
        *(number(value, line.measure) for value in line.values),
        f"{100 * each.value:+.2f}",
        "-" if ends is None else f"{100 * ends[0]:+.2f} to {100 * ends[1]:+.2f}",
        _p(each.p),
        _p(line.adjusted),
        _decided(line),
        (f"{len(line.seeds)} x " if len(line.seeds) > 1 else "") + f"{line.n:,}",
    ]


def _decided(line: Line) -> str:
    if line.unreliable:
        return "unreliable"
    if needs_more_seeds(len(line.seeds), "better") and line.adjusted is not None and line.adjusted < ALPHA:
        return "needs more seeds"
    return line.better or "-"


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"
