"""Whoever changes the code of a plug-in of the suite says whether its numbers change.

`tests/data/plugin_code.json` holds the version and a digest of the code of each, without comments, docstrings and
layout. After a change: raise `version` in the class if equal parameters may give other numbers now; then, in any case,

    .venv/bin/python tests/bench/test_plugin_versions.py
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from facebench.bench.attacks.base import Attack
from facebench.bench.metrics.base import Metric
from facebench.bench.plugins import load, own
from facebench.methods.base import Method

KEPT = Path(__file__).resolve().parents[1] / "data" / "plugin_code.json"
KINDS: tuple[type[Any], ...] = (Method, Attack, Metric)


def code(text: str) -> str:
    """A digest of what a file does: its syntax without docstrings and comments, wherever the lines break."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):  # docstrings, and those below fields
            node.body = [n for n in body if not _says(n)]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def _says(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def now() -> dict[str, list[Any]]:
    found = {}
    for kind in KINDS:
        for name in own(kind):
            plugin = load(kind, name)
            text = Path(inspect.getfile(plugin)).read_text("utf-8")
            found[f"{kind.__name__.lower()} {name}"] = [getattr(plugin, "version", 1), code(text)]
    return found


@pytest.mark.parametrize("name", sorted(now()))
def test_changed_code_has_another_version_or_is_known_to_give_equal_numbers(name: str) -> None:
    kept = json.loads(KEPT.read_text("utf-8"))
    assert kept.get(name) == now()[name], (
        f"{name}: its code changed. Raise its `version` if equal parameters may give other numbers now, else kept "
        "stages show the old ones; then run: .venv/bin/python tests/bench/test_plugin_versions.py"
    )


def test_none_is_kept_that_is_gone() -> None:
    assert set(json.loads(KEPT.read_text("utf-8"))) == set(now())


def test_words_and_layout_are_no_code() -> None:
    text = 'class A:\n    """Says."""\n\n    x = 1\n    """A field."""\n'
    assert code(text) == code("class A:\n    # why\n    x = (\n        1\n    )\n")
    assert code(text) != code(text.replace("1", "2"))


if __name__ == "__main__":
    KEPT.write_text(json.dumps(now(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
