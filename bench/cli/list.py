"""`bench list`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from ..terminal.printing import show
from . import arguments

if TYPE_CHECKING:
    from .arguments import Commands

KINDS = ("methods", "attacks", "metrics", "datasets", "recipes")


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = commands.add_parser("list", help="methods, attacks, metrics, recipes: what there is")
    command.add_argument("kind", nargs="?", choices=KINDS)
    arguments.machine_readable(command)
    command.set_defaults(do=do)


def do(args: argparse.Namespace) -> int:
    """Show plug-ins and recipes, by name, with what they are.

    Raises:
        PluginError: a plug-in of another package cannot be loaded.
    """
    found = {kind: _members(kind) for kind in ([args.kind] if args.kind else KINDS)}
    show(json.dumps(found, indent=1) + "\n" if args.format == "json" else _tables(found))
    return 0


def _members(kind: str) -> dict[str, str]:
    from ...datasets.base import FaceSource, PairSource
    from ...methods.base import Method
    from ..attacks.base import Attack
    from ..metrics.base import Metric
    from ..plan.plan import recipes
    from ..plugins import names

    if kind == "recipes":
        return recipes()
    contracts: dict[str, tuple[type, ...]] = {
        "methods": (Method,),
        "attacks": (Attack,),
        "metrics": (Metric,),
        "datasets": (FaceSource, PairSource),
    }
    return names(*contracts[kind])


def _tables(found: dict[str, dict[str, str]]) -> str:
    from rich.markup import escape
    from rich.table import Table

    from ...reports.result.harmless import one_line
    from ..terminal.text import text

    tables: list[Any] = []
    for kind, members in found.items():
        table = Table(box=None, padding=(0, 2, 0, 2), show_header=False, title=kind, title_justify="left")
        table.add_column(no_wrap=True)
        table.add_column()
        for name, says in members.items():
            table.add_row(escape(one_line(name)), escape(one_line(says)))
        tables.append(table)
    return text(*tables) + "\n"
