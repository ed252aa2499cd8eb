"""What was found of the people behind a private set, on one page for whoever decides about its release.

The words are for people who are no engineers, and the page claims no safety: it says what was tried, what was found,
and what was not tried. One HTML file, no script, nothing loaded; it prints on a page.

Source of the three risks: Article 29 Data Protection Working Party, Opinion 05/2014 on Anonymisation Techniques
(WP 216), section 2.2.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..board.marks import OTHER_PHOTO, unasked
from ..board.other_conditions import CONDITIONS, worst
from ..formats.tables import clean
from ..result.record import NOT_MEASURED, RunRecord, Score

ASSETS = Path(__file__).parent / "page_assets"


@dataclass(frozen=True)
class Limit:
    """What was asked for, and whether it was kept."""

    asked: str
    kept: bool | None
    """None where it cannot be told."""
    why: str


def assessment(record: RunRecord, *, title: str, limits: tuple[Limit, ...] = ()) -> str:
    """The page of one record.

    Args:
        record: of a run in which attackers searched the private set.
        title: what the private set is called.
        limits: that were asked for.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = (ASSETS / "assessment.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    loader = FileSystemLoader(ASSETS)
    pages = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    template = pages.get_template("assessment.html")
    return template.render(
        policy=f"default-src 'none'; style-src 'sha256-{digest}'",
        style=Markup(style),  # noqa: S704  # a file of ours
        version=version("facebench"),
        title=clean(title),
        limits=limits,
        **_content(record),
    )


def _content(record: RunRecord) -> dict[str, Any]:
    searches = sorted(
        (s for s in record.scores if s.measure.headline and s.measure.side == "privacy" and s.value is not None),
        key=lambda score: -(score.value or 0.0),
    )
    strongest = searches[0] if searches else None
    absent = {name: "not asked for" for name in unasked([record])}
    absent |= {name: why for name, why in record.not_run.items() if why.startswith(NOT_MEASURED)}
    released, people = record.released, record.roles["P"]
    return {
        "made": record.created[:10],
        "faces": f"{released.images if released else people.images:,}",
        "people": f"{people.identities:,}",
        "dataset": clean(record.dataset),
        "strongest": _told(strongest) if strongest else None,
        "attackers": [{**_told(score), "holds": clean(record.knows.get(score.on, ""))} for score in searches],
        "absent": [(clean(name), clean(why)) for name, why in sorted(absent.items())],
        "worse": [
            (says, f"{100 * one.mean:.1f} %", clean(one.on))
            for name, says in CONDITIONS.items()
            if (one := worst([record], name)) and name != OTHER_PHOTO
        ],
        "singled": _share(next((s for s in searches if s.on == "replay"), None), strongest),
        "linked": worst([record], OTHER_PHOTO),
        "judge": [
            (clean(str(name)), f"{100 * value:.1f} %")
            for name, value in dict(record.judge.get("clear") or {}).items()
            if isinstance(value, int | float)
        ],
        "flaws": [clean(flaw) for flaw in record.flaws],
        "useful": [
            (clean(s.on), f"{100 * s.value:.1f} %", f"{100 * (s.chance or 0):.0f} %")
            for s in record.scores
            if s.measure.headline and s.measure.side == "utility" and s.value is not None and s.measure.unit == "share"
        ],
        "record": clean(record.name),
        "recipe": f"{clean(record.recipe)} ({record.recipe_hash}), data {record.data_hash}, seed {record.seed}",
    }


def _told(score: Score) -> dict[str, str]:
    bounds = score.intervals[0] if score.intervals else None
    value = score.value or 0.0
    return {
        "name": clean(score.on),
        "share": f"{100 * value:.1f} %",
        "of": f"{round(value * score.n):,} of {score.n:,}",
        "interval": f"{100 * bounds.low:.1f} to {100 * bounds.high:.1f} %" if bounds else "not known",
        "chance": f"{100 * score.chance:.2f} %" if score.chance is not None else "not known",
        "gallery": f"{int(size):,}" if (size := score.detail.get("gallery")) else "",
    }


def _share(*scores: Score | None) -> dict[str, str] | None:
    found = [score for score in scores if score is not None]
    return _told(max(found, key=lambda score: score.value or 0.0)) if found else None
