"""The leaderboard as a table for the screen: what decides, at whatever width; the rest is in the other formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...reports.formats.tables import LEGEND_COMPACT, tables
from ...reports.result.harmless import one_line
from ..terminal.text import text

if TYPE_CHECKING:
    from ...reports.board.leaderboard import Board


def board_table(board: Board) -> str:
    """Utility and worst leakage of every row, group by group, and what has to be known to read them.

    Args:
        board: the leaderboard.
    """
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    parts: list[Any] = []
    for found in tables(board, compact=True):
        table = Table(box=None, padding=(0, 2, 0, 0), title=escape(one_line(found.title)), title_justify="left",
                      title_style="bold")  # fmt: skip
        for n, column in enumerate(found.header):
            table.add_column(escape(one_line(column)), justify="left" if n == 0 else "right", overflow="fold")
        for row in found.rows:
            table.add_row(*(escape(one_line(cell)) for cell in row))
        parts += [table, "", escape(one_line(found.caption)), ""]
        parts += [Padding(escape(f"- {one_line(remark)}"), (0, 0, 0, 0)) for remark in found.remarks]
        parts.append("")
    parts.append(LEGEND_COMPACT)
    parts.append("All columns: bench report --format html, md, csv or json; one row: bench show RECORD")
    return text(*parts) + "\n"
