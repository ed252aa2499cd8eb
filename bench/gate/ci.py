"""Verdicts in the forms that CI systems read: JUnit XML, and annotations of GitHub's runner."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ..terminal.text import tame
from .output import headline, row

if TYPE_CHECKING:
    from .gate import Outcome
    from .verdict import Finding

_SHOWN = 10
"""GitHub shows so many annotations of a step and drops the others."""


def junit(outcome: Outcome) -> str:
    """JUnit XML: a test case a number; a regression is a failure, what could not be compared an error.

    Where there is nothing but what went wrong before any number was compared, that is one error.
    """
    failures = outcome.counts["regressed"] + outcome.counts["beyond-limit"]
    errors = outcome.counts["not-measured"] + outcome.counts["not-comparable"]
    counts = {"tests": str(len(outcome.findings)), "failures": str(failures), "errors": str(errors)}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "facebench gate", **counts})
    for finding in outcome.findings:
        where = {"classname": tame(f"{finding.method}.seed {finding.seeds}"),
                 "name": tame(f"{finding.measure} on {finding.on}"), "time": "0"}  # fmt: skip
        case = ElementTree.SubElement(suite, "testcase", where)
        if finding.verdict in ("regressed", "beyond-limit"):
            ElementTree.SubElement(case, "failure", {"type": finding.verdict, "message": told(finding)})
        elif finding.verdict in ("not-measured", "not-comparable"):
            ElementTree.SubElement(case, "error", {"type": finding.verdict, "message": told(finding)})
        else:
            ElementTree.SubElement(case, "system-out").text = told(finding)
    if outcome.warnings:
        ElementTree.SubElement(suite, "system-out").text = "\n".join(map(tame, outcome.warnings))
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def told(finding: Finding) -> str:
    """A verdict in one line."""
    verdict, method, seeds, measure, on, before, now, change, tolerance, why = row(finding)
    numbers = f": {before} -> {now} ({change}, tolerance {tolerance})" if finding.now is not None else ""
    return f"{method}, seed {seeds}, {measure} on {on}: {verdict}{numbers}: {why}"


def commands(outcome: Outcome) -> Iterator[str]:
    """Commands for GitHub's runner, a line each: errors for what fails the gate, warnings for the rest."""
    bad = [finding for finding in outcome.findings if finding.verdict not in ("ok", "improved")]
    for finding in sorted(bad, key=lambda f: f.verdict != "regressed")[: _SHOWN - 1]:
        yield annotation("error", f"facebench: {finding.verdict}", told(finding))
    if outcome.code:
        yield annotation("error", "facebench", headline(outcome))
    for warning in outcome.warnings[:_SHOWN]:
        yield annotation("warning", "facebench", tame(warning))


def annotation(level: str, title: str, message: str) -> str:
    """One command; the runner's own escapes keep its text from being another.

    Source: `escapeData` and `escapeProperty` of GitHub's `@actions/core`, `command.ts`.
    """
    for mark, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        title, message = title.replace(mark, code), message.replace(mark, code)
    return f"::{level} title={title.replace(':', '%3A').replace(',', '%2C')}::{message}"
