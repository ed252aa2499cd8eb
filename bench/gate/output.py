"""Verdicts for people, for programs and for the summary of a CI job.

Names, notes and reasons come from records and from plug-ins, and are anybody's: whatever they hold, they must stay
text, in a terminal, in Markdown, and in the log of a CI job, whose lines may be commands.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..terminal.text import tame, text

if TYPE_CHECKING:
    from .gate import Outcome
    from .verdict import Finding

_STYLE = {
    "regressed": "bold red",
    "beyond-limit": "bold red",
    "improved": "green",
    "not-measured": "yellow",
    "not-comparable": "yellow",
}
COLUMNS = ("verdict", "method", "seed", "measure", "on", "before", "now", "change", "tolerance", "why")


def row(finding: Finding) -> list[str]:
    """A verdict as cells, in the order of `COLUMNS`."""
    cells = [
        finding.verdict,
        finding.method,
        finding.seeds,
        finding.measure,
        finding.on,
        _value(finding.before, finding.unit),
        _value(finding.now, finding.unit),
        _change(finding.change, finding.unit),
        _change(finding.tolerance, finding.unit).lstrip("+"),
        finding.why,
    ]
    return [tame(cell) for cell in cells]


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:.1%}" if unit == "share" else f"{value:.4g}"


def _change(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{100 * value:+.1f} pp" if unit == "share" else f"{value:+.3g}"


def headline(outcome: Outcome) -> str:
    """All verdicts in one line."""
    counted = ", ".join(f"{count} {verdict}" for verdict, count in sorted(outcome.counts.items()))
    result = {0: "passed", 1: "FAILED", 2: "UNDECIDED, which is no success"}[outcome.code]
    return f"gate {result}: {len(outcome.findings)} scores judged: {counted or 'none'}"


def table(outcome: Outcome) -> str:
    """For people: a line a number, warnings, and the result last."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, padding=(0, 2, 0, 0))
    rows = [row(finding) for finding in outcome.findings]
    told = [n for n in range(len(COLUMNS)) if any(cells[n] != "-" for cells in rows)]  # a limit has no `before`
    for n in told:
        shown.add_column(COLUMNS[n], justify="right" if COLUMNS[n] in COLUMNS[5:9] else "left", overflow="fold")
    for finding, cells in zip(outcome.findings, rows, strict=True):
        shown.add_row(*[Text(cells[n], style="" if n else _STYLE.get(finding.verdict, "")) for n in told])
    lines = [Text(f"warning: {tame(warning)}", style="yellow") for warning in outcome.warnings]
    return text(shown, "", *lines, Text(headline(outcome), style="bold")) + "\n"


def as_json(outcome: Outcome) -> str:
    """For programs: everything, numbers in full."""
    shown = {
        "code": outcome.code,
        "counts": dict(outcome.counts),
        "findings": [{**vars(finding), "change": finding.change} for finding in outcome.findings],
        "warnings": outcome.warnings,
    }
    return json.dumps(shown, indent=1, allow_nan=False) + "\n"


def markdown(outcome: Outcome) -> str:
    """For the summary of a CI job: what is not ok first."""
    worst = sorted(outcome.findings, key=lambda finding: finding.verdict == "ok")
    rule = ["---:" if column in COLUMNS[5:9] else "---" for column in COLUMNS]
    lines = [list(COLUMNS), rule, *([_escaped(cell) for cell in row(finding)] for finding in worst)]
    told = [f"- {_escaped(tame(warning))}" for warning in outcome.warnings]
    laid_out = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    parts = ["### facebench gate", f"**{headline(outcome)}**", laid_out, "\n".join(told)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _escaped(words: str) -> str:
    """Text that Markdown shows as it is: every punctuation mark that may be escaped and could mean something is."""
    return "".join("\\" + c if c in r"\`*_{}[]<>()#+!|&@~:/=$^" else c for c in words)
