"""One command that makes several runs: what goes wrong in one ends no other, and the next try makes what is missing."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from facebench.bench.cli import to_mlflow
from facebench.bench.cli.main import main

STUDY = """
synthetic: {people: 40, images: 3, pairs: 20}
recognizer: {architecture: small, dim: 32, steps: 2, batch: 8}
judge: {architecture: small, dim: 32, steps: 2, batch: 8}
attacks: [ignorant]
grid:
  - {method: [{use: gan, steps: 1, least_variety: 0.99}]}
  - {method: [noise, original]}
"""


@pytest.mark.slow
def test_a_run_that_fails_ends_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study, store = tmp_path / "study.yaml", tmp_path / "runs"
    study.write_text(STUDY)
    command = ["run", "--experiment", str(study), "--store", str(store), "--tracking-uri", "none", "--format", "json"]
    assert main([*command, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert [shown.count(f"{method} on synthetic, seed 0") for method in ("gan", "noise", "original")] == [1, 1, 1]
    for _ in range(2):
        assert main(command) == 2
        told = capsys.readouterr()
        assert [record["method"] for record in json.loads(told.out)] == ["noise", "original"]
        said = " ".join(told.err.split())
        assert "error: gan on synthetic, seed 0: gan: " in said
        assert "1 of 3 runs failed, the others are whole: gan on synthetic, seed 0" in said
    assert len(list((store / "records").iterdir())) == 2


@pytest.mark.slow
def test_temporary_files_without_room_end_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(to_mlflow, "TemporaryDirectory", full)
    study, store = tmp_path / "study.yaml", tmp_path / "runs"
    study.write_text(STUDY.replace("[{use: gan, steps: 1, least_variety: 0.99}]", "[blur]"))
    place = f"sqlite:///{tmp_path / 'mlflow.db'}"
    code = main(["run", "--experiment", str(study), "--store", str(store), "--tracking-uri", place, "-q"])
    assert code in (0, 1)  # a network of two steps may miss a sanity bound
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("was not sent to MLflow: a disk is full (No space left on device): that of the store, or of") == 3
    assert "[Errno" not in said
    assert len(list((store / "records").glob("*.json"))) == 3


def test_the_error_of_a_single_run_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--store", str(tmp_path), "--tracking-uri", "none", "-q", "--method", "gan"]
    small = [
        "synthetic={people: 40, images: 3, pairs: 20}",
        "teacher={architecture: small, dim: 32, steps: 1, batch: 8}",
    ]
    assert main([*command, "--set", *small, "method.steps=1", "method.least_variety=0.99"]) == 2
    assert "runs failed" not in capsys.readouterr().err


def test_what_the_grid_has_is_not_named_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(STUDY)
    assert main(["run", "--experiment", str(study), "--method", "blur", "--store", str(tmp_path)]) == 2
    assert "--method: the grid of" in capsys.readouterr().err
    assert main(["run", "--experiment", str(study), "--seed", "1", "2", "--dry-run", "--store", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("on synthetic, seed 2") == 3


def test_a_second_set_adds_to_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = ["--set", "method.ratio=0.5", "--set", "seed=7"]
    assert main(["run", "--method", "masking", *both, "--dry-run", "--store", str(tmp_path)]) == 0
    assert "masking on synthetic, seed 7" in capsys.readouterr().out
