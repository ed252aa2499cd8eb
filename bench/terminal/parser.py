"""A parser of options that names near ones where a name is unknown, and complains harmlessly."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from .printing import error

CUTOFF = 0.65
"""How alike two names have to be, from 0 to 1; `rnu` and `run` are so by .67, `compact` and `format` by .62."""


class Parser(argparse.ArgumentParser):
    """Of a program, or of one of its commands: parsers of commands are of the same class.

    Unknown options end a command where they stand, so its own usage is shown and its own options are named. What
    others wrote is made harmless: arguments may be names of files, which a shell took from a folder.
    """

    def error(self, message: str) -> NoReturn:
        super().error(error(message))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse, and refuse what is left: a program of ours has no use for it."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}{self._near_options(rest)}")
        return found, rest

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as wrong:
            if near := _near(str(value), [str(choice) for choice in action.choices or ()]):
                raise argparse.ArgumentError(action, f"{wrong.message}; {near}") from wrong
            raise

    def _near_options(self, unknown: Sequence[str]) -> str:
        known = [
            spelling
            for spelling, action in self._option_string_actions.items()
            if spelling.startswith("--") and action.help != argparse.SUPPRESS
        ]
        told = [_near(word.partition("=")[0], known) for word in unknown if word.startswith("--")]
        return "".join(f"; {near}" for near in dict.fromkeys(told) if near)


def _near(word: str, known: Iterable[str]) -> str:
    names = {name.lstrip("-"): name for name in known}  # dashes, which all options have, make none near another
    found = [names[name] for name in difflib.get_close_matches(word.lstrip("-"), names, n=2, cutoff=CUTOFF)]
    return f"did you mean {' or '.join(found)}?" if found else ""
