r"""The leaderboard as LaTeX tables for a paper, with `booktabs`.

Records may come from anybody, and LaTeX is a programming language that reads and writes files: no character of a
record reaches it unescaped. Letters beyond Latin-1, which a plain pdflatex cannot show, become their code points.
"""

from __future__ import annotations

import re

from ..board.leaderboard import Board
from .tables import LEGEND, LEGEND_COMPACT, clean, tables

HEAD = "% Made by `bench report --format latex`; needs \\usepackage{booktabs}.\n"

_NAMED = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\symbol{34}", "`": r"\symbol{96}",
}  # fmt: skip
"""Characters that LaTeX would obey."""
_JOINED = re.compile(r"([-,'])(?=\1)")
"""Characters that LaTeX joins with an equal neighbour: two hyphens become a dash."""


def latex(board: Board, *, compact: bool = False) -> str:
    """One `table` a group of comparable rows, with what is said below it.

    Args:
        board: the leaderboard.
        compact: narrow tables with little below them.
    """
    parts = []
    for table in tables(board, compact=compact):
        words = {0} if compact else {0, len(table.header) - 1}
        below = [table.caption, *table.remarks]
        parts.append(_table(table.title, _tabular(table.header, table.rows, words), below))
        if table.claim:
            claimed = _tabular(table.claim.header, table.claim.rows, {0, 1})
            parts.append(_table(f"{table.title}: errors", claimed, [table.claim.caption, *table.claim.verdicts]))
    legend = _running(LEGEND_COMPACT if compact else LEGEND)
    return HEAD + "\n".join(parts) + f"\n\\par\\noindent{{\\footnotesize {legend}\\par}}\n"


def _table(title: str, tabular: str, below: list[str]) -> str:
    told = "\n".join(f"\\par {_running(text)}" for text in below)
    return (
        f"\\begin{{table}}\n\\centering\n\\caption{{{escaped(title)}}}\n\\small\n{tabular}\n"
        f"\\begin{{flushleft}}\\footnotesize\n{told}\n\\end{{flushleft}}\n\\end{{table}}\n"
    )


def _tabular(header: list[str], rows: list[list[str]], words: set[int]) -> str:
    """Columns of `words` to the left, numbers to the right."""
    columns = "".join("l" if n in words else "r" for n in range(len(header)))
    lines = [_row(header), "\\midrule", *map(_row, rows)]
    body = "\n".join(lines)
    return f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}"


def _row(cells: list[str]) -> str:
    """A line of a table; the braces keep a bracket or a star from being taken for an argument of the line before."""
    return "{}" + " & ".join(_cell(cell) for cell in cells) + r" \\"


def _cell(text: str) -> str:
    return re.sub(r"(?<![\w}-])-(?=\d)", "$-$", escaped(text))  # a minus, where a number begins with it


def _running(text: str) -> str:
    """Text of sentences, in which names stand between backticks."""
    parts = re.split(r"`([^`]*)`", text)
    return "".join(f"\\texttt{{{escaped(part)}}}" if n % 2 else escaped(part) for n, part in enumerate(parts))


def escaped(text: str) -> str:
    """Text of which LaTeX shows every character and obeys none."""
    # a part of a split sentence begins or ends with its space, which `clean` would take away
    left, right = text[:1].isspace(), text[1:][-1:].isspace()
    shown = _JOINED.sub(r"\1{}", "".join(map(_escaped, clean(text))))
    return f"{' ' * left}{shown}{' ' * right}"


def _escaped(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    if " " <= character <= "~" or "\N{LATIN CAPITAL LETTER A WITH GRAVE}" <= character <= "\xff":
        return character
    return f"[U+{ord(character):04X}]"
