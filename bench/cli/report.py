"""What `bench report`, `bench list` and `bench data` answer."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...datasets.base import DataError, FaceSource, PairSource
from ...datasets.catalog import cards
from ...methods.base import Method
from ...reports.result import ledger
from ...reports.result.harmless import one_line
from ...reports.result.record import RunRecord
from ..attacks.base import Attack
from ..metrics.base import Metric
from ..plan.plan import recipes
from ..plugins import names
from ..terminal.progress import Display
from ..terminal.text import text
from . import output_file

if TYPE_CHECKING:
    from ...reports.board import leaderboard

_KINDS = {"methods": (Method,), "attacks": (Attack,), "metrics": (Metric,), "datasets": (FaceSource, PairSource)}


def report(args: argparse.Namespace) -> str:
    """The board over all records, as text; where it was written to a file, at most where that is.

    A page is written to a file in any case: nobody reads it on a screen of text.

    Raises:
        RecordError: a record is damaged, or there is none.
        OutputError: a file to be written is there and is no board.
        TrackingError: records were asked of an MLflow that cannot be reached, or has none.
        OSError: the file cannot be written.
    """
    from ...reports.board import leaderboard
    from ...reports.formats import render
    from ...reports.result import thirdparty

    if args.format == "html" and args.out is None:
        args.out = Path("leaderboard.html")
    for option in ("out", "plot"):
        if getattr(args, option):
            output_file.check(getattr(args, option), f"--{option}")
    if args.compact and args.format not in ("md", "latex"):
        raise output_file.OutputError(f"--compact: expected with --format md or latex, got --format {args.format}")
    records = _records(args)
    attacks = [] if args.from_mlflow else thirdparty.load(_folder(args), records)
    found = leaderboard.board(records, attacks)
    if args.plot:
        from ...reports.pictures.figures import plane

        plane(found, args.plot)
    formats: dict[str, Callable[[leaderboard.Board], str]] = {
        "md": partial(render.markdown, compact=args.compact),
        "latex": partial(render.latex, compact=args.compact),
        "csv": render.csv,
        "json": render.json,
        "html": _page,
    }
    shown = formats[args.format](found)
    if args.out is None:
        return shown if shown.endswith("\n") else shown + "\n"
    output_file.write(args.out, shown)
    if args.format == "html":
        return f"{args.out.absolute()} holds the leaderboard: open it in a browser\n"
    return ""


def _page(board: leaderboard.Board) -> str:
    from ...reports.pictures.page import html

    return html(board)


def _folder(args: argparse.Namespace) -> Path:
    folder: Path = args.records or args.store / "records"
    return folder


def _records(args: argparse.Namespace) -> Sequence[RunRecord]:
    """What the board is made of: the records of an MLflow, or of a folder."""
    if args.from_mlflow:
        from .mirror import fetch

        return fetch(args)
    folder = _folder(args)
    records = ledger.load(folder)
    if not records:
        raise ledger.RecordError(f"records {folder}: expected at least one record, got none; make one with `bench run`")
    return records


def listing(kind: str | None, *, as_json: bool) -> str:
    """Plug-ins and recipes, by name, with what they are."""
    found: dict[str, dict[str, str]] = {}
    for each in [kind] if kind else [*_KINDS, "recipes"]:
        if each == "recipes":
            found[each] = recipes()
        else:
            found[each] = {name: says for base in _KINDS[each] for name, says in names(base).items()}
    if as_json:
        return json.dumps(found, indent=1) + "\n"
    from rich.markup import escape
    from rich.table import Table

    tables: list[Any] = []
    for each, members in found.items():
        table = Table(box=None, padding=(0, 2, 0, 2), show_header=False, title=each, title_justify="left")
        table.add_column(no_wrap=True)
        table.add_column()
        for name, says in members.items():
            table.add_row(escape(one_line(name)), escape(one_line(says)))
        tables.append(table)
    return text(*tables) + "\n"


def dataset_list(root: Path, *, as_json: bool) -> str:
    """Known datasets, and whether they are under the data folder."""
    rows = []
    for name in cards.names():
        card = cards.load(name)
        try:
            found = cards.resolve(name, root)
            state = f"here, with {', '.join(found.pairs) or 'no verification set'}"
        except cards.MissingData:
            state = "not here"
        except DataError:
            state = "here, but it cannot be used as it is: `bench data verify` says why"
        rows.append({"name": name, "identities": card.identities, "images": card.images, "state": state,
                     "title": card.title})  # fmt: skip
    if as_json:
        return json.dumps(rows, indent=1) + "\n"
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("name", "people", "images", "state", ""):
        table.add_column(column, justify="right" if column in ("people", "images") else "left")
    for row in rows:
        counts = [f"{row[key]:,}" if row[key] else "any" for key in ("identities", "images")]
        told = [escape(one_line(str(row[key]))) for key in ("name", "state", "title")]
        table.add_row(told[0], *counts, *told[1:])
    where = escape(one_line(str(root)))
    return (
        text(table, f"looked for under {where} (--data or $FACEBENCH_DATA); `bench run` says how to get a set") + "\n"
    )


def dataset_convert(args: argparse.Namespace) -> str:
    """Write a dataset in the other layout.

    Raises:
        DataError: it cannot be read, or the place is taken.
    """
    from ...datasets.catalog import convert

    faces = cards.resolve(args.dataset, args.data).source.open()
    write = {"recordio": convert.to_recordio, "folder": convert.to_folder}[args.to]
    with Display(quiet=args.quiet).stage("convert", "faces") as progress:
        write(faces, args.out, progress=progress)
    return f"{len(faces):,} faces of {faces.identities:,} people written to {args.out}\n"
