"""The leaderboard as tables of text: what the columns are, how numbers are spelled, what is said below.

Records may come from anybody: a format lays out no text that has not gone through `clean` and its own escaping.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from ..board.claim import claims
from ..board.floor import FLOOR, floor_of
from ..board.leaderboard import Board, Cell, Group
from ..board.marks import strongest, unasked
from ..board.other_conditions import CONDITIONS, worst
from ..board.relative_utility import NOTE, UPPER, relative
from ..result.record import Measure
from ..result.versions import superseded
from .claim_table import ClaimTable, claim_table, claim_told
from .role_sizes import role_g

LEGEND = (
    "In brackets the interval (95 %), for trials and for what seeds differ by; of one seed, for trials alone: "
    "training once more may change more than that. `*`: on the "
    "privacy-utility front: no other row is as good on both sides and better on one; bounds, unreliable and incomplete "
    "rows and rows without sources are not on it. `-`: not measured. `n/a`: does not apply. `ignorant-only`: no "
    "attacker who knows the method was run, so low leakage is no guarantee."
)
LEGEND_COMPACT = (
    "In brackets 95 %; of one seed without what training once more changes. `*`: no other row is as good on both sides "
    "and better on one."
)
KINDS = (
    "faces were made from no originals: its leakage is how much more often they match people the generator was trained "
    "on than people it never saw. That is not the same number as how often an original is found, so its leakage and "
    "that of the other rows are not compared."
)
"""Said of rows without sources."""


class Table(NamedTuple):
    """A group of comparable rows, as text to be laid out."""

    title: str
    header: list[str]
    rows: list[list[str]]
    """One cell a column of the header; the first and the last column are words, the others numbers."""
    caption: str
    """n, chance, judge and hashes."""
    remarks: list[str]
    """What rows are not to be relied on, or lack, or cannot be compared in, and why."""
    claim: ClaimTable | None = None
    """What became of the paper's claim."""


def tables(board: Board, *, compact: bool = False) -> list[Table]:
    """One table a group of comparable rows.

    Args:
        board: the leaderboard.
        compact: utility and worst leakage only, marks below instead of in a column, no comparison with other methods.
    """
    return [_compact(group) if compact else _table(group) for group in board]


def _table(group: Group) -> Table:
    main = group.main
    mean = sum(measure.name == main.name for _, measure in group.columns) > 1 if main else False
    header = ["method", *([f"mean {main.name}"] if main and mean else [])]
    header += [f"{measure.name} {on}" for on, measure in group.columns]
    rows = []
    for row in group.rows:
        utility = "-" if row.utility is None or main is None else number(row.utility, main)
        rows.append([
            f"{row.label}{' *' if row.front else ''}",
            *([utility] if mean else []),
            *("n/a" if on in row.inapplicable else shown(row.cells.get((on, measure.name)))
              for on, measure in group.columns),
            "-" if row.worst is None else f"{number(row.worst.mean, row.worst.measure)} ({_attack(row.worst)})",
            str(len(row.seeds)),
            ", ".join(row.marks) or "-",
        ])  # fmt: skip
    return Table(
        title=f"{group.dataset}, recipe {group.recipe}",
        header=[*header, "worst leakage", "seeds", "marks"],
        rows=rows,
        caption=_caption(group),
        remarks=[
            *_relative(group),
            *_beside(group),
            *_remarks(group),
            *(f"{code(row.label)}: {KINDS}" for row in group.rows if not row.sourced),
        ],
        claim=claim_table(claims(group)),
    )


def _compact(group: Group) -> Table:
    main = group.main
    sets = [(on, measure.name) for on, measure in group.columns if main and measure.name == main.name]
    alone = sets[0] if len(sets) == 1 else None
    utility_header = f"{main.name if main else 'utility'} {alone[0] if alone else 'mean'}"
    rows = []
    for row in group.rows:
        utility = "-" if row.utility is None or main is None else number(row.utility, main)
        rows.append([
            f"{row.label}{' *' if row.front else ''}",
            shown(row.cells.get(alone)) if alone else utility,
            "-" if row.worst is None else f"{shown(row.worst)} ({_attack(row.worst)})",
            str(len(row.seeds)),
        ])  # fmt: skip
    return Table(
        title=f"{group.dataset}, recipe {group.recipe}",
        header=["method", utility_header, "worst leakage", "seeds"],
        rows=rows,
        caption=_caption(group),
        remarks=[*_remarks(group), *_marks(group), *(claim_told(claim) for claim in claims(group))],
    )


def _remarks(group: Group) -> list[str]:
    """Who did not attack; what rows are not to be relied on, or lack, and what third parties found."""
    absent = unasked([record for row in group.rows for record in row.records])
    attacked: dict[str, list[str]] = {}
    for row in group.rows:
        if held := strongest(row.records):
            attacked.setdefault(held, []).append(code(row.label))
    return [
        *(
            f"strongest attacker who was run holds {held}: {'all' if len(rows) == len(group.rows) else ', '.join(rows)}"
            for held, rows in attacked.items()
        ),
        *superseded([record for row in group.rows for record in row.records]),
        *([f"attackers who were not run: {', '.join(absent)}"] if absent else []),
        *(f"{code(row.label)} is unreliable: {reason}" for row in group.rows for reason in row.reasons),
        *(f"{code(row.label)} is incomplete: {what}" for row in group.rows for what in row.missing),
        *(f"{code(row.label)} is unmatched: {row.unmatched}" for row in group.rows if row.unmatched),
        *(
            f"{code(row.label)}: third-party attack {code(cell.on)} by {cell.by} ({cell.link}): "
            f"{cell.measure.name} {shown(cell)}, n = {cell.n:,}, seed {', '.join(map(str, cell.seeds))}"
            for row in group.rows
            for cell in row.cells.values()
            if cell.by
        ),
    ]


def _relative(group: Group) -> list[str]:
    """The relative utility of all rows on one line, and how it is made; nothing where no row has one."""
    told = []
    for row, found in zip(group.rows, relative(group), strict=True):
        if found and row.method != UPPER:
            value = "-" if found.value is None else f"{100 * found.value:.0f}"
            if found.low is not None and found.high is not None:
                value += f" [{100 * found.low:.0f}, {100 * found.high:.0f}]"
            older = "" if found.over_chance is None else f" (above chance {100 * found.over_chance:.0f})"
            told.append(f"{code(row.label)} {value}{older}")
    return [f"relative utility in %: {', '.join(told)}. {NOTE}"] if told else []


def _beside(group: Group) -> list[str]:
    """The worst leakage of all rows under other conditions, a line each; none where nobody asked."""
    lines = []
    for name, says in CONDITIONS.items():
        told = []
        for row in group.rows:
            if found := worst(row.records, name, row.foreign):
                spread = "" if found.sd is None else f", sd {number(found.sd, found.measure)}"
                told.append(f"{code(row.label)} {number(found.mean, found.measure)} ({found.on}{spread})")
        if told:
            lines.append(f"worst leakage in % {says}: {', '.join(told)}")
    return lines


def _marks(group: Group) -> list[str]:
    """Which rows have which mark, one line a mark."""
    marks = dict.fromkeys(mark for row in group.rows for mark in row.marks)
    marked = {mark: [code(row.label) for row in group.rows if mark in row.marks] for mark in marks}
    return [f"{m}: {'all' if len(rows) == len(group.rows) > 1 else ', '.join(rows)}" for m, rows in marked.items()]


def _attack(cell: Cell) -> str:
    return f"{cell.on}, third party" if cell.by else cell.on


def code(name: str) -> str:
    """A name as it stands in running text."""
    return "`" + name.replace("`", "'") + "`"


def _caption(group: Group) -> str:
    told: dict[str, str] = {}
    for on, measure in group.columns:
        cells = [row.cells[on, measure.name] for row in group.rows if (on, measure.name) in row.cells]
        counts = sorted({cell.n for cell in cells})
        if on in told or not counts:
            continue
        n = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        chances = sorted(cell.chance for cell in cells if cell.chance is not None)
        ends = dict.fromkeys(number(chance, measure) for chance in (chances[:1] + chances[-1:]))
        chance = f", chance {' to '.join(ends)}" if chances else ""
        low = floor_of(group, (on, measure.name)) if measure.side == "utility" else None
        noise = "" if low is None else f", `{FLOOR}` {number(low, measure)}"
        told[on] = f"{on}: n = {n}{chance}{noise}"
    shares = " Shares in %." if any(measure.unit == "share" for _, measure in group.columns) else ""
    return (
        f"{'; '.join(told.values()) or 'nothing measured'}.{shares} Judge: {group.judge or 'not named'}. "
        f"{role_g([record for row in group.rows for record in row.records])}"
        f"Recipe {group.recipe_hash}, data {group.data_hash}"
        f"{f', trained in {group.arithmetic}' if group.arithmetic else ''}."
    )


def shown(cell: Cell | None) -> str:
    """A value with its interval and the number of seeds; a dash where there is none, never a zero."""
    if cell is None or not cell.values:
        return "-"
    value, bracket, seeds = number(cell.mean, cell.measure), cell.bracket, len(cell.values)
    ends = f" [{number(bracket.low, cell.measure)}, {number(bracket.high, cell.measure)}]" if bracket else ""
    told = f" ({seeds} seed{'s' if seeds > 1 else ''})" if ends or seeds > 1 else ""
    return value + ends + told


def number(value: float, measure: Measure) -> str:
    """Shares as percentages, with more digits where they are small."""
    if measure.unit != "share":
        return f"{value:.4g}"
    value = 0.0 if abs(value) < 5e-5 and value < 0 else value  # a difference that rounds to zero has no sign
    return f"{100 * value:.1f}" if abs(value) >= 0.01 or value == 0 else f"{100 * value:.2f}"


def clean(text: str) -> str:
    """Text as one line of characters that show: no control, no change of direction, nothing invisible."""
    words = " ".join(text.split())
    return "".join(c if unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in words)
