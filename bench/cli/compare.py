"""`bench compare`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..terminal.printing import show
from . import arguments

if TYPE_CHECKING:
    from .arguments import Commands

_ABOUT = """Compares methods that were run on equal data by an equal recipe with equal seeds: accuracy on the same
pairs, leakage on the same probes, with intervals and p-values, adjusted for the number of comparisons."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = commands.add_parser("compare", help="methods two by two, with tests", description=_ABOUT)
    command.add_argument("methods", nargs="*", metavar="METHOD", help="names, or labels of the board (all)")
    command.add_argument("--against", metavar="METHOD", help="compare the others with this one only")
    arguments.records(command)
    command.add_argument("--format", choices=("md", "csv", "json"), help="instead of a table for the screen")
    command.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to the screen (md)")
    arguments.store(command)
    command.set_defaults(do=do)


def do(args: argparse.Namespace) -> int:
    """Compare methods by their records, on the screen or in a file.

    Raises:
        CompareError: there is nothing to compare, or a method is unknown.
        RecordError: there is no record that can be read.
        OutputError: something else is where the file shall be.
        OSError: the file cannot be written.
    """
    from ...reports.result import ledger
    from ..compare import output
    from ..compare.compare import CompareError, compare
    from ..terminal import output_file
    from ..terminal.text import tame
    from .records import readable

    if args.out:
        output_file.check(args.out, "--out")
    if len(args.methods) == 1 and not args.against:
        raise CompareError(
            f"expected two methods or more, or --against METHOD, got {tame(args.methods[0])} alone; with no name, all "
            "are compared with each other"
        )
    folder = arguments.records_folder(args)
    records, _ = readable(folder)
    if not records:
        raise ledger.RecordError(f"records {folder}: expected at least one record, got none; make one with `bench run`")
    try:
        found = compare(records, args.store, methods=args.methods, against=args.against)
    except CompareError as error:  # it names methods, which are anybody's
        raise CompareError(tame(str(error), longest=2000)) from error
    formats = {"md": output.markdown, "csv": output.csv, "json": output.json}
    if args.out is None:
        show(formats.get(args.format, output.table)(found))
    else:
        output_file.write(args.out, formats.get(args.format, output.markdown)(found))
    return 0
