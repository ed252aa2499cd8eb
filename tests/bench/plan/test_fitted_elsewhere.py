"""`method.fitted` in a run: a file of the package, a stage of the store, and whom it must not have been fitted on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from facebench.bench.cli.main import main
from facebench.methods.parts import fitted_file
from facebench.methods.parts.brought import SHIPPED

TINY = """
synthetic: {people: 40, images: 3, pairs: 20}
recognizer: {architecture: small, dim: 16, steps: 2, batch: 8}
teacher: {architecture: small, dim: 16, steps: 2, batch: 8}
judge: {architecture: small, dim: 16, steps: 2, batch: 8}
attacks: [ignorant]
"""
SHORT = ("method.steps=3", "method.batch=8")
DIGEST = "sha256:" + json.loads((SHIPPED / "facemae-synthetic.json").read_text("utf-8"))["sha256"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, recipe: Path) -> Path:
    """A store with a FaceMAE that a run fitted."""
    folder = tmp_path_factory.mktemp("runs")
    assert run(folder, recipe, *SHORT) in (0, 1)
    return folder


def run(store: Path, recipe: Path, *settings: str, seed: int = 0, more: tuple[str, ...] = ()) -> int:
    words = ["run", "-q", "--method", "facemae", "--recipe", str(recipe), "--store", str(store), "--seed", str(seed)]
    return main([*words, "--tracking-uri", "none", *more, *(["--set", *settings] if settings else [])])


def key_of(store: Path) -> str:
    (path,) = (store / "stages" / "fit").glob("[0-9a-f]*")
    return path.name


def planned(store: Path, recipe: Path, capsys: Any, *settings: str, seed: int = 0) -> str:
    capsys.readouterr()
    assert run(store, recipe, *settings, seed=seed, more=("--dry-run",)) == 0
    return capsys.readouterr().out


def refused(store: Path, recipe: Path, capsys: Any, *settings: str, seed: int = 0) -> str:
    capsys.readouterr()
    assert run(store, recipe, *settings, seed=seed, more=("--dry-run",)) == 2
    return " ".join(capsys.readouterr().err.split())


def test_weights_of_the_package_are_used_without_a_fit_and_the_record_says_which(
    recipe: Path, tmp_path: Path, capsys: Any
) -> None:
    assert run(tmp_path, recipe, "method.fitted=synthetic") in (0, 1)
    (path,) = (tmp_path / "records").glob("*.json")
    record = json.loads(path.read_text("utf-8"))
    assert record["method_spec"]["parameters"]["fitted"] == DIGEST
    assert record["method_spec"]["parameters"]["steps"] == 1600
    assert not {"fit", "teacher"} & {stage["name"] for stage in record["stages"]}
    assert list((tmp_path / "figures").glob("*/faces.png"))  # drawn faces, by weights of drawn people


def test_a_stage_of_the_store_is_named_by_its_key(store: Path, recipe: Path, capsys: Any) -> None:
    told = planned(store, recipe, capsys, f"method.fitted={key_of(store)}")
    assert "release" in told.split() and not {"fit", "teacher"} & set(told.split())


def test_the_file_of_a_stage_is_as_good_as_its_key(store: Path, recipe: Path, capsys: Any) -> None:
    folder = store / "stages" / "fit" / key_of(store)
    by_key = planned(store, recipe, capsys, f"method.fitted={folder.name}")
    assert by_key == planned(store, recipe, capsys, f"method.fitted={folder / fitted_file.MODEL}")
    assert by_key == planned(store, recipe, capsys, f"method.fitted={folder}")


def test_whom_it_was_fitted_on_must_not_be_released(store: Path, recipe: Path, capsys: Any) -> None:
    key = key_of(store)
    told = refused(store, recipe, capsys, f"method.fitted={key}", seed=1)  # other roles of the same people
    assert "fitted on drawn people of seed 0, who are among those of this dataset" in told
    told = refused(store, recipe, capsys, f"method.fitted={key}", "synthetic.people=50")
    assert "drawn people of seed 0" in told  # more people of the same seed are the same and others
    told = refused(store, recipe, capsys, f"method.fitted={key}", "protocol=in-sample")
    assert "would be released" in told
    told = refused(store, recipe, capsys, "method.fitted=synthetic", "synthetic.seed=2205")
    assert "drawn people of seed 2205" in told
    assert "release" in planned(store, recipe, capsys, f"method.fitted={key}", "synthetic.seed=4")


def test_a_file_that_does_not_say_on_whom_is_refused(store: Path, recipe: Path, capsys: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = store / "stages" / "fit" / key_of(store) / fitted_file.MODEL
    said = json.loads(fitted_file.read(path).model_dump_json()) | {"people": None}
    save_file(load_file(path), tmp_path / "old.safetensors", metadata={fitted_file.KEY: json.dumps(said)})
    told = refused(store, recipe, capsys, f"method.fitted={tmp_path / 'old.safetensors'}")
    assert "does not say on whom it was fitted" in told


def test_a_stage_that_was_changed_is_refused(store: Path, recipe: Path, capsys: Any, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(store, tmp_path / "runs", symlinks=True)
    path = tmp_path / "runs" / "stages" / "fit" / key_of(store) / fitted_file.MODEL
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    told = refused(tmp_path / "runs", recipe, capsys, f"method.fitted={key_of(store)}")
    assert "changed" in told and fitted_file.MODEL in told


def test_parameters_that_it_does_not_have_are_refused(store: Path, recipe: Path, capsys: Any) -> None:
    told = refused(store, recipe, capsys, "method.fitted=synthetic", "method.steps=7")
    assert "steps=1600" in told and "steps=7" in told and "method.fitted=null" in told


def test_a_release_uses_it_and_refuses_its_own_people(tmp_path: Path, capsys: Any) -> None:
    words = [
        "privatize",
        "synthetic",
        "--method",
        "facemae",
        "-q",
        "--workers",
        "1",
        "--set",
        "method.fitted=synthetic",
    ]
    small = ["synthetic.people=3", "synthetic.images=2"]
    assert main([*words[:2], str(tmp_path / "out"), *words[2:], *small]) == 0
    assert DIGEST in (tmp_path / "out" / "README.md").read_text("utf-8")
    capsys.readouterr()
    assert main([*words[:2], str(tmp_path / "own"), *words[2:], *small, "synthetic.seed=2205"]) == 2
    assert "drawn people of seed 2205" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "own").exists()
    assert main([*words[:2], str(tmp_path / "two"), *words[2:], *small, "--fitted", "abc"]) == 2
    assert "expected one of them" in capsys.readouterr().err
