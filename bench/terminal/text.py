"""What is shown as plain text: tables for people, and words of others that must stay words."""

from __future__ import annotations

import io
import shutil
import sys
import unicodedata
from typing import TYPE_CHECKING

from .printing import Harmless, Rendered

if TYPE_CHECKING:
    from rich.console import RenderableType

_LONGEST = 500


def text(*parts: RenderableType) -> Rendered:
    """Renderables as text, in colour where standard output is a terminal; what they say is made harmless."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    out = io.StringIO()
    width = shutil.get_terminal_size((110, 24)).columns if terminal else 110
    console = Console(file=out, force_terminal=terminal, width=max(60, width), highlight=False, emoji=False)
    for part in parts:
        console.print(Harmless(part))
    return Rendered(out.getvalue().rstrip("\n"))


def tame(words: str, *, longest: int = _LONGEST) -> str:
    """Text of others as one line of visible characters that no terminal and no CI runner takes for a command.

    Control, formatting and surrogate characters become spaces, `::` and `##[`, with which commands of GitHub's runner
    begin, are broken, and what is too long is cut.
    """
    visible = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in words[: 4 * longest])
    line = " ".join(visible.split()).replace("##[", "## [")
    while "::" in line:
        line = line.replace("::", ": :")
    return line if len(line) <= longest else line[: longest - 3] + "..."
