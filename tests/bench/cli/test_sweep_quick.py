"""The script that tells whether the recipe `quick` resolves: what it counts as apart, and what it shows."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from facebench.bench.cli.story import METHODS

SCRIPT = Path(__file__).resolve().parents[3] / ".ci" / "sweep_quick.py"


@pytest.fixture(scope="module")
def sweep() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sweep_quick", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line(seed: int, *values: float, judge: float = 0.92) -> dict[str, Any]:
    rows = {
        name: {"accuracy": [v, v - 0.02, v + 0.02], "leakage": [v / 2, v / 2 - 0.01, v / 2 + 0.01, "alignment"],
               "unreliable": [], "marks": []}
        for name, v in zip(METHODS, values, strict=True)
    }  # fmt: skip
    return {"seed": seed, "status": 0, "cpu_seconds": 190.0, "judge": judge, "rows": rows}


def test_a_table_says_of_each_seed_whether_neighbours_are_apart(sweep: ModuleType) -> None:
    told = sweep.table([line(0, 0.9, 0.6, 0.7, 0.5), line(1, 0.9, 0.6, 0.63, 0.5, judge=0.905)]).splitlines()
    assert told[0] == "| seed | original | masking | facemae | noise | judge | apart | CPU s |"
    assert told[2].startswith("| 0 | 90.0 [88.0, 92.0]; 45.0 | 60.0 [58.0, 62.0]; 30.0 |")
    assert [row.split(" | ")[-2] for row in told[2:]] == ["yes", "no", "1 of 2"]
    assert "90.5 (least)" in told[-1] and told[-1].startswith("| mean | 90.0 [")


def test_what_is_there_is_not_run_again_and_a_judge_below_its_bound_fails(
    sweep: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ran = tmp_path / "lines.jsonl", []
    path.write_text(json.dumps(line(0, 0.9, 0.6, 0.7, 0.5)) + "\n")

    def measured(seed: int, keep: Path | None) -> dict[str, Any]:
        ran.append(seed)
        return line(seed, 0.9, 0.6, 0.7, 0.5, judge=0.89)

    monkeypatch.setattr(sweep, "measured", measured)
    monkeypatch.setattr("sys.argv", ["sweep", "--out", str(path), "--table"])
    assert (sweep.main(), ran) == (0, [])
    monkeypatch.setattr("sys.argv", ["sweep", "--out", str(path), "--seeds", "0", "1"])
    assert (sweep.main(), ran) == (1, [1])
    assert len(path.read_text().splitlines()) == 2
