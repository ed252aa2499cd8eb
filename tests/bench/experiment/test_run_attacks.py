"""A run with every attacker of the suite, from the command line to the record, and what of it the record keeps."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from facebench.bench.attacks.ignorant import Ignorant
from facebench.bench.attacks.parrot import Parrot
from facebench.bench.cli.main import main
from facebench.bench.plan.plan import Plan, plan
from facebench.methods.base import MethodError
from facebench.reports.result import record as results

TINY = """
synthetic: {people: 60, images: 3, pairs: 20}
recognizer: {architecture: small, dim: 32, steps: 2, batch: 8}
judge: {architecture: small, dim: 32, steps: 3, batch: 8}
attacks:
  - ignorant
  - other_image
  - ensemble
  - {use: alignment, maps: [procrustes]}
  - parrot
  - {use: distillation, steps: 3, batch: 8}
  - {use: restore, steps: 2, batch: 4, width: 8}
  - replay
  - linkage
  - membership
  - memorisation
  - consistency
"""
SEARCHES = ("ignorant", "other_image", "ensemble", "alignment", "parrot", "distillation", "restore", "linkage")
NO_SEARCH = ("membership", "memorisation", "consistency")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which masking was run once, with all attacks."""
    folder = tmp_path_factory.mktemp("attacked")
    (folder / "tiny.yaml").write_text(TINY)
    assert _run(folder) in (0, 1)
    return folder


def _run(folder: Path, *more: str) -> int:
    run = ["run", "--method", "masking", "--recipe", folder / "tiny.yaml", "--store", folder / "runs", "-q"]
    return main([*map(str, run), "--tracking-uri", "none", *more])


def _record(folder: Path) -> results.RunRecord:
    (path,) = (folder / "runs" / "records").glob("*.json")
    return results.read(path)


def test_every_search_is_told_in_full(finished: Path) -> None:
    record = _record(finished)
    assert record.attackers == (*SEARCHES[:-1], "replay", "linkage", "membership")
    assert record.not_run.keys() == {"memorisation", "consistency"}
    everywhere = {"pi_link", "residual", "dir@fpir=0.01", "dir@fpir=0.1", "eer", "auc", "d_sys"}
    everywhere |= {"tar@far=0.01", "tar@far=0.001"}
    counted = {
        "normalised",
        "gallery",
        "gallery_failures",
        "failure_rate",
        "leak_excl_failures",
        "probes_all",
        "people",
    }
    for name in SEARCHES:
        told = {score.measure.name for score in record.scores if score.on == name}
        word = "linked" if name == "linkage" else "leak"
        assert everywhere | {f"{word}@{k}" for k in (1, 5, 10)} <= told
        assert (f"{word}@1 image" in told) == (name not in ("other_image", "linkage"))
        first = record.score(f"{word}@1", name)
        assert first is not None
        assert counted <= first.detail.keys()
        assert first.chance is not None
        curves = {curve.name for curve in record.curves if curve.on == name}
        assert "cmc" in curves
        # the union of several recognizers over smaller galleries is not that of their ranks
        assert ("leak@1 by gallery size" in curves) == (name != "ensemble")
    for name in ("distillation", "restore"):
        assert record.score("leak@1", name).detail["steps"] == {"distillation": 3, "restore": 2}[name]
    for stage in record.stages:
        if stage.name.startswith("attack/"):
            assert stage.seconds > 0
    for score in record.scores:
        assert score.value is not None or score.note


def test_the_record_says_who_learned_what_from_whom_and_with_which_recognizers(finished: Path) -> None:
    record = _record(finished)
    for name in ("alignment", "parrot", "distillation", "restore"):
        score = record.score("leak@1", name)
        assert score is not None
        assert score.note.split(";")[-2].strip().startswith("chosen: ")
        assert score.detail["trained_on_people"] in (8, 12)  # seven tenths of A, or all of it, for a map
    assert record.judge["others"] == [{"kind": record.judge["kind"], "flip": True}]
    known = {entry["use"]: entry for entry in record.config["attacks"] if isinstance(entry, dict)}
    assert known["restore"]["steps"] == 2
    assert {check.name for check in record.checks} >= {"parrot against ignorant", "control on ensemble"}


def test_linkage_and_membership_are_no_headline(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = _record(finished)
    assert {score.on for score in record.scores if score.measure.headline and score.measure.side == "privacy"} == {
        *SEARCHES[:-1],
        "replay",
    }
    assert main(["report", "--store", str(finished / "runs")]) == 0
    told = capsys.readouterr().out
    assert "leak@1 parrot" in told
    assert "ignorant-only, one seed" not in told
    assert "were not run" not in told


def test_the_scores_are_made_again_from_what_attacks_kept(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--store", str(finished / "runs")]) == 0
    assert "ok" in capsys.readouterr().out


def test_the_same_again_attacks_nobody_anew(finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    before = {path: path.stat().st_mtime_ns for path in (copy / "runs" / "stages").rglob("stage.json")}
    assert _run(copy) in (0, 1)
    assert before == {path: path.stat().st_mtime_ns for path in (copy / "runs" / "stages").rglob("stage.json")}
    names = {path.relative_to(copy / "runs" / "stages").parts[:-2] for path in before}
    assert {("apply", "attacker"), ("apply", "holdout"), ("embed", "holdout-private"), ("judge-2",)} <= names


def test_who_only_searches_needs_nobody_to_learn_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert _run(tmp_path, "--attacks", "ignorant", "--set", "roles={G: 0.3, A: 0.3, P: 0.4, H: 0}") in (0, 1)
    record = _record(tmp_path)
    names = {stage.name for stage in record.stages}
    assert not {name for name in names if name.startswith(("apply/", "judge-"))}
    capsys.readouterr()
    assert main(["report", "--store", str(tmp_path / "runs")]) == 0
    absent = "other_image, ensemble, replay, alignment, parrot, distillation, restore"
    assert f"attackers who were not run: {absent}" in capsys.readouterr().out
    residual = record.score("residual", "ignorant")
    assert residual is not None
    assert residual.value is None
    assert "no such people" in residual.note


def test_attacks_are_named_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(attacks="all").attacks == (*SEARCHES[:-1], "replay", *SEARCHES[-1:], *NO_SEARCH)
    assert main(["run", "--dry-run", "--method", "noise", "--attacks", "all", "--store", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    for name in ("attack/parrot", "attack/restore", "apply/attacker", "judge-2"):
        assert name in told
    assert main(["run", "--dry-run", "--attacks", "ignorent", "--store", str(tmp_path)]) == 2
    assert "ignorant" in capsys.readouterr().err


def test_all_attacks_are_those_that_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "attacks"]) == 0
    told = capsys.readouterr().out
    folder = Path(__file__).resolve().parents[3] / "bench" / "attacks"
    plugins = {path.stem for path in folder.glob("*.py") if "(Attack):" in path.read_text()}
    assert all(name in told for name in plugins)
    assert plugins == set(plan(attacks="all").attacks)


def test_a_plan_without_attacks_names_those_that_every_board_needs() -> None:
    """As hashes of records are made of it, in this order."""
    expected = ("ignorant", "other_image", "alignment", "replay", "memorisation", "consistency")
    assert Plan().attacks == expected


def test_a_method_that_fails_on_the_attackers_people_is_no_method_that_withstood_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    few = ["--method", "ksame", "--set", "method.k=20", "roles={G: 0.25, A: 0.1, P: 0.55, H: 0.1}"]
    assert _run(tmp_path, "--attacks", "ignorant", "alignment", *few) in (0, 1)
    record = _record(tmp_path)
    assert record.not_run["alignment"].startswith("not measured: the method failed on people of the attacker's own")
    assert "expected at least k = 20 faces" in caplog.text
    assert (record.score("residual", "ignorant") or record.scores[0]).value is None


def test_another_judge_without_its_preprocessing_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "other.onnx").write_bytes(b"")
    judges = f"judges=[{{embedder: {tmp_path / 'other.onnx'}}}]"
    assert _run(tmp_path, "--attacks", "ensemble", "--set", judges) == 2
    told = capsys.readouterr().err
    assert "judges.0.preprocessing: other.onnx needs its preprocessing declared" in told
    assert "--set 'judges=[{embedder: FILE, preprocessing: NAME}]'" in told


def test_hashes_of_published_records_stay_as_they_were() -> None:
    assert not {"judges", "known_faces"} & Plan().compared().keys()
    assert Plan(known_faces=9).compared()["known_faces"] == 9


def test_a_method_that_fails_while_it_is_attacked_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise MethodError("out of memory at /home/somebody")

    monkeypatch.setattr(Parrot, "run", fail)
    (tmp_path / "tiny.yaml").write_text(TINY)
    assert _run(tmp_path, "--attacks", "ignorant", "parrot") in (0, 1)
    record = _record(tmp_path)
    assert record.not_run["parrot"].startswith("not measured: the method failed when the attacker applied it")
    assert "somebody" not in record.model_dump_json()
    assert "out of memory at /home/somebody" in caplog.text
    assert record.versions == {"ignorant": Ignorant.version}
