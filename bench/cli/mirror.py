"""`bench mirror`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..terminal.printing import show
from . import arguments

if TYPE_CHECKING:
    from .arguments import Commands


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = commands.add_parser("mirror", help="send records to MLflow that are not there yet")
    for option in (arguments.store, arguments.tracking, arguments.quiet):
        option(command)
    command.set_defaults(do=do)


def do(args: argparse.Namespace) -> int:
    """Mirror every record of the store that is not in MLflow yet.

    Raises:
        TrackingError: the server cannot be reached, or is no MLflow.
        RecordError: none of the records can be read.
    """
    from ...reports.tracking import mirror
    from ...reports.tracking.uri import shown
    from ..store.store import Store
    from ..terminal.progress import Display
    from .records import readable
    from .to_mlflow import Target, send

    display = Display(quiet=args.quiet)
    store, target = Store(args.store), Target.of(args)
    mirror.check(target.uri)
    records, _ = readable(store.root / "records")
    paths = {record.name: store.root / "records" / f"{record.name}.json" for record in records}
    missing = [record for record in records if not target.has(paths[record.name], store)]
    last = {record.group: record.name for record in missing}  # one page a leaderboard is enough
    with display.stage("mirror", "records") as progress:
        for n, record in enumerate(missing):
            send(record, paths[record.name], store, target, display, page=last[record.group] == record.name)
            progress(n + 1, len(missing))
    there = len(records) - len(missing)
    show(f"{len(missing)} of {len(records)} records mirrored to {shown(target.uri)}, {there} were there already\n")
    return 0
