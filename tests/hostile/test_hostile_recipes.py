"""Recipes and experiments of others: refused before anything runs, or a run that is laid out."""

from __future__ import annotations

import copy
import os
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from facebench.bench.experiment.run import prepare
from facebench.bench.plan import plan as config
from facebench.bench.plan.overlap import shared
from facebench.bench.plan.plan import ConfigError
from facebench.bench.plan.roles import SplitError
from facebench.bench.plugins import PluginError, UnknownPlugin
from facebench.bench.recognition.judge import JudgeError
from facebench.bench.store.store import Store
from facebench.bench.subgroups.table import GroupError
from facebench.bench.terminal.progress import Display
from facebench.datasets.base import DataError
from facebench.datasets.files import safe_yaml
from facebench.datasets.folder import Folder
from mutate import campaign, damaged, remade, retold

ERRORS = (ConfigError, DataError, GroupError, JudgeError, PluginError, UnknownPlugin, SplitError)
SMALL: dict[str, Any] = {"people": 24, "images": 3, "pairs": 20, "seed": 0}


def good(root: Path) -> list[dict[str, Any]]:
    """Recipes of the suite, with small data, and one that names all there is to be named."""
    found = [yaml.safe_load(path.read_text()) for path in sorted(config.RECIPES.glob("*.yaml"))]
    found = [{**recipe, "dataset": "synthetic", "synthetic": SMALL, "min_images": 1} for recipe in found]
    (root / "table.csv").write_text("identity,group\n0,a\n1,b\n")
    (root / "people.txt").write_text("somebody\n")
    found.append({
        "dataset": "synthetic", "synthetic": SMALL, "method": {"use": "masking", "ratio": 0.5}, "seed": 1,
        "min_images": 1,
        "protocol": "unseen", "roles": {"G": 0.4, "A": 0.2, "P": 0.2, "H": 0.2}, "encoding": "png", "known_faces": 100,
        "recognizer": {"steps": 5}, "judge": {"steps": 5}, "attack": {"embedder": None},
        "attacks": ["ignorant", {"use": "alignment"}], "metrics": ["accuracy", {"use": "tar"}], "skip_bad": False,
        "methods": {"masking": {"ratio": 0.3}, "blur": {}}, "groups": {"table": "synthetic", "columns": []},
    })  # fmt: skip
    found.append({"dataset": "synthetic", "synthetic": SMALL, "min_images": 1, "method": "external",
                  "methods": {"external": {"path": str(root), "manifest": str(root / "table.csv")}},
                  "groups": {"table": str(root / "table.csv")}, "people_of": {}})  # fmt: skip
    return found


HOSTILE = {
    "zero": "a\0b", "long name": "x" * 300, "long path": "x/" * 3000, "endless": "/dev/zero", "user": "~no-such-user/x",
}  # fmt: skip
PLACES = (
    "dataset", "method.path", "method.manifest", "attack.embedder", "groups.table", "groups.pairs.lfw", "people_of.lfw",
    "methods.external.path", "methods.external.manifest", "method.weights", "method.start",
)  # fmt: skip


def placed(content: dict[str, Any], rng: random.Random, root: Path) -> dict[str, Any]:
    """A recipe with a path that is none, or that leads where nothing good is."""
    pipe = root / "pipe.csv"
    if not pipe.exists():
        os.mkfifo(pipe)
        (root / "loop").symlink_to("loop")
    paths = (*HOSTILE.values(), "\0", "/dev/null", "/", str(pipe), str(root), "~/x",
             str(root / "loop"), "/proc/self/mem", "", "\ud83d\ude00", "/proc/1/root/x")  # fmt: skip
    content = copy.deepcopy(content)
    *outer, last = rng.choice(PLACES).split(".")
    inner: Any = content
    for name in outer:
        if not isinstance(inner.get(name), dict):
            inner[name] = {"use": "external"} if name == "method" else {}
        inner = inner[name]
    inner[last] = rng.choice(paths)
    return content


def test_recipes(tmp_path: Path) -> None:
    recipes = good(tmp_path)
    path, store = tmp_path / "given.yaml", Store(tmp_path / "store")

    def make(rng: random.Random) -> tuple[bytes, str]:
        content = rng.choice(recipes)
        how = rng.random()
        if how < 0.2:
            content = placed(content, rng, tmp_path)
        text = yaml.safe_dump(remade(content, rng) if 0.2 <= how < 0.7 else content, allow_unicode=True)
        data = (retold(text, rng) if 0.7 <= how < 0.9 else text).encode("utf-8", "replace")
        return damaged(data, rng) if how >= 0.9 else data, rng.choice(("recipe", "experiment"))

    def read(given: tuple[bytes, str]) -> bool:
        path.write_bytes(given[0])
        plan = config.plan(**{given[1]: path if given[1] == "experiment" else str(path)})  # type: ignore[arg-type]
        prepare(plan, store, data_root=tmp_path, device="cpu", display=Display(quiet=True))
        return safe_yaml.load(path) in recipes

    campaign("recipe", make, read, ERRORS)


@pytest.mark.parametrize("path", list(HOSTILE))
@pytest.mark.parametrize("entry", ["dataset", "attack.embedder", "method.manifest", "method.path", "groups.table"])
def test_a_path_that_is_none_is_refused(entry: str, path: str, tmp_path: Path) -> None:
    outer, _, last = entry.rpartition(".")
    given = {"use": "external", "path": str(tmp_path), "manifest": str(tmp_path)} if outer == "method" else {}
    content: dict[str, Any] = {outer: {**given, last: HOSTILE[path]}} if outer else {last: HOSTILE[path]}
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump({"synthetic": SMALL, "min_images": 1, **content}))
    with pytest.raises(ERRORS):
        plan = config.plan(recipe=str(file))
        prepare(plan, Store(tmp_path), data_root=tmp_path, device="cpu", display=Display(quiet=True))


@pytest.mark.parametrize("path", list(HOSTILE))
def test_a_list_of_people_at_no_possible_path_is_refused(path: str, tmp_path: Path) -> None:
    (tmp_path / "somebody").mkdir()
    with pytest.raises(DataError, match=r"people_of\.lfw"):
        shared({"lfw": Path(HOSTILE[path])}, ["lfw"], Folder(root=tmp_path), ["somebody"], [0])
