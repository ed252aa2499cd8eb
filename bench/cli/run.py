"""`bench run`: runs one after another, their pictures, and their mirror in MLflow."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..terminal.printing import show
from . import arguments, story

if TYPE_CHECKING:
    from ..experiment.pipeline import Pipeline
    from ..experiment.run import Outcome
    from ..plan.plan import Plan
    from ..store.store import Store
    from ..terminal.progress import Display
    from .arguments import Commands

_ABOUT = """Trains the method on some people, makes a private dataset of other people, trains a recognizer on it,
verifies that recognizer on ordinary faces, attacks the private dataset, and writes a record."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = commands.add_parser("run", help="make a dataset private and measure it", description=_ABOUT)
    command.add_argument(
        "--method", nargs="+", metavar="NAME",
        help="one or more (facemae; with nothing given at all: original, masking, facemae and noise)",
    )  # fmt: skip
    command.add_argument(
        "--dataset", metavar="NAME|PATH", help="a card's name, a pack, a folder of people, or a plug-in (synthetic)"
    )
    command.add_argument("--recipe", metavar="NAME|FILE", help="quick, standard, paper, or a YAML file (quick)")
    command.add_argument("--seed", nargs="+", type=int, metavar="N", help="one or more (0)")
    command.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="any entry of a recipe"
    )
    command.add_argument("--experiment", type=Path, metavar="FILE", help="a YAML file with entries of a run")
    command.add_argument(
        "--attacks", nargs="+", metavar="NAME", help="instead of the recipe's; `all` for all, see `bench list attacks`"
    )
    command.add_argument("--protocol", choices=("unseen", "in-sample"), help="fit on other people, or on the same")
    arguments.device(command)
    command.add_argument("--force", nargs="+", default=[], metavar="STAGE", help="make these stages again")
    command.add_argument("--dry-run", action="store_true", help="what would run, and what of it is cached")
    command.add_argument(
        "--skip-bad", action="store_const", const=True, help="pass over undecodable images and count them"
    )
    command.add_argument(
        "--groups",
        metavar="FILE",
        help="a table (CSV, Parquet) of the faces' groups: leakage for each, see docs/groups.md",
    )
    arguments.machine_readable(command, "the records")
    command.add_argument(
        "--system-metrics", action="store_true", help="track how busy processors, memory, disk and GPUs are"
    )
    for option in (arguments.resize, arguments.data_root, arguments.store, arguments.tracking, arguments.quiet):
        option(command)
    command.set_defaults(do=do)


def do(args: argparse.Namespace) -> int:
    """Run every method with every seed, and say what came out.

    Returns:
        0; 1 where a sanity bound failed; 2 where one of several runs ended with an error, which the others did not.

    Raises:
        Every error of a run that is alone; what was finished before is kept.
    """
    return _run_jobs(args, lambda text: show(text + "\n"))


def _run_jobs(args: argparse.Namespace, say: Callable[[str], None]) -> int:
    from ...reports.tracking import mirror as tracking
    from ..experiment import processes
    from ..experiment.run import prepare
    from ..store.store import Store
    from ..terminal.progress import Display
    from .summary import dry_run

    plans = _plans(args)
    display = Display(quiet=args.quiet or args.format == "json" or not processes.leads())
    store = Store(
        args.store,
        force=frozenset(args.force),
        waiting=lambda name: display.note(f"{name}: another run is making this stage; waiting for it"),
    )
    if args.tracking_uri != "none":
        tracking.check(args.tracking_uri)
    if args.system_metrics:
        from ...reports.tracking import system

        system.check()
    runs = [prepare(p, store, data_root=args.data, device=args.device, display=display) for p in plans]
    _refuse_unknown_stages(args.force, runs)
    if args.dry_run:
        say(dry_run(runs, store))
        return 0
    if not processes.leads():
        processes.follow(runs)
        return 0
    with processes.leading(runs) as call:
        return _run_all(runs, call, store, args, display, say)


def _run_all(
    runs: Sequence[Pipeline], call: Callable[[int], None], store: Store, args: argparse.Namespace, display: Display,
    say: Callable[[str], None],
) -> int:  # fmt: skip
    from ..experiment.run import run
    from ..plan.dataset import called
    from ..terminal.printing import say as complain
    from .several import UNUSABLE, Failed
    from .summary import board, bounds_of, summary

    telling = story.asked(args)
    outcomes, failed = [], Failed(len(runs))
    for number, pipeline in enumerate(runs):
        planned = pipeline.context.plan
        name = f"{pipeline.context.name} on {called(planned.dataset)}, seed {planned.seed}"
        if len(runs) > 1:
            display.note(f"run {number + 1} of {len(runs)}: {name}")
        make = partial(run, pipeline, display=display, call_others=partial(call, number))
        with failed.noted(name):
            outcome = _watched(make, store) if args.system_metrics else make()
            outcomes.append(outcome)
            place = _follow_up(outcome, store, args, display)
            if args.format != "json" and not telling:
                say(summary(outcome, place, bounds_of(outcome.record, store.root / "records")))
    records = [outcome.record for outcome in outcomes]
    if args.format == "json":
        say(json.dumps([record.model_dump(mode="json") for record in records], indent=1))
    elif telling and outcomes:
        story.tell(outcomes, store.root, say, quiet=args.quiet)
    elif len(records) > 1:
        say(board(records))
    if failed.names:
        complain(failed.summary())
        return UNUSABLE
    return int(any(not check.passed for record in records for check in record.checks))


def _plans(args: argparse.Namespace) -> list[Plan]:
    """One plan a method, a seed and a line of the experiment's grid; all are checked before the first one runs."""
    from ..plan import grid
    from ..plan.plan import ConfigError, plan

    lines = grid.settings(args.experiment)
    for entry in ("method", "seed"):
        if getattr(args, entry) and entry in grid.named(lines):
            raise ConfigError(f"--{entry}: the grid of {args.experiment} has it, too; leave one of them out")
    methods = story.METHODS if story.asked(args) else args.method or [None]
    return [
        plan(
            recipe=args.recipe,
            experiment=args.experiment,
            settings=[*line, *args.set],
            dataset=args.dataset,
            method=method,
            seed=seed,
            protocol=args.protocol,
            attacks="all" if args.attacks == ["all"] else args.attacks,
            skip_bad=args.skip_bad,
            resize=args.resize,
            groups={"table": args.groups} if args.groups else None,
        )
        for line, method, seed in product(lines, methods, args.seed or [None])
    ]


def _refuse_unknown_stages(forced: Sequence[str], runs: Sequence[Pipeline]) -> None:
    from ..plan.plan import ConfigError

    known = sorted({stage.name.partition("/")[0] for run in runs for stage in run.stages} | {"scan"})
    unknown = sorted(set(forced) - set(known))
    if unknown:
        raise ConfigError(f"--force {unknown[0]}: no such stage; expected one of {', '.join(known)}")


def _follow_up(outcome: Outcome, store: Store, args: argparse.Namespace, display: Display) -> str:
    """Draw and mirror what is new; gives the line that says where the mirror is."""
    from ...reports.tracking import mirror as tracking
    from ...reports.tracking.uri import shown
    from ..experiment import faces_picture as facegrid
    from ..store.system_errors import explained
    from .to_mlflow import FIGURES, Target, send

    figures = store.root / FIGURES / outcome.record.name
    if outcome.new or not figures.is_dir():
        with store.anew(figures) as made:  # whole or not at all: a picture that is missing would be missed for ever
            _draw(outcome, made)
    facegrid.keep(outcome.pipeline, figures, asked=args.with_faces, anew=outcome.new)
    if args.tracking_uri == "none":
        return ""
    target = Target.of(args)
    if not target.has(outcome.path, store):
        try:
            send(outcome.record, outcome.path, store, target, display)
        except tracking.TrackingError as error:
            display.warn(f"warning: {error}")
            return ""
        except OSError as error:
            display.warn(
                f"warning: {outcome.record.name} was not sent to MLflow: {explained(error)}; the record is safe at "
                f"{outcome.path}; send it later with `bench mirror`"
            )
            return ""
    return shown(args.tracking_uri)


def _watched(make: Callable[[], Outcome], store: Store) -> Outcome:
    """A run, and how busy the machine was meanwhile; of a run that had nothing to do that is not kept."""
    from ...reports.tracking.system import sampling
    from .to_mlflow import SYSTEM, load_of

    folder = store.root / SYSTEM
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / "load.jsonl"
        with sampling(path):
            outcome = make()
        if outcome.new:
            path.replace(load_of(outcome.record.name, store))
    return outcome


def _draw(outcome: Outcome, out: Path) -> None:
    from ...reports.pictures.figures import draw

    out.mkdir(parents=True, exist_ok=True)
    draw(outcome.record, out, _logs(outcome))


def _logs(outcome: Outcome) -> dict[str, Path]:
    """Training logs by stage."""
    found = {stage.name: outcome.pipeline.path(stage) / "log.jsonl" for stage in outcome.pipeline.stages}
    return {name: path for name, path in found.items() if path.is_file()}
