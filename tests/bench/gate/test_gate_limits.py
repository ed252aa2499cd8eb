"""`bench check --limit`: absolute bounds, which a number keeps only with all of its interval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from facebench.bench.cli.main import main
from facebench.bench.gate import limits
from facebench.bench.gate.baseline import BaselineError
from facebench.reports.result.record import RunRecord, sealed, write
from made_up import record


def met(**given: Any) -> RunRecord:
    """A record of a method that an attacker who knows it has met."""
    made = record(**given)
    return sealed(made.model_copy(update={"attackers": (*made.attackers, "alignment")}))


def verdicts(records: list[RunRecord], *entries: str) -> dict[tuple[str, str], str]:
    return {(f.measure, f.on): f.verdict for f in limits.check(records, limits.parse(entries))}


def test_all_of_the_interval_has_to_keep_the_limit() -> None:
    made = met(accuracy=0.8, leak=0.02)
    (leak,) = [s for s in made.scores if (s.measure.name, s.on) == ("leak@1", "ignorant")]
    high = leak.intervals[0].high
    assert verdicts([made], f"leak@1={high + 1e-9}")["leak@1", "ignorant"] == "ok"
    assert verdicts([made], f"leak@1={high - 1e-9}")["leak@1", "ignorant"] == "beyond-limit"
    assert verdicts([made], "leak@1=1%")["leak@1", "ignorant"] == "beyond-limit"
    (accuracy,) = [s for s in made.scores if (s.measure.name, s.on) == ("accuracy", "lfw")]
    low = accuracy.intervals[0].low
    assert verdicts([made], f"accuracy={low - 1e-9}")["accuracy", "lfw"] == "ok"
    assert verdicts([made], f"accuracy={low + 1e-9}")["accuracy", "lfw"] == "beyond-limit"


def test_a_side_stands_for_its_measures_and_bounds_are_not_judged() -> None:
    found = verdicts([record(leak=0.9), record("original", leak=1.0), record("noise")], "leakage=50%")
    assert {measure for measure, _ in found} == {"leak@1"}
    methods = {f.method for f in limits.check([record(), record("original")], limits.parse(["leakage=50%"]))}
    assert methods == {record().method}


def test_what_cannot_be_relied_on_is_no_success() -> None:
    marked = met(leak=0.01).model_copy(update={"unreliable": "the judge was broken"})
    assert set(verdicts([marked], "leakage=50%").values()) == {"not-comparable"}
    alone = limits.check([record(leak=0.01)], {"leakage": 0.5})
    assert {f.verdict for f in alone} == {"not-comparable"}
    assert "no attacker who knows the method was run" in alone[0].why


@pytest.mark.parametrize(
    "nonsense", ["leakage", "leakage=x", "=2%", "leakage=nan", "leakage=-inf", "leakage=2%,leakage=3%"]
)
def test_a_limit_that_is_none_is_refused(nonsense: str) -> None:
    with pytest.raises(BaselineError, match="--limit"):
        limits.parse([nonsense])


def test_an_unknown_measure_and_a_share_beyond_one_are_refused() -> None:
    with pytest.raises(BaselineError, match="expected accuracy"):
        limits.check([record()], {"acuracy": 0.5})
    with pytest.raises(BaselineError, match="are spelled 2%"):
        limits.check([record()], {"leakage": 2.0})


def test_by_the_command_without_a_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(met(leak=0.3), tmp_path / "records")
    command = ["check", "--records", str(tmp_path / "records")]
    assert main([*command, "--limit", "leakage=90%", "accuracy=10%", "--junit", str(tmp_path / "g.xml")]) == 0
    assert "gate passed" in capsys.readouterr().out
    assert main([*command, "--limit", "leakage=2%", "--junit", str(tmp_path / "g.xml"), "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert "beyond-limit" in told["counts"]
    assert "<failure" in (tmp_path / "g.xml").read_text()
    assert main(command) == 2
    assert "--baseline: expected a file to compare with, or --limit" in capsys.readouterr().err
    assert main([*command, "--baseline", str(tmp_path / "b.json"), "--update", "--limit", "leakage=2%"]) == 2


def test_together_with_a_baseline_both_are_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(met(leak=0.3), tmp_path / "records")
    command = ["check", "--records", str(tmp_path / "records"), "--baseline", str(tmp_path / "b.json")]
    assert main([*command, "--update"]) == 0
    assert main(command) == 0
    assert main([*command, "--limit", "leakage=2%"]) == 1
    out = capsys.readouterr().out
    assert "beyond-limit" in out
    assert "at most 2.0%" in " ".join(out.split())
