"""What a person sees while a run works: a line a stage, with rate and time left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...reports.result.harmless import one_line
from .printing import error

if TYPE_CHECKING:
    from rich.console import Console

    from ...datasets.base import Progress

_EVERY = 10.0
"""Seconds between two lines where there is no terminal."""


class Display:
    """Shows stages on standard error: live bars on a terminal, plain lines elsewhere, nothing when quiet."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console: Console | None = None

    @property
    def console(self) -> Console:
        """Where people look; made on first use."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(stderr=True, highlight=False, emoji=False)
        return self._console

    def note(self, text: str) -> None:
        """A line of its own."""
        if not self._quiet:
            self.console.print(error(text), markup=False)

    def warn(self, text: str) -> None:
        """A line that is no progress and is shown when quiet, too: something that the user asked for did not happen."""
        self.console.print(error(text), markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str, unit: str) -> Iterator[Progress]:
        """Show a stage while it is made.

        Args:
            name: what is being done.
            unit: what is counted: faces, steps, pairs.
        """
        if self._quiet:
            yield lambda done, total: None
        elif self.console.is_terminal:
            with self._bar(name, unit) as progress:
                yield progress
        else:
            yield self._lines(name, unit)

    @contextmanager
    def _bar(self, name: str, unit: str) -> Iterator[Progress]:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars

        with Bars(
            TextColumn("{task.description:<18}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn(unit + " {task.fields[rate]:>7}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        ) as bars:
            task = bars.add_task(one_line(name), total=None, rate="")

            def progress(done: int, total: int) -> None:
                speed = bars.tasks[0].speed
                bars.update(task, completed=done, total=total, rate=f"{speed:,.0f}/s" if speed else "")

            yield progress

    def _lines(self, name: str, unit: str) -> Progress:
        started = last = time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= _EVERY and done:
                last = now
                rate = done / (now - started)
                left = (total - done) / rate
                self.note(f"{name}: {done:,} of {total:,} {unit}, {rate:,.0f}/s, {left:,.0f} s left")

        return progress
