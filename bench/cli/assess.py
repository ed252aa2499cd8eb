"""`bench assess`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..terminal.printing import show
from . import arguments

if TYPE_CHECKING:
    from ...reports.pictures.assessment import Limit
    from ...reports.result.record import RunRecord
    from .arguments import Commands

_ABOUT = """Lets every attacker search a private dataset, whatever tool made it, for the people of its originals, and
writes one page for whoever decides about its release. Exit code 0: done, and every limit is kept; 1: one is not, or the
numbers are not to be relied on; 2: it could not be measured."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = commands.add_parser("assess", help="can a private set's people be found? one page", description=_ABOUT)
    command.usage = "bench assess PRIVATE ORIGINALS [options]"
    command.add_argument("private", type=Path, metavar="PRIVATE", help="a folder of images of any depth, or a pack")
    command.add_argument("originals", metavar="ORIGINALS", help="a card's name, a pack, a folder of people")
    command.add_argument(
        "--manifest", type=Path, metavar="FILE",
        help="which private image was made from which original; not needed where their paths are equal",
    )  # fmt: skip
    command.add_argument("--recipe", default="small", metavar="NAME|FILE", help="how large networks are (small)")
    command.add_argument("--attacks", nargs="+", default=["all"], metavar="NAME", help="some of them only (all)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="which people play which role (0)")
    command.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="any entry of a recipe"
    )
    command.add_argument(
        "--limit",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=AMOUNT",
        help="what may be reached: leakage=2%%",
    )
    command.add_argument("--out", type=Path, default=Path("assessment.html"), metavar="FILE", help="(assessment.html)")
    arguments.device(command)
    for option in (arguments.resize, arguments.data_root, arguments.store, arguments.quiet):
        option(command)
    command.set_defaults(do=do)


def do(args: argparse.Namespace) -> int:
    """Measure, and write the page.

    Raises:
        Every error of a run; OutputError where the page cannot be written.
    """
    from ...reports.pictures.assessment import assessment
    from ..experiment.run import prepare, run
    from ..gate.limits import parse
    from ..plan.dataset import find
    from ..plan.manifest_of import manifest_of
    from ..plan.plan import plan
    from ..store.store import Store
    from ..terminal import output_file
    from ..terminal.progress import Display

    limits = parse(args.limit)
    output_file.check(args.out, "--out")
    display, store = Display(quiet=args.quiet), Store(args.store)
    wanted = plan(
        recipe=args.recipe, settings=args.set, dataset=args.originals, seed=args.seed, resize=args.resize,
        attacks="all" if args.attacks == ["all"] else args.attacks,
    )  # fmt: skip
    source = find(wanted.dataset, args.data, synthetic=wanted.synthetic, resize=wanted.resize).data.source
    manifest = args.manifest or manifest_of(args.private, source, store)
    entry = {"use": "external", "path": str(args.private), "manifest": str(manifest), "resize": wanted.resize}
    wanted = wanted.model_copy(update={"method": entry})
    outcome = run(prepare(wanted, store, data_root=args.data, device=args.device, display=display), display=display)
    judged = _judged(outcome.record, limits)
    output_file.write(args.out, assessment(outcome.record, title=args.private.name, limits=judged))
    show(_told(outcome.record, args.out))
    return int(bool(outcome.record.flaws) or any(not limit.kept for limit in judged))


def _judged(record: RunRecord, limits: dict[str, float]) -> tuple[Limit, ...]:
    from ...reports.pictures.assessment import Limit
    from ..gate.limits import check

    kept: dict[str, bool | None] = {"ok": True, "beyond-limit": False}
    return tuple(Limit(f"{one.measure} of {one.on}", kept.get(one.verdict), one.why) for one in check([record], limits))


def _told(record: RunRecord, page: Path) -> str:
    from ..terminal.text import text
    from .summary import measured

    return text(*measured(record)) + f"\n{page.absolute()} is the page to hand on\n"
