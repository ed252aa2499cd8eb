"""`bench show` says what a name stands for; a name that is unknown gets the near ones, here and in a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from facebench.bench.cli.main import main
from facebench.reports.result.record import write
from made_up import record


def shown(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert main(["show", *args]) == 0
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("facemae", "facemae, method (methods/facemae.py)"), ("alignment", "[procrustes, ridge, mlp]"),
        ("accuracy", "accuracy, metric (bench/metrics/accuracy.py)"), ("recordio", "recordio, dataset"),
        ("casia", "490,623 images of 10,572 people"), ("quick", "bench/plan/recipes/quick.yaml"),
        ("train", "train, stage (bench/experiment/stages/train.py)"), ("judge", "recognizers.py"), ("verify", "stage"),
    ],
)  # fmt: skip
def test_each_kind_of_name(capsys: pytest.CaptureFixture[str], name: str, says: str) -> None:
    assert says in shown(capsys, name)


def test_a_name_of_two_things_shows_both(capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(capsys, "synthetic")
    assert "synthetic, dataset" in found
    assert "synthetic, verification set" in found
    assert "synthetic, known dataset" in found


def test_as_json_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "masking", "--format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["name"]) == ("method", "masking")
    assert {"name": "ratio", "default": "0.75"}.items() <= next(
        one for one in found["parameters"] if one["name"] == "ratio"
    ).items()


def test_a_record_by_name_or_path(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(record(seed=0, leak=0.25), tmp_path / "records")
    for name in (path.stem, str(path)):
        found = shown(capsys, name, "--store", str(tmp_path))
        assert "leak@1" in found
        assert "25.0%" in found
        assert f"record {path}" in found
    (tmp_path / "figures" / path.stem).mkdir(parents=True)
    assert f"pictures {tmp_path / 'figures' / path.stem}" in shown(capsys, path.stem, "--store", str(tmp_path))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "facmae"], "did you mean facemae or mae?"),
        (["show", "zzzz"], "`bench list` has the names"),
        (["run", "--set", "method.ratoi=.5"], "method.ratoi: there is no such entry; did you mean ratio"),
        (["run", "--set", "method.ratoi=.5"], "`bench show facemae` tells of all"),
        (["run", "--set", "recognizer.stesp=5"], "recognizer.stesp: there is no such entry; did you mean steps?"),
        (["run", "--set", "recogniser.steps=5"], "did you mean recognizer"),
        (["run", "--set", "attack.zzz=5"], "there are embedder, preprocessing, bgr, flip, output"),
    ],
)
def test_unknown_names_get_near_ones(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], says: str
) -> None:
    assert main([*words, "--store", str(tmp_path)]) == 2
    assert says in " ".join(capsys.readouterr().err.split())
