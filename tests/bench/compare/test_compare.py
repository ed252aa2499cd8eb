"""`bench compare` from the command line: on a real store, on records alone, and on what means harm."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from facebench.bench.biometrics.roc import PairScores
from facebench.bench.cli.main import main
from facebench.bench.compare import compare as comparing
from facebench.bench.compare.compare import CompareError, compare
from facebench.bench.compare.trials import CHOSEN
from facebench.bench.metrics.accuracy import Accuracy, answered
from facebench.bench.recognition import verification
from facebench.reports.result import record as results
from facebench.reports.result.record import Check, RunRecord, StageTrace
from made_up import LEAK, record
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

TINY = """
synthetic: {people: 60, images: 3, pairs: 60}
recognizer: {architecture: small, dim: 32, steps: 4, batch: 16}
judge: {architecture: small, dim: 32, steps: 4, batch: 16}
attacks: [ignorant, other_image]
metrics: [accuracy, auc]
identification: true
"""
METHODS = ("original", "masking", "noise")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three methods, run once each."""
    folder = tmp_path_factory.mktemp("compared")
    (folder / "tiny.yaml").write_text(TINY)
    run = ["run", "--method", *METHODS, "--recipe", str(folder / "tiny.yaml"), "--store", str(folder / "runs"), "-q"]
    assert main([*run, "--tracking-uri", "none"]) in (0, 1)
    return folder / "runs"


def _rows(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> list[dict]:
    assert main(["compare", "--format", "json", *map(str, arguments)]) == 0
    (table,) = json.loads(capsys.readouterr().out)
    return table["comparisons"]


def _scored(method: str, similarity: np.ndarray, same: np.ndarray, store: Path, seed: int = 0, **more) -> RunRecord:
    """A record whose accuracy's trials are in the store."""
    key = hashlib.sha256(f"{method} {seed}".encode()).hexdigest()[:16]
    folder = store / "stages" / "verify" / "lfw" / key
    folder.mkdir(parents=True)
    np.savez(folder / verification.SCORES, similarity=similarity, same=same)
    score, _ = Accuracy()(PairScores(similarity, same), "lfw")
    stages = (StageTrace(name="verify/lfw", key=key, seconds=1, cached=False),)
    return record(method, seed=seed, scores=(score,), stages=stages, name=f"r-{method}-{seed}", **more)


def _similar(seed: int, apart: float, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    random, same = np.random.default_rng(seed), np.arange(n) % 2 == 0
    return np.clip(random.normal(np.where(same, apart, 0.0), 0.2), -1, 1), same


def test_every_pair_of_methods_is_compared_in_every_headline_share(store: Path, capsys) -> None:
    rows = _rows(capsys, "--store", store)
    assert len({(row["first"], row["second"]) for row in rows}) == 3
    sets = {"lfw_like", "cfp_fp_like", "agedb_30_like"}
    assert {(r["measure"], r["on"]) for r in rows} == {("accuracy", on) for on in sets} | {
        ("leak@1", "ignorant"), ("leak@1", "other_image")
    }  # fmt: skip
    assert len(rows) == 15
    assert {row["seed"] for row in rows} == {0}


def test_the_numbers_are_those_of_the_kept_trials_and_of_statsmodels(store: Path, capsys) -> None:
    rows = _rows(capsys, "--store", store)
    records = {r.method: r for path in (store / "records").glob("*.json") if (r := results.read(path))}
    for row in rows:
        assert row["p"] is not None
        assert row["low"] <= row["difference"] <= row["high"]
        values = [records[row[side]].score(row["measure"], row["on"]).value for side in ("first", "second")]
        assert [row["value_first"], row["value_second"]] == values
        assert row["difference"] == pytest.approx(values[0] - values[1])
        if row["measure"] == "accuracy":
            one, other = (_answers(store, records[row[side]], row["on"]) for side in ("first", "second"))
            won, lost = int((one & ~other).sum()), int((other & ~one).sum())
            plain = float(mcnemar([[9, won], [lost, 9]], exact=won + lost < 25).pvalue)
            # thresholds are chosen on the same pairs, which makes the variance larger than that of independent ones
            assert row["p"] == pytest.approx(min(1, 2 * norm.sf(norm.isf(plain / 2) / CHOSEN**0.5)), abs=1e-12)
    adjusted = multipletests([row["p"] for row in rows], method="holm")[1]
    assert [row["p_holm"] for row in rows] == pytest.approx(adjusted)
    found = next(r for r in rows if (r["first"], r["second"], r["on"]) == ("masking", "noise", "ignorant") or
                 (r["second"], r["first"], r["on"]) == ("masking", "noise", "ignorant"))  # fmt: skip
    assert "bootstrap over 24 people" in found["how"]
    upper = next(r for r in rows if "original" in (r["first"], r["second"]) and r["on"] == "ignorant")
    assert upper["difference"] != 0
    assert (upper["unreliable"], upper["better"]) == (True, "")  # so small a judge fails its bound


def _answers(store: Path, of: RunRecord, on: str) -> np.ndarray:
    key = next(stage.key for stage in of.stages if stage.name == f"verify/{on}")
    return answered(verification.read(store / "stages" / "verify" / on / key))


def test_one_method_can_be_compared_with_another_alone(store: Path, capsys) -> None:
    rows = _rows(capsys, "masking", "--against", "original", "--store", store)
    assert {(row["first"], row["second"]) for row in rows} == {("masking", "original")}
    rows = _rows(capsys, "--against", "original", "--store", store)
    assert {(row["first"], row["second"]) for row in rows} == {("masking", "original"), ("noise", "original")}
    rows = _rows(capsys, "masking", "noise", "--store", store)
    assert {row["first"] for row in rows} | {row["second"] for row in rows} == {"masking", "noise"}


def test_all_formats_hold_the_same_comparisons(store: Path, tmp_path: Path, capsys) -> None:
    rows = _rows(capsys, "--store", store)
    for format, out in (("csv", tmp_path / "c.csv"), ("md", tmp_path / "c.md"), ("json", tmp_path / "c.json")):
        for _ in range(2):  # an earlier one may be written over
            assert main(["compare", "--store", str(store), "--format", format, "--out", str(out)]) == 0
        assert capsys.readouterr().out == ""
    lines = list(csv.DictReader(io.StringIO((tmp_path / "c.csv").read_text())))
    assert [float(line["p_holm"]) for line in lines] == [row["p_holm"] for row in rows]
    assert json.loads((tmp_path / "c.json").read_text())[0]["comparisons"] == rows
    table = [line for line in (tmp_path / "c.md").read_text().splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(rows)
    assert main(["compare", "--store", str(store)]) == 0
    shown = capsys.readouterr().out
    assert shown.count(" against ") == 3
    assert shown.count("leak@1") == 6


def test_a_file_of_others_is_not_written_over(store: Path, tmp_path: Path, capsys) -> None:
    mine = tmp_path / "thesis.md"
    mine.write_text("# mine\n")
    assert main(["compare", "--store", str(store), "--out", str(mine)]) == 2
    assert mine.read_text() == "# mine\n"
    assert "--out" in capsys.readouterr().err


def test_without_the_store_no_p_value_is_made_up(store: Path, tmp_path: Path, capsys) -> None:
    elsewhere = ("--records", store / "records", "--store", tmp_path / "empty")
    rows = _rows(capsys, *elsewhere)
    assert len(rows) == 15
    assert {(row["p"], row["p_holm"], row["better"]) for row in rows} == {(None, None, "")}
    assert {row["how"] for row in rows} == {"no test, no trials in the store"}
    assert all(row["low"] < row["difference"] < row["high"] for row in rows)
    assert main(["compare", *map(str, elsewhere)]) == 0
    assert "15 of 15 comparisons have no p-value" in " ".join(capsys.readouterr().out.split())


def test_seeds_that_both_have_become_one_comparison(tmp_path: Path, capsys) -> None:
    records = [_scored("masking", *_similar(seed, 0.3), tmp_path, seed) for seed in (0, 1, 2, 3)]
    records += [_scored("blur", *_similar(seed + 50, 0.8), tmp_path, seed) for seed in (1, 2, 3, 4)]
    for each in records:
        results.write(each, tmp_path / "records")
    rows = _rows(capsys, "--store", tmp_path)
    assert [row["seed"] for row in rows] == ["all", 1, 2, 3]
    whole, *seeds = rows
    assert whole["difference"] == pytest.approx(np.mean([row["difference"] for row in seeds]))
    assert whole["how"] == "t over 3 seeds"
    assert whole["p_holm"] == whole["p"] < 0.05  # the only one that counts
    assert whole["better"] == "blur"
    assert [row["p_holm"] for row in seeds] == [None, None, None]


def test_a_seed_without_kept_trials_leaves_several_seeds_undecided(tmp_path: Path, capsys) -> None:
    """Else a number of one training would stand beside the values of three, and might say the opposite."""
    for seed in (0, 1, 2):
        results.write(_scored("blur", *_similar(seed + 50, 0.8), tmp_path, seed), tmp_path / "records")
        kept = tmp_path if seed == 0 else tmp_path / "gone"
        results.write(_scored("masking", *_similar(seed, 0.3), kept, seed), tmp_path / "records")
    whole, *_ = _rows(capsys, "--store", tmp_path)
    assert (whole["seed"], whole["p"], whole["better"]) == ("all", None, "")
    assert whole["how"].endswith("2 of 3 seeds")
    assert whole["difference"] == pytest.approx(whole["value_first"] - whole["value_second"])


def test_numbers_of_different_versions_of_an_attack_decide_nothing(tmp_path: Path) -> None:
    pairs = _similar(0, 0.2), _similar(1, 0.9)
    for versions, better in (((4, 4), True), ((3, 4), False), ((4, 3), False)):
        store = tmp_path / "-".join(map(str, versions))
        records = [
            _scored(method, *pair, store, seed).model_copy(update={"versions": {"lfw": version}, "attackers": ("lfw",)})
            for method, pair, version in zip(("masking", "blur"), pairs, versions, strict=True)
            for seed in (0, 1, 2)
        ]
        (table,) = compare(records, store)
        (line,) = table.lines
        assert line.adjusted is not None
        assert bool(line.better) is better
        assert any("version 3 of the attack" in note for note in table.notes) is not better


def test_methods_without_a_seed_in_common_are_told_and_not_compared(tmp_path: Path) -> None:
    (table,) = compare([record("masking", seed=0), record("blur", seed=1)], tmp_path)
    assert table.lines == ()
    assert "masking and blur: not compared, no seed in common" in table.notes or (
        "blur and masking: not compared, no seed in common" in table.notes
    )


def test_of_unreliable_numbers_none_is_called_better(tmp_path: Path) -> None:
    failed = (Check(name="train", passed=False, says="did not learn", guards="utility"),)
    pairs = _similar(0, 0.2), _similar(1, 0.9)
    for flaw, told in (({"checks": failed}, "masking is unreliable: train: did not learn"), ({}, "")):
        store = tmp_path / ("flawed" if flaw else "sound")
        records = [
            _scored(*each)
            for seed in (0, 1, 2)
            for each in (("masking", *pairs[0], store, seed), ("blur", *pairs[1], store, seed))
        ]
        records = [r.model_copy(update=flaw) if r.method == "masking" else r for r in records]
        (table,) = compare(records, store)
        (line,) = table.lines
        assert line.adjusted is not None
        assert line.adjusted < 0.05
        assert (line.unreliable, line.better) == ((True, "") if flaw else (False, "blur"))
        assert (told in table.notes) == bool(flaw)
    (table,) = compare([record("masking", failed=True), record("blur")], tmp_path)  # the bound guards leakage only
    assert [line.unreliable for line in table.lines] == [line.measure.side == "privacy" for line in table.lines]


def test_memorisation_is_not_compared_with_leakage(tmp_path: Path) -> None:
    measure = LEAK.model_copy(update={"name": "memorised"})
    gan = record("gan", sourced=False)
    made = tuple(
        score.model_copy(update={"measure": measure, "on": "memorisation"}) if score.measure == LEAK else score
        for score in gan.scores[:2]
    )
    (table,) = compare([gan.model_copy(update={"scores": made}), record("masking")], tmp_path)
    assert [line.measure.name for line in table.lines] == ["accuracy"]
    assert any("leakage not compared" in note for note in table.notes)


def test_trials_of_another_run_are_told_and_not_used(tmp_path: Path) -> None:
    one = _scored("masking", *_similar(0, 0.3), tmp_path)
    other = _scored("blur", *_similar(1, 0.8), tmp_path)
    score = other.scores[0].model_copy(update={"value": 0.5})
    (table,) = compare([one, other.model_copy(update={"scores": (score,)})], tmp_path)
    assert table.lines[0].difference.p is None
    assert any("those of another run" in note for note in table.notes)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("maskin", "noise"), "method maskin: there is no record of it; expected masking"),
        (("masking",), "expected two methods or more, or --against METHOD"),
        (("masking", "--against", "masking"), "without such a pair"),
        (("--records", "nowhere"), "expected at least one record"),
        (("--out", "nowhere/out.md"), "there is no folder"),
        (("masking", "\x1b[31mred", "noise"), "there is no record of it"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_sentence(store: Path, capsys, arguments, told: str) -> None:
    assert main(["compare", "--store", str(store), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert told in error
    assert "\x1b" not in error


def test_a_name_that_several_methods_have_is_not_guessed(tmp_path: Path) -> None:
    variants = [record("masking", parameters={"ratio": r}, name=f"m{r}") for r in (0.5, 0.75)]
    with pytest.raises(CompareError, match=r"2 methods .* 'masking \(ratio=0.5\)'"):
        compare([*variants, record("blur")], tmp_path, against="masking")
    (table,) = compare([*variants, record("blur")], tmp_path, against="masking (ratio=0.5)")
    assert {line.first for line in table.lines} == {"masking (ratio=0.75)", "blur"}


def test_too_many_methods_have_to_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "MOST", 3)
    records = [record(f"m{n}") for n in range(4)]
    with pytest.raises(CompareError, match="at most 3 methods"):
        compare(records, tmp_path)
    assert len(compare(records, tmp_path, methods=["m0", "m1", "m2"])) == 1
    assert len(compare(records, tmp_path, against="m0")) == 1


@pytest.mark.parametrize(
    "text", ["=cmd()", "a|b", "<script>x</script>", "\x1b[31mred", "::error::x", "[a](javascript:x)"]
)
def test_hostile_names_stay_text_in_every_format(text: str, tmp_path: Path, capsys) -> None:
    for n, method in enumerate((text, "b")):
        results.write(record(method, name=f"r{n}", dataset=text, recipe=text), tmp_path / "records")
    shown = {}
    for format in ("md", "csv", "json", None):
        assert main(["compare", "--store", str(tmp_path), *(["--format", format] if format else [])]) == 0
        shown[format] = capsys.readouterr().out
        assert "\x1b" not in shown[format].replace("\\u001b", "")
    assert "](" not in shown["md"]
    assert "<script" not in shown["md"].replace("\\<", "")
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in shown["md"].splitlines() if line.startswith("|")}
    assert widths == {13}
    assert "::error" not in shown[None]
    for row in csv.reader(io.StringIO(shown["csv"])):
        assert not any(cell.startswith("=") for cell in row)


def test_scores_that_were_asked_for_are_made_again_from_the_store(store: Path, capsys) -> None:
    assert main(["verify", "--store", str(store)]) == 0
    shown = capsys.readouterr().out
    for path in (store / "records").glob("*.json"):
        scores = results.read(path).scores
        assert {"rank-1", "auc"} <= {score.measure.name for score in scores}
        assert f"{len(scores)} of {len(scores)} scores re-computed" in shown


def test_one_seed_calls_no_method_better(tmp_path: Path, capsys) -> None:
    for seed in (0, 1):
        pair = ("masking", *_similar(seed, 0.2)), ("blur", *_similar(seed + 50, 0.9))
        for each in pair:
            results.write(_scored(*each, tmp_path, seed), tmp_path / f"{seed + 1}")
    (row,) = _rows(capsys, "--store", tmp_path, "--records", tmp_path / "1")
    assert row["p_holm"] < 0.001
    assert row["better"] == ""
    assert main(["compare", "--store", str(tmp_path), "--records", str(tmp_path / "1")]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "needs more seeds" in shown
    assert "1 of 1 comparisons are of one seed" in shown


def test_a_number_of_an_earlier_version_of_its_metric_decides_nothing(tmp_path: Path) -> None:
    records = [
        _scored(method, *_similar(seed + of, apart), tmp_path, seed, metric_versions={"accuracy": version})
        for of, (method, apart, version) in enumerate((("masking", 0.2, 2), ("blur", 0.9, 1)))
        for seed in (0, 1)
    ]
    (table,) = compare(records, tmp_path)
    assert [(line.unreliable, line.better) for line in table.lines] == [(True, "")]
    assert any("accuracy: version 1 of the metric, version 2 in other records" in note for note in table.notes)
