"""Several runs of one command: what goes wrong in one of them ends no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..store import system_errors
from ..terminal.printing import error as harmless
from ..terminal.printing import say

UNUSABLE = 2
"""The exit code of bad input, and of a run that could not be made from it."""


class Failed:
    """The runs that ended with an error."""

    def __init__(self, runs: int) -> None:
        """Keep account.

        Args:
            runs: how many there are; the error of a single one is raised.
        """
        self._runs = runs
        self.names: list[str] = []

    @contextmanager
    def noted(self, name: str) -> Iterator[None]:
        """Make one run: say its error and go on, where there are others.

        A fault of ours is raised: it says nothing of the run. Where several processes fit together, so is every error,
        since they would wait for each other.
        """
        from ..experiment import processes

        try:
            yield
        except Exception as error:
            says = None if self._runs == 1 or processes.launched() > 1 else system_errors.told(error, "run")
            if says is None:
                raise
            self.names.append(name)
            say(harmless(f"error: {name}: {says}"))

    def summary(self) -> str:
        """What to tell at the end."""
        return harmless(
            f"{len(self.names)} of {self._runs} runs failed, the others are whole: {'; '.join(self.names)}. Errors "
            "stand above; the same command makes what is missing"
        )
