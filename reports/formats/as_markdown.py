"""The leaderboard as Markdown."""

from __future__ import annotations

import re

from ..board.leaderboard import Board
from . import subgroup_tables
from .tables import LEGEND, LEGEND_COMPACT, clean, tables

_CALL = re.compile(r"(?<!\w)@(?=\w)")
"""An at sign that calls somebody where Markdown is shown, as in a pull request; a word joiner is put behind it."""


def markdown(board: Board, *, compact: bool = False) -> str:
    """One table a group of comparable rows, readable also as it is.

    Args:
        board: the leaderboard.
        compact: narrow tables with little below them, for a README or a comment.
    """
    parts, by_group = [], []
    for group, table in zip(board, tables(board, compact=compact), strict=True):
        numbers = laid_out(table.header, table.rows, words={0} if compact else {0, len(table.header) - 1})
        parts += [f"### {safe(table.title)}", numbers, paragraph(table.caption), bullets(table.remarks)]
        if table.claim:
            claimed = laid_out(table.claim.header, table.claim.rows, words={0, 1})
            parts += [claimed, paragraph(table.claim.caption), bullets(table.claim.verdicts)]
        if not compact and (told := subgroup_tables.groups_table(group)):
            by_group = [subgroup_tables.LEGEND]
            parts += [
                "#### By group",
                laid_out(told.header, told.rows, words={0, 2, 3, 4, 5, 8}),
                bullets(told.remarks),
            ]
    parts += by_group
    if not compact:
        measures = {measure.name: measure for group in board for _, measure in group.columns}
        parts.append(bullets([f"`{name}`: {measure.says}" for name, measure in measures.items()]))
    return "\n\n".join(part for part in [*parts, LEGEND_COMPACT if compact else LEGEND] if part) + "\n"


def laid_out(header: list[str], rows: list[list[str]], *, words: set[int]) -> str:
    """A Markdown table with aligned columns: `words` to the left, numbers to the right."""
    cells = [[safe(cell) for cell in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[n]) for row in cells)) for n in range(len(header))]
    rule = ["-" * width if n in words else "-" * (width - 1) + ":" for n, width in enumerate(widths)]
    aligned = [
        [c.ljust(w) if n in words else c.rjust(w) for n, (c, w) in enumerate(zip(row, widths, strict=True))]
        for row in cells
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in (aligned[0], rule, *aligned[1:]))


def bullets(items: list[str]) -> str:
    """A list of texts, each one line; empty where there are none."""
    return "\n".join(f"- {safe(item)}" for item in items)


def paragraph(text: str) -> str:
    """A text of its own, which shall not begin as a heading, a list or a quotation begins."""
    text = safe(text)
    return f"\\{text}" if text.startswith(tuple("#>-+*=~`_")) else text


def safe(text: str) -> str:
    """Text that stays in its cell, and that no viewer takes for a link, an image, HTML, or a call to somebody."""
    text = clean(text)
    for character in "\\|<":
        text = text.replace(character, f"\\{character}")
    return _CALL.sub("@&#8288;", text.replace("](", "]\\("))
