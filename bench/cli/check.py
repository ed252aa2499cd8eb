"""What `bench check` does."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from ...reports.result import ledger
from ...reports.result.files import replace
from ..gate import baseline as kept
from ..gate import ci, gate, output
from ..gate.baseline import Baseline, BaselineError
from ..gate.make_baseline import make
from ..gate.tolerances import applied, parse, unresolved
from ..terminal.text import tame

Say = Callable[[str], None]


def check(args: argparse.Namespace, say: Say, tell: Say) -> int:
    """Compare records with a baseline, or write one.

    Args:
        args: of the command line.
        say: takes the results.
        tell: takes what is for the CI's runner; another stream than the results', which may be JSON.

    Returns:
        0 where all is as good or better, 1 where something regressed, 2 where something could not be compared.

    Raises:
        BaselineError: the baseline or an option cannot be used.
        RecordError: a record is damaged, or there is none.
        OSError: a file cannot be written.
    """
    try:
        return _check(args, say, tell)
    except (BaselineError, ledger.RecordError) as error:  # what a record holds is in it, and is anybody's
        raise type(error)(tame(str(error), longest=2000)) from error


def _check(args: argparse.Namespace, say: Say, tell: Say) -> int:
    _refuse_same(args)
    folder = args.records or args.store / "records"
    tolerances = parse(args.tolerance)
    if args.waive and not args.update:
        raise BaselineError(
            "--waive: expected it with --update only; what is waived stands in the baseline, where it is reviewed"
        )
    previous = kept.read(args.baseline) if args.baseline.exists() or not args.update else None
    records = ledger.load(folder)
    if not records:
        raise ledger.RecordError(
            f"records {folder}: expected at least one record, got none; a gate that measures nothing fails: "
            "make records with `bench run`, or name their folder with --records"
        )
    if args.update:
        made, told = make(records, args.store, tolerances=tolerances, waived=args.waive, previous=previous)
        kept.write(made, args.baseline)
        say(_written(made, args.baseline, [*told, *unresolved(made)]))
        return gate.OK
    assert previous is not None  # noqa: S101 - read above
    baseline = previous.model_copy(update={"measures": applied(previous.measures, tolerances)})
    outcome = gate.check(baseline, records, args.store)
    say(output.as_json(outcome) if args.json else output.table(outcome))
    _for_ci(args, outcome, tell)
    return outcome.code


def _for_ci(args: argparse.Namespace, outcome: gate.Outcome, tell: Say) -> None:
    if args.junit:
        replace(args.junit, ci.junit(outcome).encode())
    if args.summary:
        replace(args.summary, output.markdown(outcome).encode())
    elif summary := os.environ.get("GITHUB_STEP_SUMMARY"):  # a file of the step's, to which others may add as well
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(output.markdown(outcome))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in ci.commands(outcome):
            tell(line)


def _refuse_same(args: argparse.Namespace) -> None:
    """Refuse to write two things to one file."""
    named = [path.resolve() for path in (args.baseline, args.junit, args.summary) if path]
    if len(set(named)) < len(named):
        raise BaselineError("--baseline, --junit, --summary: expected three different files, got one twice")


def _written(made: Baseline, path: Path, told: list[str]) -> str:
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
