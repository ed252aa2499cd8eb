"""`bench report`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..terminal.printing import say, show
from . import arguments, verify

if TYPE_CHECKING:
    from ...reports.board import leaderboard
    from ...reports.result.record import RunRecord
    from ...reports.result.thirdparty import ThirdPartyAttack
    from .arguments import Commands


PICTURES = (".png", ".pdf", ".svg")
"""What `--plot` draws, told by the file's name."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = commands.add_parser("report", help="the leaderboard, from the records")
    command.add_argument(
        "--format", choices=("text", "md", "csv", "json", "latex", "html"),
        help="text on a screen, else md; html is a page to look at",
    )  # fmt: skip
    command.add_argument("--compact", action="store_true", help="narrow tables, for a README (md, latex)")
    command.add_argument("--verify", action="store_true", help=argparse.SUPPRESS)  # what `bench verify` was called
    command.add_argument(
        "--out", type=Path, metavar="FILE", help="write there instead of to the screen (html: leaderboard.html)"
    )
    command.add_argument(
        "--plot", type=Path, metavar="FILE", help="also draw the privacy-utility plane: FILE.png, FILE.pdf or FILE.svg"
    )
    command.add_argument(
        "--plot-width", choices=("column", "page", "screen"), default="screen",
        help="of --plot: a column of a paper of two columns, both columns, or a screen (screen)",
    )  # fmt: skip
    for what, says in (("dataset", "of these datasets"), ("method", "of these methods"),
                       ("attack", "leakage to these attacks alone")):  # fmt: skip
        command.add_argument(
            f"--{what}", nargs="+", metavar="NAME", help=f"only rows {says}" if what != "attack" else says
        )
    where = command.add_mutually_exclusive_group()
    arguments.records(where)
    where.add_argument("--from-mlflow", metavar="URI", help="records of an MLflow server, where many may keep theirs")
    arguments.experiment_name(command)
    arguments.store(command)
    command.set_defaults(do=do)


def do(args: argparse.Namespace) -> int:
    """Show the board over all records, or write it to a file.

    A page is written to a file in any case: nobody reads it on a screen of text.

    Raises:
        RecordError: there is no record that can be read, or an attack is damaged.
        OutputError: a file to be written is there and is no board, or options do not go together.
        TrackingError: records were asked of an MLflow that cannot be reached, or has none.
        OSError: the file cannot be written.
    """
    if args.verify:
        return _verify(args)
    args.format = args.format or ("text" if sys.stdout.isatty() and args.out is None else "md")
    from ...reports.board import leaderboard
    from ..terminal import output_file

    if args.format == "html" and args.out is None:
        args.out = Path("leaderboard.html")
    for option in ("out", "plot"):
        if getattr(args, option):
            output_file.check(getattr(args, option), f"--{option}")
    if args.plot and args.plot.suffix.lower() not in PICTURES:
        raise output_file.OutputError(f"--plot {args.plot}: expected a name that ends in {', '.join(PICTURES)}")
    if args.compact and args.format not in ("md", "latex"):
        raise output_file.OutputError(f"--compact: expected with --format md or latex, got --format {args.format}")
    records, attacks = _records(args)
    found = leaderboard.board(_chosen(records, args), attacks)
    if args.plot:
        from ...reports.pictures.plane import WIDTHS, plane

        plane(found, args.plot, width=WIDTHS[args.plot_width])
    shown = _shown(found, args.format, compact=args.compact)
    if args.out is None:
        show(shown if shown.endswith("\n") else shown + "\n")
        return 0
    output_file.write(args.out, shown)
    if args.format == "html":
        show(f"{args.out.absolute()} holds the leaderboard: open it in a browser\n")
    return 0


def _verify(args: argparse.Namespace) -> int:
    """The earlier spelling of `bench verify`."""
    from ..terminal.output_file import OutputError

    for option in ("out", "plot", "compact", "from_mlflow"):
        if getattr(args, option):
            raise OutputError(f"--{option.replace('_', '-')}: does not go with --verify, which makes no board")
    args.format = args.format or "text"
    if args.format not in ("text", "md", "json"):
        raise OutputError(f"--format {args.format}: expected json, or nothing, with --verify")
    say("`bench report --verify` is called `bench verify` now; it does the same")
    return verify.do(argparse.Namespace(**vars(args), quiet=False))


def _shown(board: leaderboard.Board, form: str, *, compact: bool) -> str:
    from ...reports.formats import render
    from .board_table import board_table

    formats: dict[str, Callable[[leaderboard.Board], str]] = {
        "md": partial(render.markdown, compact=compact),
        "latex": partial(render.latex, compact=compact),
        "csv": render.csv,
        "json": render.json,
        "html": _page,
        "text": board_table,
    }
    return formats[form](board)


def _page(board: leaderboard.Board) -> str:
    from ...reports.pictures.page import html

    return html(board)


def _chosen(records: Sequence[RunRecord], args: argparse.Namespace) -> Sequence[RunRecord]:
    """The records that were asked for, with the leakage that was asked for.

    Raises:
        RecordError: a name is that of none.
    """
    from ...reports.board.chosen import chosen

    if args.attack:
        say(f"leakage to {', '.join(args.attack)} alone, as asked for: others may find more")
    return chosen(records, datasets=args.dataset, methods=args.method, attacks=args.attack)


def _records(args: argparse.Namespace) -> tuple[Sequence[RunRecord], Sequence[ThirdPartyAttack]]:
    """What the board is made of: the records of an MLflow, or of a folder with the attacks on them."""
    from ...reports.result import ledger
    from .records import readable

    if args.from_mlflow:
        from ...reports.tracking import read
        from ..terminal.progress import Display

        return read.fetch(args.from_mlflow, experiment=args.experiment_name, say=Display().warn), ()
    folder = arguments.records_folder(args)
    records, attacks = readable(folder)
    if not records:
        raise ledger.RecordError(f"records {folder}: expected at least one record, got none; make one with `bench run`")
    return records, attacks
