"""Results and plans as tables that people can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ...reports.board import leaderboard
from ...reports.board.floor import NO_UTILITY
from ...reports.board.marks import BOUNDS, STILL_LEARNING, unasked
from ...reports.board.other_conditions import CONDITIONS, worst
from ...reports.board.relative_utility import relative
from ...reports.formats.role_sizes import role_g
from ...reports.formats.subgroup_tables import group_lines
from ...reports.result.harmless import one_line
from ...reports.result.record import RunRecord, Score
from ..experiment.pipeline import Pipeline
from ..experiment.run import Outcome
from ..store.store import Store
from ..terminal.text import text

if TYPE_CHECKING:
    from rich.console import RenderableType

UTILITY = "utility: verification accuracy of a recognizer trained on the private faces"
LEAKAGE = "leakage: private faces whose person the attacker finds among the originals"
MEMORISED = (
    "leakage: synthetic faces that match people the generator was trained on, less those that match people it "
    "never saw; not the same number as that of a set with sources"
)


def bounds_of(record: RunRecord, folder: Path) -> dict[str, RunRecord]:
    """The newest records of `original` and `noise` that may be compared with one, of its seed, where there are any.

    Args:
        record: of a method that is no bound itself.
        folder: with records; those that cannot be read are passed over.
    """
    from ...reports.result import record as results

    found: dict[str, RunRecord] = {}
    if record.method in BOUNDS:
        return found
    for method in BOUNDS:
        for path in folder.glob(f"*-{method}-*-seed{record.seed}.json"):
            try:
                other = results.read(path)
            except results.RecordError:
                continue
            fits = (other.method, other.seed, other.group) == (method, record.seed, record.group)
            if fits and (method not in found or found[method].created < other.created):
                found[method] = other
    return found


def summary(outcome: Outcome, tracked: str, bounds: Mapping[str, RunRecord] = MappingProxyType({})) -> str:
    """One run: what was measured, with bounds, and where it is kept."""
    from rich.markup import escape

    lines = measured(outcome.record, bounds)
    made = sum(stage.seconds for stage in outcome.record.stages)
    cached = "all stages cached" if not outcome.new else f"stages took {made:,.0f} s"
    lines.append(escape(one_line(f"record {outcome.path} ({cached})")))
    lines += [escape(one_line(f"MLflow {tracked}"))] if tracked else []
    return text(*lines) + "\n"


def measured(record: RunRecord, bounds: Mapping[str, RunRecord] = MappingProxyType({})) -> list[RenderableType]:
    """What a record holds that a reader asks first, line by line.

    Args:
        record: of a run.
        bounds: records of `original` and `noise`, whose numbers stand beside.
    """
    from rich.markup import escape
    from rich.table import Table

    released = record.roles["P"]
    lines: list[RenderableType] = [
        f"[bold]{escape(one_line(record.method))} on {escape(one_line(record.dataset))}[/], "
        f"recipe {escape(one_line(record.recipe))}, "
        f"seed {record.seed}: {released.images:,} faces of {released.identities:,} people released",
        escape(one_line(role_g([record]).strip())),
    ]
    for side, title in (("utility", UTILITY), ("privacy", LEAKAGE if record.sourced else MEMORISED)):
        table = Table(box=None, padding=(0, 2, 0, 2))
        shown = bounds if side == "utility" else {}
        for column in ("", "on", "value", "95 % interval", "chance", *shown, "n"):
            table.add_column(column, justify="left" if column in ("", "on") else "right")
        for score in record.scores:
            if score.measure.side == side and score.measure.headline:
                table.add_row(*[escape(cell) for cell in _cells(score, shown.values())])
        lines += ["", f"[italic]{title}[/]", table]
    lines += [escape(one_line(line)) for line in _left(record, bounds)]
    lines += ["", *(escape(one_line(line)) for line in [*_beside(record), *_not_run(record)])]
    if record.learning and record.learning.still:
        lines.append(
            f"{STILL_LEARNING}: the loss of the recognizer fell from {record.learning.start:.1f} to "
            f"{record.learning.end:.1f} and was still falling; more steps would give another utility"
        )
    cut = [note for note in record.notes if note.startswith("batch cut down")]
    lines += [f"[yellow]{escape(one_line(note))}[/]" for note in cut]
    lines += [f"[bold red]unreliable[/] {escape(one_line(flaw))}" for flaw in record.flaws]
    return lines + [escape(line) for line in group_lines(record)]


def _beside(record: RunRecord) -> list[str]:
    """The worst leakage under other conditions than the headline's."""
    told = {says: worst([record], name) for name, says in CONDITIONS.items()}
    return [f"worst leakage {says}: {found.mean:.1%} ({found.on})" for says, found in told.items() if found]


def _not_run(record: RunRecord) -> list[str]:
    """Attacks that do not apply or were not asked for, a line for each reason."""
    reasons: dict[str, list[str]] = {}
    for attack, reason in record.not_run.items():
        reasons.setdefault(reason, []).append(attack)
    if absent := unasked([record]):
        reasons["not asked for; --attacks all runs every one"] = list(absent)
    return [f"not run: {', '.join(sorted(attacks))} ({reason})" for reason, attacks in reasons.items()]


def _left(record: RunRecord, bounds: Mapping[str, RunRecord]) -> list[str]:
    """What is left of what originals are worth above noise, where the records of both are there."""
    if len(bounds) < len(BOUNDS):
        return []
    (group,) = leaderboard.board([record, *bounds.values()])
    told = []
    for row, found in zip(group.rows, relative(group), strict=True):
        if row.method == record.method and found is not None and found.value is not None:
            ends = "" if found.low is None or found.high is None else f" [{found.low:.0%}, {found.high:.0%}]"
            mark = f"; {NO_UTILITY}" if NO_UTILITY in row.marks else ""
            told.append(f"of what originals are worth above noise, {found.value:.0%}{ends} is left{mark}")
    return told


def _cells(score: Score, bounds: Iterable[RunRecord]) -> list[str]:
    share = score.measure.unit == "share"

    def shown(value: float | None) -> str:
        if value is None:
            return "-"
        return f"{value:.1%}" if share else f"{value:.3g}"

    first = score.intervals[0] if score.intervals else None
    return [
        one_line(score.measure.name),
        one_line(score.on),
        shown(score.value),
        f"{shown(first.low)} to {shown(first.high)}" if first else one_line(score.note) or "-",
        shown(score.chance),
        *(shown(there.value if (there := other.score(score.measure.name, score.on)) else None) for other in bounds),
        f"{score.n:,}",
    ]


def dry_run(runs: Sequence[Pipeline], store: Store) -> str:
    """What would be made, and what is there."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("run", "stage", "key", "state"):
        table.add_column(column)
    for run in runs:
        context = run.context
        name = escape(one_line(f"{context.name} on {context.data.name}, seed {context.plan.seed}"))
        for stage in run.stages:
            state = "cached" if store.has(stage.name, stage.inputs) else "to be made"
            table.add_row(name, escape(one_line(stage.name)), store.key(stage.name, stage.inputs), state)
            name = ""
    return text(table)


def board(records: Sequence[RunRecord]) -> str:
    """The leaderboard over some records, as text."""
    from ...reports.formats import render

    return render.markdown(leaderboard.board(records))
