"""What `bench compare` does."""

from __future__ import annotations

import argparse

from ...reports.result import ledger
from ..compare import output
from ..compare.compare import CompareError, compare
from ..terminal.text import tame
from . import output_file

FORMATS = {"md": output.markdown, "csv": output.csv, "json": output.json}


def run(args: argparse.Namespace) -> str:
    """Compare methods by their records; the text to print, empty where it was written to a file.

    Raises:
        CompareError: there is nothing to compare, or a method is unknown.
        RecordError: a record is damaged, or there is none.
        OutputError: something else is where the file shall be.
        OSError: the file cannot be written.
    """
    if args.out:
        output_file.check(args.out, "--out")
    if len(args.methods) == 1 and not args.against:
        raise CompareError(
            f"expected two methods or more, or --against METHOD, got {tame(args.methods[0])} alone; with no name, all "
            "are compared with each other"
        )
    folder = args.records or args.store / "records"
    records = ledger.load(folder)
    if not records:
        raise ledger.RecordError(f"records {folder}: expected at least one record, got none; make one with `bench run`")
    try:
        found = compare(records, args.store, methods=args.methods, against=args.against)
    except CompareError as error:  # it names methods, which are anybody's
        raise CompareError(tame(str(error), longest=2000)) from error
    if args.out is None:
        return FORMATS.get(args.format, output.table)(found)
    output_file.write(args.out, FORMATS.get(args.format, output.markdown)(found))
    return ""
