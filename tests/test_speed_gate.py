"""The gate on speed: ratios within one run, told from absolute times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CI = Path(__file__).resolve().parent.parent / ".ci"
EXPECTED = json.loads((CI / "speed.json").read_text())


def _gate(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CI / "speed_gate.py"), str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _measured(file: Path, *, times: float = 1.0, machine: float = 1.0, without: str = "") -> Path:
    """Seconds as pytest-benchmark writes them, for ratios that are `times` those that are expected."""
    seconds = {pair["ours"]: machine for pair in EXPECTED["ratios"]}
    seconds |= {pair["peer"]: machine * times * pair["ratio"] for pair in EXPECTED["ratios"]}
    rows = [{"fullname": f"tests/perf/{name}", "stats": {"min": s}} for name, s in seconds.items() if name != without]
    file.write_text(json.dumps({"benchmarks": rows}))
    return file


@pytest.mark.parametrize("machine", [0.001, 1.0, 100.0])
def test_only_ratios_count(tmp_path: Path, machine: float) -> None:
    assert _gate(_measured(tmp_path / "b.json", machine=machine)).returncode == 0


@pytest.mark.parametrize(("times", "code"), [(3.0, 0), (1.01 / 1.5, 0), (0.99 / 1.5, 1)])
def test_a_ratio_may_fall_by_the_slack(tmp_path: Path, times: float, code: int) -> None:
    assert _gate(_measured(tmp_path / "b.json", times=times)).returncode == code


def test_what_was_not_measured_fails_with_another_code(tmp_path: Path) -> None:
    done = _gate(_measured(tmp_path / "b.json", without=EXPECTED["ratios"][1]["peer"]))
    assert done.returncode == 2
    assert "not measured" in done.stdout
    (tmp_path / "b.json").write_text("{}")
    assert _gate(tmp_path / "b.json").returncode == 2
    assert _gate(tmp_path / "missing.json").returncode == 2


def test_the_benchmarks_that_are_named_exist() -> None:
    perf = CI.parent / "tests" / "perf"
    for pair in EXPECTED["ratios"]:
        for name in (pair["ours"], pair["peer"]):
            file, _, test = name.partition("::")
            assert f"def {test.partition('[')[0]}(" in (perf / file).read_text()
