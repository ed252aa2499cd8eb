"""The way to a terminal: all that the command line prints goes through here, and is made harmless.

Plain text is by `printable`. What Rich lays out is made harmless piece by piece, so that its own colours stay; so are
log lines, warnings and the parser's complaints (`parser.py`).
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...reports.result.harmless import harmless

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult


class Rendered(str):
    """Text whose control characters are ours: colours. Nothing of others was left in it."""

    __slots__ = ()

    def __add__(self, more: str) -> Rendered:
        """What is added becomes harmless, too."""
        return Rendered(super().__add__(printable(more)))


def printable(words: str) -> str:
    """Text as it may be printed."""
    return words if isinstance(words, Rendered) else harmless(words)


def error(words: str) -> str:
    """An error's message as it may be printed; lines but the first are indented, so that none looks like ours."""
    return harmless(words).replace("\n", "\n  ")


def show(words: str) -> None:
    """Print results. Nothing else prints, here or elsewhere, but `say`."""
    print(printable(words), end="")


def say(words: str) -> None:
    """Print a line that is no result, such as an error, to standard error."""
    print(printable(words), file=sys.stderr)


class Harmless:
    """Something that Rich can show, of which every piece of text is made harmless after it is laid out."""

    def __init__(self, inner: RenderableType) -> None:
        self.inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for segment in console.render(self.inner, options):
            if segment.control:
                continue  # none of ours
            style = segment.style.update_link(None) if segment.style and segment.style.link else segment.style
            yield Segment(harmless(segment.text), style)


@contextmanager
def guarded() -> Iterator[None]:
    """Make harmless what libraries write to standard error by themselves: log lines and warnings."""
    last, plain = logging.lastResort, warnings.formatwarning
    before = last.formatter if last else None

    def told(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        return error(plain(message, category, filename, lineno, line).rstrip("\n")) + "\n"

    try:
        if last:
            last.setFormatter(_Lines())
        warnings.formatwarning = told
        yield
    finally:
        if last:
            last.setFormatter(before)
        warnings.formatwarning = plain


class _Lines(logging.Formatter):
    """A log record on a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        return error(super().format(record))
