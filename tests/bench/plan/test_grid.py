"""An experiment file that lists values makes a run of every combination."""

from __future__ import annotations

from pathlib import Path

import pytest
from facebench.bench.plan import grid
from facebench.bench.plan.plan import ConfigError, plan


def written(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text)
    return path


def test_every_combination_the_first_place_slowest(tmp_path: Path) -> None:
    path = written(
        tmp_path, "recipe: small\ngrid: {seed: [0, 1], method.ratio: [0.5, 0.9], method: [masking, facemae]}"
    )
    lines = grid.settings(path)
    plans = [plan(experiment=path, settings=line) for line in lines]
    assert [(p.seed, p.method_entry()["ratio"], p.method_entry()["use"]) for p in plans] == [
        (seed, ratio, method) for seed in (0, 1) for ratio in (0.5, 0.9) for method in ("masking", "facemae")
    ]
    assert grid.named(lines) == {"seed", "method"}
    assert {p.recipe for p in plans} == {"small"}


def test_a_list_of_grids_one_after_the_other_each_run_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "grid:\n- {method: [original, noise]}\n- {method: [masking], method.ratio: [0.5, 0.75]}\n- {method: [noise]}\n",
    )
    entries = [plan(experiment=path, settings=line).method_entry() for line in grid.settings(path)]
    assert [(entry["use"], entry.get("ratio")) for entry in entries] == [
        ("original", None), ("noise", None), ("masking", 0.5), ("masking", 0.75),
    ]  # fmt: skip


def test_a_method_may_be_an_entry_with_parameters_and_values_of_any_kind(tmp_path: Path) -> None:
    path = written(tmp_path, "grid: {method: [{use: masking, ratio: 0.25}], attacks: [[ignorant], all]}")
    one, two = (plan(experiment=path, settings=line) for line in grid.settings(path))
    assert one.method_entry() == {"use": "masking", "ratio": 0.25}
    assert (one.attacks, "replay" in two.attacks) == (("ignorant",), True)


def test_without_a_grid_there_is_one_run(tmp_path: Path) -> None:
    assert grid.settings(None) == [()]
    assert grid.settings(written(tmp_path, "seed: 3")) == [()]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("grid: [1]", "grid.0: expected places and lists of values"), ("grid: []", "got an empty list"),
        ("grid: {}", "expected places and lists"), ("grid: {seed: 3}", "grid.seed: expected a list of values"),
        ("grid: {seed: []}", "grid.seed: expected a list"), ("grid: 3", "expected places and lists"),
        (f"grid: {{seed: {list(range(200))}, method.ratio: {[n / 100 for n in range(99)]}}}", "at most 10,000 runs"),
    ],
)  # fmt: skip
def test_a_grid_that_is_none(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        grid.settings(written(tmp_path, text))
