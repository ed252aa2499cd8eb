"""The code of another package's plug-in is part of its key: an edited method never shows the numbers of the old one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from facebench.bench.plugin_sources import digest_of, sources
from facebench.methods.noise import Noise
from outside import bench, package

METHOD = """
    from facebench.methods.base import Method
    from fb_parts.change import changed

    class Mine(Method):
        '''Turns faces to negatives.'''

        random = False

        def load(self, fitted, *, device):
            return lambda faces, seeds: changed(faces)
"""
RECIPE = """
synthetic: {people: 40, images: 3, pairs: 20}
recognizer: {architecture: small, dim: 32, steps: 2, batch: 8}
judge: {architecture: small, dim: 32, steps: 2, batch: 8}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    package(tmp_path, "fb-mine", {"methods.mine": "fb_mine:Mine"}, fb_mine=METHOD)
    (tmp_path / "fb_parts").mkdir()
    (tmp_path / "fb_parts" / "__init__.py").touch()
    (tmp_path / "fb_parts" / "change.py").write_text("def changed(faces):\n    return 255 - faces\n")
    (tmp_path / "fb_parts" / "unused.py").write_text("PLAN = 1\n")
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    return tmp_path


def run(shop: Path) -> tuple[dict[str, Any], str]:
    done = bench(shop, "run", "--method", "mine", "--recipe", "tiny.yaml", "--tracking-uri", "none", "--format", "json")
    assert done.returncode in (0, 1), done.stderr
    (record,) = json.loads(done.stdout)
    return record, done.stderr


@pytest.mark.slow
def test_an_edited_helper_of_a_method_gives_new_numbers_and_is_told(shop: Path) -> None:
    before, _ = run(shop)
    again, said = run(shop)
    assert (again["name"], again["created"]) == (before["name"], before["created"])
    assert "changed" not in said

    (shop / "fb_parts" / "unused.py").write_text("PLAN = 2\n")
    assert run(shop)[0]["name"] == before["name"]

    (shop / "fb_parts" / "change.py").write_text("def changed(faces):\n    return faces\n")
    dry = bench(shop, "run", "--method", "mine", "--recipe", "tiny.yaml", "--tracking-uri", "none", "--dry-run")
    assert "its code changed since the last run in this store (fb_parts.change)" in " ".join(dry.stderr.split())
    after, _ = run(shop)
    assert after["name"] != before["name"]
    leaks = [
        next(s["value"] for s in r["scores"] if (s["on"], s["measure"]["name"]) == ("replay", "leak@1"))
        for r in (before, after)
    ]
    assert leaks[1] == 1.0  # the very faces
    made = {stage["name"] for stage in after["stages"] if not stage["cached"]}
    assert {"release", "train", "attack/replay"} <= made
    assert "embed/original" not in made


def test_what_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = tmp_path / "fb_shop"
    (shop / "deep").mkdir(parents=True)
    texts = {
        "__init__": "", "deep/__init__": "from . import below", "deep/below": "import json\nimport numpy",
        "plugin": "from .deep.other import thing\nfrom facebench.methods.noise import Noise\n\n"
                  "class Mine(Noise):\n    def late(self):\n        from . import lazy\n",
        "deep/other": "thing = 1", "lazy": "", "alone": "",
    }  # fmt: skip
    for name, text in texts.items():
        (shop / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    from fb_shop.plugin import Mine  # type: ignore[import-not-found]

    found = sources(Mine)
    assert set(found) == {f"fb_shop{end}" for end in ("", ".plugin", ".deep", ".deep.below", ".deep.other", ".lazy")}
    (shop / "deep" / "below.py").write_text("import json\n")
    assert sources(Mine) == found  # what runs is what was imported
    sources.cache_clear()
    assert [name for name, sha in sources(Mine).items() if sha != found[name]] == ["fb_shop.deep.below"]
    assert digest_of(sources(Mine)) != digest_of(found)
    for name in [name for name in sys.modules if name.partition(".")[0] == "fb_shop"]:
        del sys.modules[name]


def test_the_suites_own_are_told_apart_by_their_version() -> None:
    assert sources(Noise) == {}


TYPED = """
SHIFT = 3


def helper(x):
    return x + SHIFT


class Mine(Noise):
    def late(self):
        return [helper(each) for each in range(2)]
"""


def typed(text: str) -> type:
    """A class as a notebook has it."""
    names: dict[str, Any] = {"Noise": Noise, "__name__": "__nowhere__"}
    exec(compile(text, f"cell {len(text)}", "exec"), names)
    found: type = names["Mine"]
    return found


@pytest.mark.parametrize(
    ("old", "new"),
    [("range(2)", "range(3)"), ("x + SHIFT", "x - SHIFT"), ("SHIFT = 3", "SHIFT = 4"), ("helper(each)", "(each)")],
)
def test_a_class_of_a_notebook_is_what_it_does_with_what_it_calls(old: str, new: str) -> None:
    (before,) = sources(typed(TYPED)).values()
    assert sources(typed("\n# why\n" + TYPED)) == {"__nowhere__": before}
    assert sources(typed(TYPED.replace(old, new))) != {"__nowhere__": before}


def test_a_class_of_a_script_is_the_script_and_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "fb_beside.py").write_text("STEP = 1\n")
    (tmp_path / "study.py").write_text(
        "from facebench.methods.noise import Noise\nfrom facebench.bench.plugin_sources import sources\n"
        "import fb_beside\n\nclass Mine(Noise):\n    pass\n\nprint(sorted(sources(Mine).items()))\n"
    )

    def told() -> str:
        done = subprocess.run([sys.executable, "study.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    before = told()
    assert "__main__" in before
    assert "fb_beside" in before
    (tmp_path / "fb_beside.py").write_text("STEP = 2\n")
    assert told() != before
