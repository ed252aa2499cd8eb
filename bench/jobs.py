"""What `bench run` and `bench mirror` do: runs one after another, their pictures, and their mirror in MLflow."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from ..reports import ledger, tracking
from ..reports.record import RunRecord
from ..reports.tracking_uri import shown
from . import ranks
from .config import ConfigError, Plan, plan
from .progress import Display
from .run import Outcome, prepare, run
from .steps import Steps
from .store import Store

FIGURES = "figures"


def run_jobs(args: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Run every method with every seed, and say what came out.

    Returns:
        0, or 1 where a sanity bound failed.

    Raises:
        Every error of a run; what was finished before is kept.
    """
    from .show import dry_run

    plans = _plans(args)
    display = Display(quiet=args.quiet or args.json or not ranks.leads())
    store = Store(
        args.store,
        force=frozenset(args.force),
        waiting=lambda name: display.note(f"{name}: another run is making this stage; waiting for it"),
    )
    if args.tracking_uri != "none":
        tracking.check(args.tracking_uri)
    laid = [prepare(p, store, data_root=args.data, device=args.device, display=display) for p in plans]
    _refuse_unknown_stages(args.force, laid)
    if args.dry_run:
        say(dry_run(laid, store))
        return 0
    if not ranks.leads():
        ranks.follow(laid)
        return 0
    with ranks.leading(laid):
        return _run_all(plans, laid, store, args, display, say)


def _run_all(
    plans: Sequence[Plan], laid: Sequence[Steps], store: Store, args: argparse.Namespace, display: Display,
    say: Callable[[str], None],
) -> int:  # fmt: skip
    from .show import board, summary

    outcomes = []
    for n, (planned, steps) in enumerate(zip(plans, laid, strict=True)):
        method = planned.method_entry()["use"]
        if len(plans) > 1:
            display.note(f"run {n + 1} of {len(plans)}: {method} on {planned.dataset}, seed {planned.seed}")
        outcome = run(planned, steps, store, display=display)
        outcomes.append(outcome)
        tracked = _follow_up(outcome, store, args, display)
        if not args.json:
            say(summary(outcome, tracked))
    records = [outcome.record for outcome in outcomes]
    if args.json:
        say(json.dumps([record.model_dump(mode="json") for record in records], indent=1))
    elif len(records) > 1:
        say(board(records))
    return int(any(not check.passed for record in records for check in record.checks))


def _plans(args: argparse.Namespace) -> list[Plan]:
    """One plan a method and seed; all are checked before the first one runs."""
    return [
        plan(
            recipe=args.recipe,
            experiment=args.experiment,
            settings=args.set,
            dataset=args.dataset,
            method=method,
            seed=seed,
            protocol=args.protocol,
            skip_bad=args.skip_bad,
        )
        for method, seed in product(args.method or [None], args.seed or [None])
    ]


def _refuse_unknown_stages(forced: Sequence[str], laid: Sequence[Steps]) -> None:
    known = sorted({step.name.partition("/")[0] for steps in laid for step in steps.all} | {"scan"})
    unknown = sorted(set(forced) - set(known))
    if unknown:
        raise ConfigError(f"--force {unknown[0]}: no such stage; expected one of {', '.join(known)}")


def _follow_up(outcome: Outcome, store: Store, args: argparse.Namespace, display: Display) -> str:
    """Draw and mirror what is new; gives the line that says where the mirror is."""
    figures = store.root / FIGURES / outcome.record.name
    if outcome.new or not figures.is_dir():
        _draw(outcome, figures)
    if (args.with_faces or outcome.steps.data.synthetic) and not (figures / "faces.png").is_file():
        from .grid import draw_grid

        draw_grid(outcome.steps, figures / "faces.png")
        shown_in_fit = sorted(outcome.steps.path(outcome.steps.fit).glob("*.png")) if outcome.steps.fit else []
        if shown_in_fit:  # the last of the pictures that fitting left
            shutil.copyfile(shown_in_fit[-1], figures / "fit.png")
    if args.tracking_uri == "none":
        return ""
    if not tracking.mirrored(outcome.path, args.tracking_uri):
        try:
            _mirror(outcome.record, outcome.path, store, args.tracking_uri)
        except tracking.TrackingError as error:
            display.note(f"warning: {error}")
            return ""
    return shown(args.tracking_uri)


def _draw(outcome: Outcome, out: Path) -> None:
    from ..reports.figures import draw

    out.mkdir(parents=True, exist_ok=True)
    draw(outcome.record, out, _logs(outcome))


def _logs(outcome: Outcome) -> dict[str, Path]:
    """Training logs by stage."""
    found = {step.name: outcome.steps.path(step) / "log.jsonl" for step in outcome.steps.all}
    return {name: path for name, path in found.items() if path.is_file()}


def _mirror(record: RunRecord, path: Path, store: Store, uri: str) -> None:
    stages = {stage.name: store.root / "stages" / stage.name / stage.key / "log.jsonl" for stage in record.stages}
    tracking.mirror(
        record,
        uri=uri,
        figures=sorted((store.root / FIGURES / record.name).glob("*.png")),
        logs={name: log for name, log in stages.items() if log.is_file()},
        record_path=path,
    )


def mirror_all(args: argparse.Namespace) -> str:
    """Mirror every record of the store that is not in MLflow yet.

    Raises:
        TrackingError: the server cannot be reached, or is no MLflow.
        RecordError: a record is damaged.
    """
    display = Display(quiet=args.quiet)
    store = Store(args.store)
    tracking.check(args.tracking_uri)
    records = ledger.load(store.root / "records")
    paths = {record.name: store.root / "records" / f"{record.name}.json" for record in records}
    missing = [record for record in records if not tracking.mirrored(paths[record.name], args.tracking_uri)]
    with display.stage("mirror", "records") as progress:
        for n, record in enumerate(missing):
            _mirror(record, paths[record.name], store, args.tracking_uri)
            progress(n + 1, len(missing))
    there = len(records) - len(missing)
    uri = shown(args.tracking_uri)
    return f"{len(missing)} of {len(records)} records mirrored to {uri}, {there} were there already\n"
