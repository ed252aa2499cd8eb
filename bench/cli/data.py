"""`bench data list`, `bench data verify` and `bench data convert`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..terminal.printing import show
from . import arguments

if TYPE_CHECKING:
    from ...datasets.base import FaceSource, PairSource
    from ...datasets.catalog.check import Report
    from ...datasets.catalog.check_pairs import PairReport
    from ..plan.plan import Plan
    from .arguments import Commands

SHOWN = 5
"""How many places of one kind of trouble are listed; `--format json` has all."""


def add(commands: Commands) -> None:
    """Add the command, its actions and their options."""
    command = commands.add_parser("data", help="datasets: list, verify, convert")
    actions = command.add_subparsers(title="actions", metavar="ACTION", required=True, dest="action")
    listing = actions.add_parser("list", help="known datasets, and which of them are here")
    arguments.data_root(listing)
    arguments.machine_readable(listing)
    listing.set_defaults(do=list_known)
    check = actions.add_parser("verify", help="read every record and every verification set, and report what is wrong")
    check.add_argument("dataset", metavar="NAME|PATH", help="a dataset, or one .bin file")
    check.add_argument(
        "--write-sums",
        action="store_true",
        help="if all is good, write a digest of every record beside the data; reading then compares with it",
    )
    arguments.machine_readable(check)
    check.set_defaults(do=verify)
    change = actions.add_parser("convert", help="pack to folder or folder to pack; the images' own bytes are copied")
    change.add_argument("dataset", metavar="NAME|PATH")
    change.add_argument("out", type=Path, metavar="OUT")
    change.add_argument("--to", choices=("recordio", "folder"), required=True)
    change.set_defaults(do=convert)
    for action in (check, change):
        action.add_argument(
            "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
            help="parameters of a plug-in: dataset.root=DIR",
        )  # fmt: skip
        for option in (arguments.resize, arguments.data_root, arguments.quiet):
            option(action)


def list_known(args: argparse.Namespace) -> int:
    """Show known datasets, and whether they are under the data folder."""
    from ...datasets.base import DataError
    from ...datasets.catalog import cards

    rows = []
    for name in cards.names():
        card = cards.load(name)
        try:
            found = cards.resolve(name, args.data)
            state = f"here, with {', '.join(found.pairs) or 'no verification set'}"
        except cards.MissingData:
            state = "not here"
        except DataError:
            state = "here, but it cannot be used as it is: `bench data verify` says why"
        rows.append({"name": name, "identities": card.identities, "images": card.images, "state": state,
                     "title": card.title})  # fmt: skip
    show(json.dumps(rows, indent=1) + "\n" if args.format == "json" else _table(rows, args.data))
    return 0


def _table(rows: Sequence[dict[str, str | int | None]], root: Path) -> str:
    from rich.markup import escape
    from rich.table import Table

    from ...reports.result.harmless import one_line
    from ..terminal.text import text

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


def convert(args: argparse.Namespace) -> int:
    """Write a dataset in the other layout.

    Raises:
        DataError: it cannot be read, or the place is taken.
    """
    from ...datasets.catalog.convert import to_folder, to_recordio
    from ...datasets.views.reencoded import Scaled
    from ..plan.dataset import find
    from ..plan.plan import plan
    from ..terminal.progress import Display

    entry = plan(dataset=args.dataset, settings=args.set, resize=args.resize)
    faces = find(entry.dataset, args.data, synthetic=entry.synthetic, resize=entry.resize).data.source.open()
    if entry.resize:
        faces = Scaled(faces)
    write = {"recordio": to_recordio, "folder": to_folder}[args.to]
    with Display(quiet=args.quiet).stage("convert", "faces") as progress:
        write(faces, args.out, progress=progress)
    show(f"{len(faces):,} faces of {faces.identities:,} people written to {args.out}\n")
    return 0


def verify(args: argparse.Namespace) -> int:
    """Read every record of a dataset and its verification sets, or one `.bin` file, and say what is wrong.

    Returns:
        0 where the data can be used as they are, else 1.

    Raises:
        DataError: the files cannot be opened at all, or digests are to be written and it is not possible.
    """
    from ..plan.plan import plan

    entry = plan(dataset=args.dataset, settings=args.set, resize=args.resize)
    alone = _alone(entry)
    found, lines = _pairs_alone(*alone, args) if alone else _dataset(entry, args)
    if args.format == "json":
        show(json.dumps(found, indent=1) + "\n")
    else:
        from ...reports.result.harmless import one_line

        show("\n".join(map(one_line, [*lines, *(f"digests written to {file}" for file in found["sums"])])) + "\n")
    return int(not found["sound"])


def _alone(plan: Plan) -> tuple[str, PairSource] | None:
    """A verification set that is to be checked without any faces: a `.bin` file, or a plug-in of that kind."""
    from ...datasets.base import PairSource
    from ...datasets.catalog import cards
    from ..plan.dataset import called
    from ..plugins import build, provided

    entry = plan.dataset
    path = Path(name := called(entry)).expanduser()
    if isinstance(entry, str) and path.suffix.lower() == ".bin" and not path.is_dir():
        return path.stem, build(PairSource, {"use": "bin", "path": path, "resize": plan.resize}, where="dataset")
    if name in cards.names() or (isinstance(entry, str) and path.exists()) or not provided(PairSource, name):
        return None
    return name, build(PairSource, entry, where="dataset")


def _pairs_alone(name: str, pairs: PairSource, args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """What is found in one verification set, for programs and as lines."""
    from ...datasets.base import DataError
    from ...datasets.catalog.check_pairs import check_pairs
    from ..terminal.progress import Display

    with Display(quiet=args.quiet or args.format == "json").stage(name, "images") as progress:
        found = check_pairs(name, pairs, progress=progress)
    if found.unreadable:
        raise DataError(found.unreadable)
    written = _sums([pairs], found.usable) if args.write_sums else []
    return {"pairs": [asdict(found)], "sums": written, "sound": found.usable}, _pairs_told(found)


def _dataset(entry: Plan, args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """What is found in a dataset and its verification sets, for programs and as lines."""
    from ...datasets.catalog.check import check
    from ...datasets.catalog.check_pairs import check_pairs
    from ..plan.dataset import find
    from ..terminal.progress import Display

    display = Display(quiet=args.quiet or args.format == "json")
    data = find(entry.dataset, args.data, synthetic=entry.synthetic, resize=entry.resize).data
    counts = (data.card.identities, data.card.images) if data.card else (None, None)
    with display.stage("verify", "faces") as progress:
        seen = check(data.source.open(), card_identities=counts[0], card_images=counts[1], progress=progress)
    sets = []
    for name, source in data.pairs.items():
        with display.stage(name, "images") as progress:
            sets.append(check_pairs(name, source, progress=progress))
    faces = not (seen.undecodable or seen.out_of_range or seen.odd_ranges)
    fits = seen.fits_card or not (data.card and data.card.exact)
    sound = faces and fits and all(found.usable for found in sets)
    written = _sums([data.source, *data.pairs.values()], sound) if args.write_sums else []
    lines = _told(seen, faces and fits) + [line for found in sets for line in _pairs_told(found)]
    lines += [f"{name}: left out: {why}" for name, why in data.unused.items()]
    if not sets:
        lines.append(
            "no verification set beside the faces (lfw.bin, cfp_fp.bin, agedb_30.bin): `bench run` makes one of people "
            "whom it holds out"
        )
    more = {"left_out": data.unused} if data.unused else {}
    return {**asdict(seen), **more, "pairs": [asdict(found) for found in sets], "sums": written, "sound": sound}, lines


def _sums(sources: Sequence[FaceSource | PairSource], sound: bool) -> list[str]:
    """Write the digests of everything that has none yet."""
    from ...datasets.base import DataError
    from ...datasets.files.sums import SumsThereError

    if not sound:
        raise DataError(
            "--write-sums: expected data that are good, got some that are not; `bench data verify` without it says "
            "what is wrong. Digests of damaged data would call them good"
        )
    written, taken = [], []
    for source in sources:
        try:
            path = source.write_sums()
        except SumsThereError as error:
            taken.append(error)
        else:
            written += [str(path)] if path else []
    if taken and not written:  # nothing was to be done
        raise taken[0]
    if not written:
        raise DataError("--write-sums: expected data in files, got drawn faces, which are made anew each time")
    return written


def _told(seen: Report, sound: bool) -> list[str]:
    """A check as lines, the first of each kind of trouble with its place."""
    lines = [f"{seen.images:,} images of {seen.identities:,} people: {'good' if sound else 'NOT good'}"]
    if not seen.fits_card:
        lines.append(f"the card says {seen.card_images:,} images of {seen.card_identities:,} people")
    if seen.undecodable:
        lines.append(f"undecodable images: {len(seen.undecodable):,}; a run passes over them with --skip-bad")
        lines += [f"  {bad.reason}" for bad in seen.undecodable[:SHOWN]]
    if seen.out_of_range:
        lines.append(
            f"labels out of range: {len(seen.out_of_range):,}, of the images {list(seen.out_of_range[:SHOWN])}"
        )
    if seen.odd_ranges:
        lines.append(
            f"identity records that do not fit the labels: {len(seen.odd_ranges):,}, such as those of the identities "
            f"{list(seen.odd_ranges[:SHOWN])} (from 0); other tools take images from them: make the pack anew, "
            "or get it again"
        )
    if seen.duplicates:
        lines.append(
            f"duplicate images: {seen.repeated:,} in {len(seen.duplicates):,} groups, such as {seen.duplicates[0]}"
        )
    if seen.duplicates_across:
        lines.append(
            f"of these across people: {len(seen.duplicates_across):,} groups, such as {seen.duplicates_across[0]}"
        )
    for people, says in ((seen.single_image, "one image"), (seen.no_image, "no image")):
        if people:
            lines.append(f"people with {says}: {len(people):,}")
    return lines


def _pairs_told(found: PairReport) -> list[str]:
    if found.unreadable:
        return [f"{found.name}: NOT good: {found.unreadable}"]
    lines = [
        f"{found.name}: {found.pairs:,} pairs, {found.genuine:,} genuine and {found.impostors:,} impostor: "
        + ("good" if found.usable else "NOT good")
    ]
    if found.lacks:
        lines.append(f"  {found.lacks}")
    if found.undecodable:
        lines.append(f"  undecodable images: {len(found.undecodable):,}; --skip-bad does not pass over these")
        lines += [f"  {bad.reason}" for bad in found.undecodable[:SHOWN]]
    if found.one_kind and not found.lacks:
        lines.append(
            f"  folds that hold one kind of pair only: {', '.join(map(str, found.one_kind))} of 10; the usual accuracy "
            "expects both kinds in every tenth of the pairs: bring them into another order"
        )
    return lines
