"""The leaderboard as Markdown."""

from __future__ import annotations

import re

from . import group_tables
from .leaderboard import Board
from .tables import LEGEND, LEGEND_COMPACT, clean, tables

_CALL = re.compile(r"(?<!\w)@(?=\w)")
"""An at sign that calls somebody where Markdown is shown, as in a pull request."""


def markdown(board: Board, *, compact: bool = False) -> str:
    """One table a group of comparable rows, readable also as it is.

    Args:
        board: the leaderboard.
        compact: narrow tables with little below them, for a README or a comment.
    """
    parts, by_group = [], []
    for group, table in zip(board, tables(board, compact=compact), strict=True):
        laid_out = _laid_out(table.header, table.rows, words={0} if compact else {0, len(table.header) - 1})
        parts += [f"### {_safe(table.title)}", laid_out, _paragraph(table.caption), _list(table.remarks)]
        if table.claim:
            claimed = _laid_out(table.claim.header, table.claim.rows, words={0, 1})
            parts += [claimed, _paragraph(table.claim.caption), _list(table.claim.verdicts)]
        if not compact and (told := group_tables.groups_table(group)):
            by_group = [group_tables.LEGEND]
            parts += ["#### By group", _laid_out(told.header, told.rows, words={0, 2, 3, 4, 5, 8}), _list(told.remarks)]
    parts += by_group
    if not compact:
        measures = {measure.name: measure for group in board for _, measure in group.columns}
        parts.append(_list([f"`{name}`: {measure.says}" for name, measure in measures.items()]))
    return "\n\n".join(part for part in [*parts, LEGEND_COMPACT if compact else LEGEND] if part) + "\n"


def _laid_out(header: list[str], rows: list[list[str]], *, words: set[int]) -> str:
    """A Markdown table with aligned columns: `words` to the left, numbers to the right."""
    cells = [[_safe(cell) for cell in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[n]) for row in cells)) for n in range(len(header))]
    rule = ["-" * width if n in words else "-" * (width - 1) + ":" for n, width in enumerate(widths)]
    aligned = [
        [c.ljust(w) if n in words else c.rjust(w) for n, (c, w) in enumerate(zip(row, widths, strict=True))]
        for row in cells
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in (aligned[0], rule, *aligned[1:]))


def _list(items: list[str]) -> str:
    return "\n".join(f"- {_safe(item)}" for item in items)


def _paragraph(text: str) -> str:
    """A text of its own, which shall not begin as a heading, a list or a quotation begins."""
    text = _safe(text)
    return f"\\{text}" if text.startswith(tuple("#>-+*=~`_")) else text


def _safe(text: str) -> str:
    """Text that stays in its cell, and that no viewer takes for a link, an image, HTML, or a call to somebody."""
    text = clean(text)
    for character in "\\|<":
        text = text.replace(character, f"\\{character}")
    return _CALL.sub("@\N{WORD JOINER}", text.replace("](", "]\\("))
