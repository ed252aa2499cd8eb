"""`bench verify`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..terminal.printing import show
from . import arguments

if TYPE_CHECKING:
    from .arguments import Commands

_ABOUT = """Checks whether records say what was measured: their digests and sums, and, where the store has the stages,
every score, computed again. Exit code 0: all are sound; 1: a record fails; 2: it could not look."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = commands.add_parser("verify", help="check that records say what was measured", description=_ABOUT)
    for option in (arguments.records, arguments.store, arguments.machine_readable, arguments.quiet):
        option(command)
    command.set_defaults(do=do)


def do(args: argparse.Namespace) -> int:
    """Check every record of a folder, and the attacks on them.

    Returns:
        0 where all are sound, else 1.

    Raises:
        RecordError: there is no record.
    """
    from ..audit.audit import audit

    as_json = args.format == "json"
    text, sound = audit(arguments.records_folder(args), args.store, as_json=as_json, quiet=args.quiet or as_json)
    show(text)
    return int(not sound)
