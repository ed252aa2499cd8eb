"""What `bench data verify` answers: what is wrong with faces and pairs, and digests of them when they are good."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ...datasets.base import DataError, FaceSource, PairSource
from ...datasets.catalog import cards
from ...datasets.files.sums import SumsThereError
from ...reports.result.harmless import one_line
from ..terminal.progress import Display

if TYPE_CHECKING:
    from ...datasets.catalog.check import Report
    from ...datasets.catalog.check_pairs import PairReport

SHOWN = 5
"""How many places of one kind of trouble are listed; --json has all."""


def dataset_check(args: argparse.Namespace) -> tuple[str, bool]:
    """Read every record of a dataset and its verification sets, or one `.bin` file.

    Returns:
        The report, and whether the data can be used as they are.

    Raises:
        DataError: the files cannot be opened at all, or digests are to be written and it is not possible.
    """
    from ...datasets.catalog.check import check
    from ...datasets.catalog.check_pairs import check_pairs

    display = Display(quiet=args.quiet or args.json)
    alone = Path(args.dataset).expanduser()
    if alone.suffix == ".bin" and not alone.is_dir():
        from ...datasets.bin import Bin

        with display.stage(alone.stem, "images") as progress:
            found = check_pairs(alone.stem, Bin(path=alone), progress=progress)
        if found.unreadable:
            raise DataError(found.unreadable)
        written = _sums([Bin(path=alone)], found.usable) if args.write_sums else []
        if args.json:
            content = {"pairs": [asdict(found)], "sums": written, "sound": found.usable}
            return json.dumps(content, indent=1) + "\n", found.usable
        return "\n".join(map(one_line, [*_pairs_told(found), *_written(written)])) + "\n", found.usable
    data = cards.resolve(args.dataset, args.data)
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
    if args.json:
        content = {**asdict(seen), "pairs": [asdict(found) for found in sets], "sums": written, "sound": sound}
        return json.dumps(content, indent=1) + "\n", sound
    lines = _told(seen, faces and fits) + [line for found in sets for line in _pairs_told(found)]
    if not sets:
        lines.append("no verification set beside the faces: `bench run` needs one (lfw.bin, cfp_fp.bin, agedb_30.bin)")
    return "\n".join(map(one_line, [*lines, *_written(written)])) + "\n", sound


def _written(paths: Sequence[str]) -> list[str]:
    return [f"digests written to {path}" for path in paths]


def _sums(sources: Sequence[FaceSource | PairSource], sound: bool) -> list[str]:
    """Write the digests of everything that has none yet."""
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
    if found.undecodable:
        lines.append(f"  undecodable images: {len(found.undecodable):,}; --skip-bad does not pass over these")
        lines += [f"  {bad.reason}" for bad in found.undecodable[:SHOWN]]
    if found.one_kind:
        lines.append(
            f"  folds that hold one kind of pair only: {', '.join(map(str, found.one_kind))} of 10; the usual accuracy "
            "expects both kinds in every tenth of the pairs: bring them into another order"
        )
    return lines
