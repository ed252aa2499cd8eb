"""`bench check`."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..terminal.printing import say, show
from . import arguments

if TYPE_CHECKING:
    from ..gate.baseline import Baseline
    from ..gate.gate import Outcome
    from .arguments import Commands

_ABOUT = """Gives a verdict on every number of a baseline. Exit code 0: all as good or better; 1: something became worse
by more than its tolerance and more than chance, or keeps no limit; 2: something could not be measured or compared."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = commands.add_parser("check", help="compare records with a baseline; for CI", description=_ABOUT)
    command.add_argument("--baseline", type=Path, metavar="FILE", help="what is expected")
    command.add_argument(
        "--limit", nargs="+", action="extend", default=[], metavar="NAME=AMOUNT",
        help="what a number may reach, with its interval, whatever the baseline says: leakage=2%%,accuracy=70%%",
    )  # fmt: skip
    arguments.records(command)
    command.add_argument(
        "--tolerance", nargs="+", action="extend", default=[], metavar="NAME=AMOUNT",
        help="how much worse is still as good: accuracy=0.5pp,leakage=1pp; with --update it is kept in the baseline",
    )  # fmt: skip
    command.add_argument("--update", action="store_true", help="write the baseline from the records")
    command.add_argument(
        "--waive", nargs="+", action="extend", default=[], metavar="BOUND",
        help="with --update: sanity bounds that records may fail, by name",
    )  # fmt: skip
    command.add_argument("--junit", type=Path, metavar="FILE", help="also write JUnit XML")
    command.add_argument(
        "--summary", type=Path, metavar="FILE", help="also write Markdown (default: add it to $GITHUB_STEP_SUMMARY)"
    )
    arguments.machine_readable(command)
    arguments.store(command)
    command.set_defaults(do=do)


def do(args: argparse.Namespace) -> int:
    """Compare records with a baseline, or write one.

    Results go to standard output, what is for the CI's runner to standard error, since results may be JSON.

    Returns:
        0 where all is as good or better, 1 where something regressed, 2 where something could not be compared.

    Raises:
        BaselineError: the baseline or an option cannot be used.
        RecordError: a record is damaged, or there is none.
        OSError: a file cannot be written.
    """
    from ...reports.result.record import RecordError
    from ..gate.baseline import BaselineError
    from ..terminal.text import tame

    try:
        return _check(args)
    except (BaselineError, RecordError) as error:  # what a record holds is in it, and is anybody's
        raise type(error)(tame(str(error), longest=2000)) from error


def _check(args: argparse.Namespace) -> int:
    from ...reports.result import ledger
    from ..gate import baseline as kept
    from ..gate import gate, output
    from ..gate.limits import check as check_limits
    from ..gate.limits import parse as parse_limits
    from ..gate.make_baseline import make
    from ..gate.tolerances import applied, parse, unresolved

    if args.baseline is None and (args.update or not args.limit):
        raise kept.BaselineError("--baseline: expected a file to compare with, or --limit with what may be reached")
    _refuse_same(args)
    folder = arguments.records_folder(args)
    tolerances = parse(args.tolerance)
    if args.waive and not args.update:
        raise kept.BaselineError(
            "--waive: expected it with --update only; what is waived stands in the baseline, where it is reviewed"
        )
    limits = parse_limits(args.limit)
    if limits and args.update:
        raise kept.BaselineError("--limit: expected it without --update; a baseline holds numbers, and no limits")
    previous = kept.read(args.baseline) if args.baseline and (args.baseline.exists() or not args.update) else None
    records = ledger.load(folder)  # of all or of none: what a gate cannot read may be what became worse
    if not records:
        raise ledger.RecordError(
            f"records {folder}: expected at least one record, got none; a gate that measures nothing fails: "
            "make records with `bench run`, or name their folder with --records"
        )
    if args.update:
        made, told = make(records, args.store, tolerances=tolerances, waived=args.waive, previous=previous)
        kept.write(made, args.baseline)
        show(_written(made, args.baseline, [*told, *unresolved(made)]))
        return gate.OK
    outcome = gate.Outcome((), ())
    if previous is not None:
        baseline = previous.model_copy(update={"measures": applied(previous.measures, tolerances)})
        outcome = gate.check(baseline, records, args.store)
    if limits:
        outcome = replace(outcome, findings=(*outcome.findings, *check_limits(records, limits)))
    show(output.as_json(outcome) if args.format == "json" else output.table(outcome))
    _for_ci(args, outcome)
    return outcome.code


def _for_ci(args: argparse.Namespace, outcome: Outcome) -> None:
    from ...reports.result import files
    from ..gate import ci, output

    if args.junit:
        files.replace(args.junit, ci.junit(outcome).encode())
    if args.summary:
        files.replace(args.summary, output.markdown(outcome).encode())
    elif summary := os.environ.get("GITHUB_STEP_SUMMARY"):  # a file of the step's, to which others may add as well
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(output.markdown(outcome))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in ci.commands(outcome):
            say(line)


def _refuse_same(args: argparse.Namespace) -> None:
    """Refuse to write two things to one file."""
    from ..gate.baseline import BaselineError

    named = [path.resolve() for path in (args.baseline, args.junit, args.summary) if path]
    if len(set(named)) < len(named):
        raise BaselineError("--baseline, --junit, --summary: expected three different files, got one twice")


def _written(made: Baseline, path: Path, told: list[str]) -> str:
    from ..terminal.text import tame

    scores = sum(len(entry.scores) for entry in made.entries)
    paired = sum(bool(score.trials) for entry in made.entries for score in entry.scores)
    lines = [f"warning: {tame(warning)}" for warning in told]
    for name, measure in made.measures.items():
        unit = f"{100 * measure.tolerance:g} pp" if measure.unit == "share" else f"{measure.tolerance:g}"
        lines.append(tame(f"gated: {name}, {measure.better} is better, tolerance {unit}"))
    lines += [tame(f"waived: {name}") for name in made.waived]
    lines.append(
        f"baseline {path}: {len(made.entries)} runs with {scores} scores, {paired} of them with their trials; "
        "look at it, and commit it"
    )
    return "\n".join(lines) + "\n"
