"""The gate on real runs: each thing that can break is broken, one at a time, in the code or in what it is given."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from facebench.bench.cli.main import main
from facebench.bench.recognition import recognizer
from facebench.bench.recognition.judge import Judge

RECIPE = """
synthetic: {{people: {people}, images: {images}, pairs: {pairs}}}
recognizer: {{architecture: small, dim: 64, steps: {steps}, batch: 24, margin: 0, scale: 16, warmup: 0.1}}
teacher: {{architecture: small, dim: 32, steps: 2, batch: 8}}
judge: {{architecture: small, dim: 32, steps: 2, batch: 8}}
methods:
  facemae: {{size: tiny, patch: 16, steps: 4, batch: 8}}
"""
TRAINED = RECIPE.format(people=120, images=5, pairs=200, steps=100)
"""A recognizer that learns enough to be seen unlearning."""
QUICK = RECIPE.format(people=80, images=4, pairs=40, steps=2)
WAIVED = ("--waive", "judge on clear pairs")
"""No judge of two steps keeps this bound."""

Bench = Callable[..., int]


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Run a method with a recipe in a store of its own, as a CI job does."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    def run(recipe: str, *more: str, store: str = "runs") -> int:
        (tmp_path / "tiny.yaml").write_text(recipe)
        common = ["--recipe", str(tmp_path / "tiny.yaml"), "--store", str(tmp_path / store), "--tracking-uri", "none"]
        code = main(["run", *common, "-q", *more])
        assert code in (0, 1)
        capsys.readouterr()
        return code

    yield run


@pytest.fixture
def gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, dict]]]:
    def check(*more: str, store: str = "runs") -> tuple[int, dict[str, dict]]:
        capsys.readouterr()
        code = main(["check", "--baseline", str(tmp_path / "b.json"), "--store", str(tmp_path / store), *more])
        shown = capsys.readouterr().out
        findings = json.loads(shown)["findings"] if "--format" in more else []
        return code, {f"{f['measure']} {f['on']}": f for f in findings}

    return check


def _verdicts(findings: dict[str, dict]) -> set[str]:
    return {finding["verdict"] for finding in findings.values()}


@pytest.mark.slow
def test_a_recognizer_that_learns_nothing_is_a_regression(bench, gate, monkeypatch: pytest.MonkeyPatch) -> None:
    bench(TRAINED, "--method", "original")
    assert gate("--update", *WAIVED)[0] == 0
    assert gate("--format", "json")[0] == 0
    rate = recognizer._rate
    monkeypatch.setattr(recognizer, "_rate", lambda step, how: 0 * rate(step, how))
    bench(TRAINED, "--method", "original", store="broken")
    code, findings = gate("--format", "json", store="broken")
    assert code == 1
    assert findings["accuracy lfw_like"]["verdict"] == "regressed"
    assert "McNemar" in findings["accuracy lfw_like"]["why"]
    assert findings["leak@1 ignorant"]["verdict"] == "ok"


def test_a_method_that_hides_less_is_a_regression(bench, gate) -> None:
    bench(QUICK, "--method", "facemae")
    gate("--update", *WAIVED)
    bench(QUICK, "--method", "facemae", "--set", "method.compose=pasted", "method.ratio=0.1", store="broken")
    code, findings = gate("--format", "json", store="broken")
    assert code == 1
    assert findings["leak@1 ignorant"]["verdict"] == "regressed"
    assert "paired bootstrap over 32 people" in findings["leak@1 ignorant"]["why"]
    assert "ratio 0.75 -> 0.1" in findings["leak@1 ignorant"]["why"]


def test_other_data_and_another_recipe_cannot_be_compared(bench, gate) -> None:
    bench(QUICK, "--method", "noise")
    gate("--update", *WAIVED)
    bench(QUICK, "--method", "noise", "--set", "synthetic.seed=1", store="data")
    code, findings = gate("--format", "json", store="data")
    assert code == 2
    assert _verdicts(findings) == {"not-comparable"}
    assert "other data" in findings["leak@1 ignorant"]["why"]
    bench(QUICK, "--method", "noise", "--set", "recognizer.steps=3", store="recipe")
    code, findings = gate("--format", "json", store="recipe")
    assert code == 2
    assert _verdicts(findings) == {"not-comparable"}
    assert "other recipe" in findings["leak@1 ignorant"]["why"]


def test_a_judge_that_sees_no_difference_measures_nothing(bench, gate, monkeypatch: pytest.MonkeyPatch) -> None:
    bench(QUICK, "--method", "noise")
    gate("--update", *WAIVED)
    constant = np.full((1, 32), 32**-0.5, np.float32)
    monkeypatch.setattr(Judge, "open", lambda self, *a, **b: lambda images, *c: np.repeat(constant, len(images), 0))
    assert bench(QUICK, "--method", "noise", store="broken") == 1
    code, findings = gate("--format", "json", store="broken")
    assert code == 2
    assert findings["leak@1 ignorant"]["verdict"] == "not-measured"
    assert "noise: leak@1 on ignorant" in findings["leak@1 ignorant"]["why"]
    assert findings["accuracy lfw_like"]["verdict"] == "ok"


def test_leakage_that_a_blind_judge_brings_to_chance_is_no_improvement(bench, gate, monkeypatch) -> None:
    bench(QUICK, "--method", "original")
    gate("--update", *WAIVED)

    random = np.random.default_rng(0)  # one for all it looks at: equal faces must not look alike

    def blind(self, *a, **b):
        def embed(images, *c):
            vectors = random.normal(size=(len(images), 32)).astype(np.float32)
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

        return embed

    monkeypatch.setattr(Judge, "open", blind)
    bench(QUICK, "--method", "original", store="broken")
    code, findings = gate("--format", "json", store="broken")
    assert code == 2
    assert findings["leak@1 ignorant"]["verdict"] == "not-measured"
    assert "leak@1 image" in findings["leak@1 ignorant"]["why"]


def test_without_the_store_intervals_are_compared(bench, gate, tmp_path: Path) -> None:
    bench(QUICK, "--method", "original")
    gate("--update", *WAIVED)
    shutil.copytree(tmp_path / "runs" / "records", tmp_path / "records")
    shutil.rmtree(tmp_path / "runs")
    content = json.loads((tmp_path / "b.json").read_text())
    for score in content["entries"][0]["scores"]:
        if score["measure"] == "leak@1":
            score.update(value=0.01, interval=[0.001, 0.03], trials="", people="")
    (tmp_path / "b.json").write_text(json.dumps(content))
    code, findings = gate("--format", "json", "--records", str(tmp_path / "records"))
    assert code == 1
    assert "unpaired" in findings["leak@1 ignorant"]["why"]


@pytest.mark.slow
def test_reruns_with_other_seeds_raise_no_false_alarm(bench, gate, tmp_path: Path) -> None:
    """As many as $FACEBENCH_RERUNS says."""
    seeds = range(1, 1 + int(os.environ.get("FACEBENCH_RERUNS", "3")))
    bench(
        QUICK.replace("steps: 2, batch: 24", "steps: 20, batch: 24"),
        "--method",
        "masking",
        "--seed",
        "0",
        *map(str, seeds),
    )
    records = {int(p.stem.rpartition("seed")[2]): p for p in (tmp_path / "runs" / "records").glob("*.json")}

    def alone(seed: int) -> str:
        folder = tmp_path / f"of seed {seed}"
        folder.mkdir()
        shutil.copy(records[seed], folder)
        return str(folder)

    gate("--update", *WAIVED, "--records", alone(0))
    verdicts: dict[str, int] = {}
    for seed in seeds:
        code, findings = gate("--format", "json", "--records", alone(seed))
        assert code == 0, (seed, findings)
        for finding in findings.values():
            verdicts[finding["verdict"]] = verdicts.get(finding["verdict"], 0) + 1
    print(f"{len(seeds)} reruns: {verdicts}")
