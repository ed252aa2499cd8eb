"""`bench check` on made-up records: verdicts, exit codes, seeds, tolerances, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from facebench.bench.cli.main import main
from facebench.reports.result import record as results
from facebench.reports.result.record import Check, RunRecord, Unreliable, sealed
from made_up import record

Gate = Callable[..., tuple[int, dict]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "records").mkdir()
    return tmp_path


@pytest.fixture
def gate(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Write records, in place of those that are there, and compare them with the baseline, or make it."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)

    def check(*records: RunRecord, options: tuple[str, ...] = ("--format", "json")) -> tuple[int, dict]:
        for old in (folder / "records").glob("*"):
            old.unlink()
        for each in records:
            results.write(each, folder / "records")
        command = ["check", "--baseline", str(folder / "b.json"), "--records", str(folder / "records")]
        code = main([*command, "--store", str(folder / "runs"), *map(str, options)])
        shown = capsys.readouterr()
        return code, json.loads(shown.out) if shown.out.startswith("{") else {"text": shown.out, "error": shown.err}

    return check


def _verdicts(shown: dict) -> dict[str, str]:
    return {f"{f['measure']} {f['on']}": f["verdict"] for f in shown["findings"]}


UPDATE = ("--update",)


def test_equal_records_pass(gate: Gate) -> None:
    code, told = gate(record(), options=UPDATE)
    assert code == 0
    assert "1 runs with 3 scores" in told["text"]
    code, shown = gate(record())
    assert code == 0
    assert _verdicts(shown) == {"accuracy lfw": "ok", "leak@1 ignorant": "ok", "leak@1 other_image": "ok"}


def test_less_accuracy_and_more_leakage_fail_alike(gate: Gate) -> None:
    gate(record(), options=UPDATE)
    code, shown = gate(record(accuracy=0.6))
    assert code == 1
    assert _verdicts(shown) == {"accuracy lfw": "regressed", "leak@1 ignorant": "ok", "leak@1 other_image": "ok"}
    code, shown = gate(record(leak=0.3))
    assert code == 1
    assert _verdicts(shown)["leak@1 ignorant"] == "regressed"


def test_more_accuracy_and_less_leakage_are_improvements(gate: Gate) -> None:
    gate(record(), options=UPDATE)
    code, shown = gate(record(accuracy=0.95, leak=0.02))
    assert code == 0
    assert set(_verdicts(shown).values()) == {"improved"}


@pytest.mark.parametrize("changed", [{"recipe_hash": "cccc"}, {"data_hash": "dddd"}])
def test_another_recipe_or_other_data_cannot_be_compared(gate: Gate, changed: dict[str, str]) -> None:
    gate(record(), options=UPDATE)
    code, shown = gate(record(accuracy=0.2, **changed))
    assert code == 2
    assert set(_verdicts(shown).values()) == {"not-comparable"}
    assert next(iter(changed)).split("_")[0] in shown["findings"][0]["why"]


@pytest.mark.parametrize("before", ["float32", "bfloat16"])
def test_another_arithmetic_cannot_be_compared_and_an_unknown_one_is(gate: Gate, before: str) -> None:
    gate(record(precision=before), options=("--update",))
    now = {"float32": "bfloat16", "bfloat16": "float32"}[before]
    code, shown = gate(record(precision=now))
    assert (code, set(_verdicts(shown).values())) == (2, {"not-comparable"})
    assert f"expected training in {before}, got {now}" in str(shown)
    assert gate(record(precision=before))[0] == 0
    assert gate(record())[0] == 0  # an older record


def test_what_was_not_measured_fails_and_is_not_passed_over(gate: Gate) -> None:
    gate(record(), options=UPDATE)
    code, shown = gate(record(leak=None))
    assert code == 2
    assert _verdicts(shown)["leak@1 ignorant"] == "not-measured"
    assert _verdicts(shown)["accuracy lfw"] == "ok"
    none = record()
    nothing = tuple(s.model_copy(update={"n": 0}) if s.on == "lfw" else s for s in none.scores)
    assert _verdicts(gate(record(scores=nothing))[1])["accuracy lfw"] == "not-measured"
    gone = tuple(s for s in none.scores if s.on != "other_image")
    code, shown = gate(record(scores=gone, not_run={"other_image": "does not apply"}))
    assert code == 2
    assert shown["findings"][2]["why"] == "does not apply"
    code, shown = gate(record("blur"))
    assert code == 2
    assert set(_verdicts(shown).values()) == {"not-measured"}


def test_leakage_that_falls_beside_a_failed_bound_is_no_improvement(gate: Gate) -> None:
    gate(record(), options=UPDATE)
    code, shown = gate(record(leak=0.01, failed=True))
    assert code == 2
    assert _verdicts(shown) == {
        "accuracy lfw": "ok",  # the bound guards leakage only
        "leak@1 ignorant": "not-measured",
        "leak@1 other_image": "not-measured",
    }
    assert "judge on clear pairs" in shown["findings"][1]["why"]
    bound = Check(name="the run itself", passed=False, says="no", guards="run")
    assert set(_verdicts(gate(record(checks=(bound,)))[1]).values()) == {"not-measured"}


def test_a_regression_goes_before_what_could_not_be_compared(gate: Gate) -> None:
    gate(record(), options=UPDATE)
    assert gate(record(accuracy=0.6, leak=None))[0] == 1


def test_records_with_failed_bounds_make_a_baseline_only_when_told(gate: Gate, folder: Path) -> None:
    code, told = gate(record(failed=True), options=UPDATE)
    assert code == 2
    assert "--waive 'judge on clear pairs'" in told["error"]
    assert not (folder / "b.json").exists()
    assert gate(record(failed=True), options=(*UPDATE, "--waive", "something else"))[0] == 2
    assert gate(record(failed=True), options=(*UPDATE, "--waive", "judge on clear pairs"))[0] == 0
    assert gate(record(failed=True))[0] == 0
    assert gate(record(failed=True, leak=0.3))[0] == 1
    assert gate(record(failed=True), options=UPDATE)[0] == 0  # what was waived stays so
    assert gate(record(), options=("--waive", "judge on clear pairs"))[0] == 2


def test_equal_seeds_are_compared_with_equal_seeds(gate: Gate) -> None:
    seeds = [record(seed=0, accuracy=0.8), record(seed=1, accuracy=0.6)]
    gate(*seeds, options=UPDATE)
    assert gate(*seeds)[0] == 0
    code, shown = gate(record(seed=0, accuracy=0.6), record(seed=1, accuracy=0.8))
    assert code == 1
    accuracy = {f["seeds"]: f["verdict"] for f in shown["findings"] if f["measure"] == "accuracy"}
    assert accuracy == {"0": "regressed", "1": "improved"}


def test_a_seed_that_is_missing_among_others_is_not_measured(gate: Gate) -> None:
    gate(record(seed=0), record(seed=1), options=UPDATE)
    code, shown = gate(record(seed=1), record(seed=2))
    assert code == 2
    assert {(f["seeds"], f["verdict"]) for f in shown["findings"]} == {("0", "not-measured"), ("1", "ok")}
    assert any("seeds 2" in warning for warning in shown["warnings"])


def test_other_seeds_only_are_compared_by_their_means(gate: Gate) -> None:
    gate(record(seed=0, accuracy=0.8), record(seed=1, accuracy=0.7), options=UPDATE)
    code, shown = gate(record(seed=2, accuracy=0.75), record(seed=3, accuracy=0.65))
    assert code == 0
    assert {f["seeds"] for f in shown["findings"]} == {"0, 1 / 2, 3"}
    assert shown["findings"][0]["before"] == pytest.approx(0.75)
    assert gate(record(seed=2, accuracy=0.4), record(seed=3, accuracy=0.5))[0] == 1
    assert gate(record(seed=2, accuracy=0.4), record(seed=3, accuracy=0.5, leak=None))[0] == 1
    assert gate(record(seed=2), record(seed=3, leak=None))[0] == 2


def test_parameters_that_changed_are_gated_and_named(gate: Gate) -> None:
    gate(record(parameters={"ratio": 0.75}), options=UPDATE)
    code, shown = gate(record(parameters={"ratio": 0.1}, leak=0.5))
    assert code == 1
    assert "ratio 0.75 -> 0.1" in shown["findings"][1]["why"]
    both = [
        record(parameters={"ratio": 0.75}),
        record(parameters={"ratio": 0.1}, leak=0.5, name="lfw-quick-masking-other"),
    ]
    code, shown = gate(*both)
    assert code == 0  # the baseline's own parameters are the ones
    assert any("other parameters" in warning for warning in shown["warnings"])
    several = [record(parameters={"ratio": r}, name=f"r{n}") for n, r in enumerate((0.1, 0.2))]
    assert gate(*several)[0] == 2


def test_tolerances_of_the_command_line_win_and_sides_stand_for_their_measures(gate: Gate, folder: Path) -> None:
    gate(record(), options=(*UPDATE, "--tolerance", "accuracy=30pp,leakage=0.02"))
    measures = json.loads((folder / "b.json").read_text())["measures"]
    assert {name: m["tolerance"] for name, m in measures.items()} == {"accuracy": 0.3, "leak@1": 0.02}
    assert gate(record(accuracy=0.6))[0] == 0
    assert gate(record(accuracy=0.6), options=("--format", "json", "--tolerance", "accuracy=1pp"))[0] == 1
    assert gate(record(), options=UPDATE)[0] == 0
    assert json.loads((folder / "b.json").read_text())["measures"] == measures  # they stay
    assert gate(record(), options=(*UPDATE, "--tolerance", "utility=1pp"))[0] == 0
    assert json.loads((folder / "b.json").read_text())["measures"]["accuracy"]["tolerance"] == 0.01


def test_a_tolerance_that_the_trials_cannot_resolve_is_warned_of(gate: Gate) -> None:
    gate(record(), options=(*UPDATE, "--tolerance", "accuracy=0.5pp", "leakage=10pp"))
    _, shown = gate(record())
    (warning,) = shown["warnings"]
    assert warning.startswith("accuracy: the tolerance of 0.5 pp")
    assert "3.2 pp at n = 600" in warning


def test_a_measure_that_is_no_headline_is_gated_when_a_tolerance_names_it(gate: Gate) -> None:
    gate(record(), options=(*UPDATE, "--tolerance", "auc=1pp"))
    assert "auc lfw" in _verdicts(gate(record())[1])


@pytest.mark.parametrize(
    "nonsense",
    ["accuracy", "accuracy=", "=1pp", "accuracy=-1pp", "accuracy=nan", "accuracy=inf", "accuracy=1%", "accuracy=2",
     "accuracy=1pp,accuracy=2pp", "accuracy=1pp,", "acuracy=1pp", "memorised=1pp"],
)  # fmt: skip
def test_a_tolerance_that_is_none_is_refused(gate: Gate, nonsense: str) -> None:
    gate(record(), options=UPDATE)
    code, told = gate(record(), options=("--tolerance", nonsense))
    assert code == 2
    assert told["error"].startswith("error: --tolerance")
    assert told["error"].count("\n") == 1


def test_an_empty_folder_measured_nothing_and_fails(gate: Gate, folder: Path) -> None:
    gate(record(), options=UPDATE)
    code, told = gate()
    assert code == 2
    assert "expected at least one record" in told["error"]
    before = (folder / "b.json").read_bytes()
    assert gate(options=UPDATE)[0] == 2
    assert (folder / "b.json").read_bytes() == before


def test_a_missing_baseline_says_how_to_make_one(gate: Gate) -> None:
    code, told = gate(record())
    assert code == 2
    assert "--update" in told["error"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "restore the file"),
        ("not json", "restore the file"),
        ("[" * 100_000, "restore the file"),
        ("{}", "layout"),
        ('{"layout": 2, "what": "else"}', "update facebench"),
        ('{"layout": 1, "measures": {}, "entries": []}', "entries"),
        ('{"layout": 1, "measures": {}, "entries": [], "more": 1}', "restore the file"),
        (b"\xff\xfe", "restore the file"),
    ],
)
def test_a_damaged_baseline_is_refused_and_never_overwritten(gate: Gate, folder: Path, content, told: str) -> None:
    content = content.encode() if isinstance(content, str) else content
    (folder / "b.json").write_bytes(content)
    for options in ((), UPDATE):
        code, shown = gate(record(), options=options)
        assert code == 2
        assert told in shown["error"]
        assert (folder / "b.json").read_bytes() == content


@pytest.mark.parametrize(
    "harm",
    [
        lambda b: b["entries"].append(b["entries"][0]),
        lambda b: b["entries"][0]["scores"].append(b["entries"][0]["scores"][0]),
        lambda b: b["measures"].clear(),
        lambda b: b["measures"]["accuracy"].update(tolerance=-1),
        lambda b: b["entries"][0]["scores"][0].update(value=None),
        lambda b: b["entries"][0]["scores"][0].update(n=0),
        lambda b: b["entries"][0]["scores"][0].update(interval=[0.9, 0.1]),
        lambda b: b["entries"][0]["method_spec"].update(ratio=float("nan")),
        lambda b: b["entries"][0]["scores"][0].update(trials="???"),
    ],
)
def test_a_baseline_edited_into_nonsense_is_refused(gate: Gate, folder: Path, harm) -> None:
    gate(record(), options=UPDATE)
    content = json.loads((folder / "b.json").read_text())
    harm(content)
    (folder / "b.json").write_text(json.dumps(content))
    code, told = gate(record(), options=())
    assert code == 2
    assert told["error"].startswith("error: baseline")


def test_a_damaged_record_is_refused(gate: Gate, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate(record(), options=UPDATE)
    (folder / "records" / "bad.json").write_text("{}")
    assert main(["check", "--baseline", str(folder / "b.json"), "--records", str(folder / "records")]) == 2
    assert "bad.json" in capsys.readouterr().err


def test_two_outputs_cannot_be_one_file(gate: Gate, folder: Path) -> None:
    gate(record(), options=UPDATE)
    before = (folder / "b.json").read_bytes()
    for option in ("--junit", "--summary"):
        assert gate(record(), options=(option, str(folder / "b.json")))[0] == 2
    assert (folder / "b.json").read_bytes() == before


def test_a_baseline_that_cannot_be_written_leaves_the_old_one(gate: Gate, folder: Path) -> None:
    (folder / "file").write_text("")
    code, told = gate(record(), options=(*UPDATE, "--baseline", str(folder / "file" / "b.json")))
    assert code == 2
    assert "cannot be written" in told["error"] or "cannot be read" in told["error"]


def test_what_the_baseline_lacks_is_told(gate: Gate) -> None:
    gate(record(), options=UPDATE)
    code, shown = gate(record(), record("blur"))
    assert code == 0
    assert any("lfw-quick-blur-0" in warning for warning in shown["warnings"])


def test_what_the_baseline_lacks_is_told_of_other_seeds_too(gate: Gate) -> None:
    gate(record(seed=0), options=UPDATE)
    more = record(seed=5)
    score = more.scores[1].model_copy(update={"on": "parrot", "value": 0.9})
    code, shown = gate(sealed(more.model_copy(update={"scores": (*more.scores, score)})))
    assert code == 0
    assert any("not in the baseline, so not compared: leak@1 on parrot" in told for told in shown["warnings"])


def test_a_record_that_was_marked_as_unreliable_measures_nothing_and_makes_no_baseline(gate: Gate) -> None:
    gate(record(leak=0.1), options=UPDATE)
    marked = sealed(record(leak=0.02).model_copy(update={"unreliable": Unreliable(reason="the judge leaked")}))
    code, shown = gate(marked)
    assert code == 2
    assert set(_verdicts(shown).values()) == {"not-measured"}
    assert "the judge leaked" in shown["findings"][0]["why"]
    code, told = gate(marked, options=UPDATE)
    assert code == 2
    assert "marked as unreliable (the judge leaked)" in " ".join(told["error"].split())


def test_two_records_of_one_seed_are_told_apart_by_the_recipes_name_or_not_at_all(gate: Gate) -> None:
    gate(record(), options=UPDATE)
    worse = record(accuracy=0.6, leak=0.4)
    same = record(recipe="zz", name="lfw-zz-masking-0")
    code, shown = gate(worse, same)
    assert code == 1
    assert "regressed" in _verdicts(shown).values()
    assert any("lfw-zz-masking-0" in told for told in shown["warnings"])
    code, shown = gate(*(record(recipe=name, name=f"lfw-{name}-masking-0") for name in ("yy", "zz")))
    assert code == 2
    assert "expected one record of each seed, got lfw-yy-masking-0, lfw-zz-masking-0" in shown["findings"][0]["why"]


def test_a_number_of_another_version_of_its_metric_is_not_comparable(gate: Gate) -> None:
    gate(record(), options=UPDATE)
    code, shown = gate(record(accuracy=0.5, metric_versions={"accuracy": 2}))
    assert code == 2
    verdicts = _verdicts(shown)
    assert verdicts.pop("accuracy lfw") == "not-comparable"
    assert set(verdicts.values()) == {"ok"}
    assert any("version 1 of the metric made the baseline's accuracy, version 2" in f["why"] for f in shown["findings"])
    _, shown = gate(record(seed=7, metric_versions={"accuracy": 2}))
    assert _verdicts(shown)["accuracy lfw"] == "not-comparable"


def test_a_retrained_method_is_held_against_what_the_baselines_seeds_differ_by(gate: Gate) -> None:
    seeds = {0: 0.80, 1: 0.84, 2: 0.77}
    gate(*(record(seed=seed, accuracy=value) for seed, value in seeds.items()), options=UPDATE)
    now = [record(seed=seed, accuracy=value - 0.15 * (seed == 0)) for seed, value in seeds.items()]
    code, shown = gate(*now)
    (why,) = [f["why"] for f in shown["findings"] if f["measure"] == "accuracy" and f["seeds"] == "0"]
    assert code == 0
    assert "3 seeds of the baseline differ" in why
    gate(record(accuracy=0.80), options=UPDATE)
    (folderless,) = [f["why"] for f in gate(record(accuracy=0.65))[1]["findings"] if f["measure"] == "accuracy"]
    assert "needs more seeds" in folderless
