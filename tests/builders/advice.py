"""What the suite's messages tell users to type, collected from its source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
HOUSES = ("bench", "reports", "methods", "datasets", "facemae")
_COMMAND = re.compile(r"[`'\"]bench ((?:[a-z]|--)[^`'\"]*)[`'\"]")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
_FORCE = re.compile(r"--force ([a-z][a-z-]*)")
_SET = re.compile(r"\bset[ `']+([^;:]*)")
_SETTING = re.compile(r"(?<![\w.{}])([a-z][a-z_]*(?:\.[A-Za-z_]+)*)=")
_DOTTED = re.compile(r"(?<![\w./{}-])([a-z][a-z_]*(?:\.[A-Za-z_]+)+)=")
_ENTRY = re.compile(r"\b(?:set|lower|raise|others in|entry) [`']([a-z][a-z_]*(?:\.[A-Za-z_]+)*)[`']")
_YAML = re.compile(r"\bset [`']?([a-z]+[._][A-Za-z_.]*[A-Za-z])[`']?: ")


class Advice(NamedTuple):
    """Something that a message says can be typed."""

    kind: str
    """`command`: what follows `bench`; `option`; `setting`: the key of `--set KEY=VALUE` or of a recipe; `stage`."""
    what: str
    where: str
    """File and line."""


def messages(source: str) -> Iterator[tuple[int, str]]:
    """The texts of a file with their lines: all but docstrings; what is put into a text is `{}`."""
    tree = ast.parse(source)
    passed: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            passed.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            passed |= {id(part) for part in node.values}
            words = [str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(words)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.lineno, node.value


def advice(text: str, where: str) -> Iterator[Advice]:
    """What one message tells to type."""
    for found in _COMMAND.finditer(text):
        yield Advice("command", found[1], where)
    rest = _COMMAND.sub(" ", text)
    for option in _OPTION.findall(rest):
        yield Advice("option", option, where)
    for stage in _FORCE.findall(text):
        yield Advice("stage", stage, where)
    keys = [key for clause in _SET.findall(text) for key in _SETTING.findall(clause)]
    keys += [*_DOTTED.findall(text), *_ENTRY.findall(text), *_YAML.findall(text)]
    for key in dict.fromkeys(keys):
        yield Advice("setting", key, where)


def everything() -> list[Advice]:
    """All advice of the suite, in the order of files and lines."""
    found = []
    for house in HOUSES:
        for path in sorted((ROOT / house).rglob("*.py")):
            place = path.relative_to(ROOT)
            for line, text in sorted(messages(path.read_text(encoding="utf-8"))):
                found += list(advice(text, f"{place}:{line}"))
    return found
