"""`bench run` with nothing given: four methods that show what the suite is for: a table, a sentence, a picture."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...reports.board.leaderboard import Group, Row
    from ...reports.board.plane import Place
    from ..experiment.run import Outcome

METHODS = ("original", "masking", "facemae", "noise")
"""What nothing is done to, the plain way, the paper's way, and what nothing is left of."""
PICTURE = "story.png"


def asked(args: argparse.Namespace) -> bool:
    """Whether nothing was said of what to run: no method, no dataset, no recipe, no experiment."""
    named = any(setting.partition("=")[0].split(".")[0] in ("method", "dataset") for setting in args.set)
    return not (args.method or args.dataset or args.recipe or args.experiment or named)


def tell(outcomes: Sequence[Outcome], store: Path, say: Callable[[str], None], *, quiet: bool) -> None:
    """Show the rows as a table, what they say as a sentence, and where their picture is.

    Args:
        outcomes: of runs of `METHODS` on drawn faces.
        store: the folder that gets the picture.
        say: shows a text.
        quiet: whether nothing is opened.
    """
    from rich.markup import escape

    from ...reports.board import leaderboard
    from ...reports.result.harmless import one_line
    from ..terminal.text import text

    groups = leaderboard.board([outcome.record for outcome in outcomes])
    path = store / PICTURE
    drawn = any(outcome.new for outcome in outcomes) or not path.is_file()
    if drawn:
        _draw(groups[0], outcomes, path)
    say(table(groups[0]))
    said = text(escape(one_line(sentence(groups[0]))))
    where = f"every number: bench report, or bench show RECORD, of {store / 'records'}"
    say(f"\n{said}\n\npicture {path.absolute()}\n{where}")
    if drawn and not quiet and somebody_looks():
        import webbrowser

        webbrowser.open(path.absolute().as_uri())


def table(group: Group) -> str:
    """The rows on a screen: usefulness and leakage, each with its interval (95 %)."""
    from rich.markup import escape
    from rich.table import Table

    from ...reports.board import plane
    from ...reports.board.floor import NO_UTILITY, UPPER
    from ...reports.board.leaderboard import BOUNDS
    from ...reports.board.relative_utility import relative
    from ...reports.result.harmless import one_line
    from ..terminal.text import text

    parts: list[Any] = []
    shown = Table(box=None, padding=(0, 2, 0, 0), title="what is left, and who is found", title_justify="left")
    for column in ("released", "accuracy", "95 % interval", "of originals", "found", "95 % interval", "by"):
        shown.add_column(column, justify="left" if column in ("released", "by") else "right")
    for row, found in zip(group.rows, relative(group), strict=True):
        useful, leaks = plane.utility(row, group), plane.leakage(row)
        left = "-" if found is None or found.value is None else f"{found.value:.0%}"
        shown.add_row(
            escape(one_line(row.label)), *_cells(useful), "100%" if row.method == UPPER else left, *_cells(leaks),
            escape(one_line(leaks.on)) if leaks else "-",
        )  # fmt: skip
    parts.append(shown)
    pairs = sum(cell.n for key, cell in group.rows[0].cells.items() if key in plane.sets(group))
    parts.append(
        f"accuracy: of a recognizer trained on them, over {pairs:,} pairs of ordinary faces; of originals: of what "
        "they are worth above noise; found: private faces behind which the worst attacker names the person"
    )
    told: dict[str, list[str]] = {}
    for row in group.rows:
        marks = [NO_UTILITY] if NO_UTILITY in row.marks and row.method not in BOUNDS else []
        for what in [*(f"unreliable: {reason}" for reason in row.reasons), *marks]:
            told.setdefault(what, []).append(row.label)
    for what, labels in told.items():
        whom = "all" if len(labels) == len(group.rows) else ", ".join(labels)
        parts.append(f"[yellow]{escape(one_line(f'{whom}: {what}'))}[/]")
    return text(*parts)


def sentence(group: Group) -> str:
    """What the numbers say, in words that follow from them."""
    from ...reports.board import plane
    from ...reports.board.floor import FLOOR, NO_UTILITY, UPPER, newest
    from ...reports.board.leaderboard import BOUNDS
    from ...reports.board.relative_utility import relative

    upper, floor = (newest(group.rows, name) for name in (UPPER, FLOOR))
    kept = {row.label: found for row, found in zip(group.rows, relative(group), strict=True)}
    rows = [row for row in group.rows if row.method not in BOUNDS and row.utility is not None and row.worst is not None]
    if upper is None or floor is None or upper.utility is None or floor.utility is None or not rows:
        return "Not all rows have numbers, so there is nothing to say of them together."
    parts = []
    for row in rows:
        part = kept[row.label]
        worth = "no share that can be told" if part is None or part.value is None else f"{part.value:.0%}"
        if NO_UTILITY in row.marks:
            worth += ", which may be none,"
        found = plane.leakage(row)
        parts.append(f"{row.label} keeps {worth} and lets {found.value if found else 0:.1%} of the faces be found")
    told = (
        f"Of what original faces are worth above noise ({floor.utility:.1%} to {upper.utility:.1%} right), "
        + "; ".join(parts)
    )
    return told + (f": {_against(rows[0], rows[1], group)}" if len(rows) > 1 else "") + "."


def _against(one: Row, other: Row, group: Group) -> str:
    """Two rows by both numbers; what intervals that overlap do not tell is not told."""
    from ...reports.board import plane

    useful = _compared(plane.utility(one, group), plane.utility(other, group), ("more useful", "less useful"))
    leaks = _compared(plane.leakage(one), plane.leakage(other), ("leaks more", "leaks less"))
    if not useful and not leaks:
        return f"{one.label} and {other.label} are not told apart"
    says = [f"is {useful}" if useful else "", leaks]
    lacks = "" if useful and leaks else f", while {'leakage' if useful else 'usefulness'} does not tell them apart"
    return f"{one.label} {' and '.join(filter(None, says))} than {other.label}{lacks}"


def _compared(one: Place | None, other: Place | None, words: tuple[str, str]) -> str:
    if one is None or other is None or one.bar is None or other.bar is None:
        return ""
    return words[0] if one.bar[0] > other.bar[1] else words[1] if one.bar[1] < other.bar[0] else ""


def _cells(place: Place | None) -> tuple[str, str]:
    if place is None:
        return "-", "-"
    return f"{place.value:.1%}", f"{place.bar[0]:.1%} to {place.bar[1]:.1%}" if place.bar else "-"


def _draw(group: Group, outcomes: Sequence[Outcome], path: Path) -> None:
    from ...reports.pictures.story import story
    from ..experiment import faces_picture

    runs = {outcome.record.method: outcome.pipeline for outcome in reversed(outcomes)}
    story(group, {name: faces_picture.some(runs[name]) for name in METHODS if name in runs}, path)


def somebody_looks() -> bool:
    """Whether a person sits at a terminal of a machine with a screen; no CI is one."""
    screen = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(screen) and sys.stdout.isatty() and not os.environ.get("CI")
