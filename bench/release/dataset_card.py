"""The card of a private dataset: what it is, how it was made, what was measured, and what it does not protect against.

Source: Hugging Face Hub, "Dataset Cards" (front matter) and "Image Dataset" (ImageFolder); what a card owes its readers
follows Gebru et al., "Datasheets for Datasets" (arXiv 1803.09010).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ...methods.parts.private_pack import MANIFEST, Encoding
from ...reports.board.marks import unasked
from ...reports.board.other_conditions import CONDITIONS, worst
from ...reports.result.record import NOT_MEASURED, RunRecord, Score
from .fitted_method import Chosen
from .join import METADATA, Layout

README = "README.md"
DRAWN = "synthetic"
"""The card of drawn faces."""
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"),
          (10**8, "10M<n<100M"))  # fmt: skip


@dataclass(frozen=True)
class About:
    """What a card tells of a release."""

    title: str
    chosen: Chosen
    images: int
    identities: int
    skipped: int
    """Originals that could not be decoded and were passed over."""
    most_images: int
    """Of one person."""
    encoding: Encoding
    layout: Layout
    terms: str | None
    """On what terms the originals were had, where they are a known dataset."""
    record: RunRecord | None
    same_people: bool = False
    """Whether the method was fitted on faces of this very dataset."""
    drawn: bool = False
    """Whether the originals are drawn faces."""
    fitted_on_drawn: bool = False
    """Whether the method learned from drawn faces alone, and these are none."""


def text(about: About) -> str:
    """The card as Markdown with YAML front matter; equal for equal releases, however and whenever they were made."""
    head = {
        "pretty_name": about.title,
        "license": "other",
        "task_categories": ["image-classification"],
        "tags": ["face-recognition", "privacy", "facebench"],
        "size_categories": [next((name for most, name in _SIZES if about.images < most), "100M<n<1B")],
    }
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{front}---",
        f"# {_line(about.title)}",
        f"{about.images:,} private faces of {about.identities:,} people, {_origin(about)} by the method "
        f"`{about.chosen.name}` of facebench. Aligned, 112 x 112 pixels, RGB, {_ENCODINGS[about.encoding]}.",
        "License: to be named here, and in the head of this file, by the owner of the data."
        + (f" The originals are subject to: {_line(about.terms)}" if about.terms else ""),
        "## Files",
        "\n".join(f"- {line}" for line in _FILES[about.layout]),
        "## How it was made",
        _made(about),
        "## What was measured",
        *_apart(about),
        _measured(about),
        "## What this does not protect against",
        "\n".join(f"- {line}" for line in _open(about)),
    ]
    return "\n\n".join(parts) + "\n"


_ENCODINGS = {"png": "PNG without loss", "jpeg": "JPEG of quality 95"}
_COMMON = (
    "People are numbers, from 0 in the order of the SHA-256 of their private images, and so are a person's images; "
    "no number follows the originals' names or order.",
    f"`{MANIFEST}`: every image's number, person, SHA-256, method and parameters.",
)
_FILES: dict[Layout, tuple[str, ...]] = {
    "recordio": ("`train.rec`, `train.idx`, `property`: an InsightFace pack, for MXNet's RecordIO readers.", *_COMMON),
    "folder": (
        f"One folder a person, and `{METADATA}` with file_name and label: Hugging Face's ImageFolder, "
        '`datasets.load_dataset("imagefolder", data_dir=...)`.',
        *_COMMON,
    ),
}


def _origin(about: About) -> str:
    return "made from photos" if type(about.chosen.method).sourced else "generated"


def _made(about: About) -> str:
    spec = about.chosen.spec
    rows = [
        ("method", f"`{about.chosen.name}`, version {spec['version']}: {_first_line(about.chosen)}"),
        *((f"`{name}`", f"`{json.dumps(value)}`") for name, value in sorted(spec["parameters"].items())),
        ("randomness", _randomness(about)),
        ("fitted method", f"`{about.chosen.content}`" if about.chosen.content else "none; the method learns nothing"),
        ("people, images", f"{about.identities:,}, {about.images:,}"),
        ("originals passed over", f"{about.skipped:,}, since they could not be decoded"),
    ]
    return _table(("what", "value"), rows)


def _randomness(about: About) -> str:
    method = about.chosen.method
    if not type(method).repeatable:
        return "of the tool that made the faces, which is not known here"
    if not method.draws:
        return "none: equal photos give equal private faces"
    return "a secret key of 256 bits, which its owner keeps; it is in none of these files"


def _first_line(chosen: Chosen) -> str:
    return (type(chosen.method).__doc__ or "").strip().partition("\n")[0]


def _measured(about: About) -> str:
    record = about.record
    if record is None:
        return (
            "Nothing was measured on this release. `bench run` with the same method measures, on people it draws for "
            "that, how useful private faces are and how many people are found; give its record with `--record`."
        )
    rows = [_row(score) for score in record.scores if score.measure.headline]
    lines = [
        f"Not on these files, but by the run `{_line(record.name)}`: this method with these parameters, on the dataset "
        f"`{_line(record.dataset)}`, recipe `{_line(record.recipe)}`, seed {record.seed}"
        + (", and with this very fit." if about.chosen.stage else "."),
        _table(("measure", "on", "value", "95 % interval", "chance", "trials"), rows),
        "\n".join(f"- {line}" for line in _beside(record)),
    ]
    lines += [f"**Not to be relied on**: {_line(flaw)}" for flaw in record.flaws]
    return "\n\n".join(lines)


def _apart(about: About) -> list[str]:
    """Boxes: what makes this release another thing than what was measured."""
    record, boxes = about.record, []
    if about.same_people:
        boxes.append(
            "**This release holds people whom the method was fitted on.** A network may give back more of those than "
            "of people it never saw, on whom methods are measured. Nothing here says how much more."
        )
    if about.fitted_on_drawn:
        boxes.append(
            "**The method learned from drawn faces alone; these are photos.** It may keep or hide something else of "
            "them."
        )
    if record and record.dataset == DRAWN and not about.drawn:
        boxes.append(
            "**Measured on drawn faces; these are others.** Numbers of drawn faces show that the machinery works. They "
            "say nothing of how many people are found here."
        )
    return [f"> {box}" for box in boxes]


def _beside(record: RunRecord) -> list[str]:
    """What has to be known to read the table: who attacked, who did not, among how many, and what is worse."""
    absent = sorted({*unasked([record]), *(name for name, why in record.not_run.items() if NOT_MEASURED in why)})
    found = [score for score in record.scores if score.measure.headline and score.measure.side == "privacy"]
    galleries = {int(size) for score in found if (size := score.detail.get("gallery"))}
    worse = {says: worst([record], name) for name, says in CONDITIONS.items()}
    lines = [
        f"Attackers run: {', '.join(map(_line, record.attackers)) or 'none'}. Not run: "
        f"{', '.join(map(_line, absent)) or 'none of those known'}. Other attackers may find more: each number is "
        "a lower bound.",
        *(f"Searched among {size:,} originals; among more, fewer are found at rank 1." for size in sorted(galleries)),
        *(f"Worst leakage {says}: {100 * one.mean:.2f} % ({_line(one.on)})." for says, one in worse.items() if one),
    ]
    clear = {str(k): v for k, v in dict(record.judge.get("clear") or {}).items() if isinstance(v, int | float)}
    if clear:
        told = ", ".join(f"{100 * value:.1f} % of {_line(name)}" for name, value in clear.items())
        lines.append(f"The attackers' recognizer verifies {told} of ordinary faces; a better one finds more.")
    return lines


def _row(score: Score) -> tuple[str, ...]:
    def shown(value: float | None) -> str:
        if value is None:
            return "-"
        return f"{100 * value:.2f} %" if score.measure.unit == "share" else f"{value:.4g} {score.measure.unit}"

    bounds = score.intervals[0] if score.intervals else None
    return (
        f"{score.measure.name} ({score.measure.says})",
        score.on,
        shown(score.value) if score.value is not None else f"not measured: {score.note}",
        f"{shown(bounds.low)} to {shown(bounds.high)}" if bounds else "-",
        shown(score.chance),
        f"{score.n:,}",
    )


def _open(about: About) -> list[str]:
    """What the owner and every reader must know, in plain words."""
    always = [
        "**An attacker who knows the method.** Numbers above, if any, are those of the attackers that are named there; "
        "an ignorant one compares private faces with photos and knows nothing else. Whoever holds this method, or fits "
        "one like it, can make private faces of people they know, train on them, and find more.",
    ]
    if not type(about.chosen.method).sourced:
        return [
            *always,
            "**Memorisation.** A generator may give back people whom it learned from. These faces were made from no "
            "photo each, which is no proof that they show nobody.",
            "**Counting.** Unless the method's parameters say otherwise, there are as many people here, with as many "
            "images each, as in the originals: that may tell which dataset they were.",
        ]
    return [
        *always,
        *_whoever_holds_an_original(about),
        "**Counting.** People have, as a rule, as many images here as they had before. Who knows the originals may "
        "tell people by that alone.",
        "**Faces that belong together.** All images of a person stand under one number: who recognizes one of them has "
        "all. A set that recognizers can be trained on cannot hide this.",
        "**The list of originals.** The manifest with `source_index`, written beside this dataset and not into it, "
        "links every private face to its original: never share it.",
    ]


def _whoever_holds_an_original(about: About) -> list[str]:
    method = about.chosen.method
    told = []
    if not type(method).repeatable:
        told.append(
            "**Whoever holds an original.** Another tool made these faces. Whether its random numbers can be told, and "
            "its faces made again, is not known here."
        )
    elif not method.draws:
        told.append(
            "**Whoever holds an original.** The method draws no random numbers: whoever has a photo makes its private "
            "face again, and finds it here byte by byte."
        )
    else:
        told.append(
            "**Whoever holds an original and the key.** With the release's secret key a private face can be made again "
            "and compared byte by byte, and its noise or its mask taken away. Without the key, whoever has the photo "
            "can still compare what the private face shows of it, pixel by pixel"
            + (", the more so with the fitted method: keep that to yourself, too." if about.chosen.content else ".")
        )
    if method.draws:
        told.append(
            "**Releases add up.** Another release of the same photos, with another key or other parameters, shows more "
            "of them. Another layout or encoding of this one is made with the same key."
        )
    if promise := method.promise(about.most_images):
        told.append(f"**What is proved, and for whom.** {promise}.")
    return told


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_line(cell) for cell in line) + " |" for line in lines)


def _line(value: Any) -> str:
    """A text of others as part of a line: no line break, no cell's end, no markup of HTML."""
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
