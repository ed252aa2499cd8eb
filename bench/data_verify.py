"""What `bench data verify` answers: what is wrong with a dataset, and digests of it when it is good."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from ..datasets import cards
from ..datasets.base import DataError, FaceSource, PairSource
from ..datasets.sums import SumsThereError
from .progress import Display

if TYPE_CHECKING:
    from ..datasets.check import Report

SHOWN = 5
"""How many places of one kind of trouble are listed; --json has all."""


def dataset_check(args: argparse.Namespace) -> tuple[str, bool]:
    """Read every record of a dataset and its verification sets; the report, and whether they can be used as they are.

    Raises:
        DataError: the files cannot be opened at all, or digests are to be written and it is not possible.
    """
    from ..datasets.check import check

    found = cards.resolve(args.dataset, args.data)
    counts = (found.card.identities, found.card.images) if found.card else (None, None)
    display = Display(quiet=args.quiet or args.json)
    with display.stage("verify", "faces") as progress:
        seen = check(found.source.open(), card_identities=counts[0], card_images=counts[1], progress=progress)
    pairs = _pairs(found.pairs, display) if found.root else {}
    sound = not (seen.undecodable or seen.out_of_range) and (seen.fits_card or not (found.card and found.card.exact))
    sound = sound and not any(pairs.values())
    written = _sums(found, sound) if args.write_sums else []
    if args.json:
        content = {**asdict(seen), "pairs": pairs, "sums": written, "sound": sound}
        return json.dumps(content, indent=1) + "\n", sound
    lines = [_told(seen, sound), *(f"verification set {name}: {why or 'good'}" for name, why in pairs.items())]
    return "\n".join([*lines, *(f"digests written to {path}" for path in written)]) + "\n", sound


def _pairs(sets: Mapping[str, PairSource], display: Display) -> dict[str, str]:
    """What is wrong with each verification set; nothing where it can be used."""
    wrong = {}
    with display.stage("verify", "sets") as progress:
        for number, (name, source) in enumerate(sets.items(), start=1):
            try:
                source.open()
            except DataError as error:
                wrong[name] = str(error)
            else:
                wrong[name] = ""
            progress(number, len(sets))
    return wrong


def _sums(found: cards.Resolved, sound: bool) -> list[str]:
    """Write the digests of everything that has none yet."""
    if not sound:
        raise DataError(
            "--write-sums: expected data that are good, got some that are not; `bench data verify` without it says "
            "what is wrong. Digests of damaged data would call them good"
        )
    sources: list[FaceSource | PairSource] = [found.source, *found.pairs.values()]
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


def _told(seen: Report, sound: bool) -> str:
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
    return "\n".join(lines)
