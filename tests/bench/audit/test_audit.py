"""`bench verify` and the files that `bench report` writes: what is found, and what is left alone."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facebench.bench.attacks.ignorant import Ignorant
from facebench.bench.cli.main import main
from facebench.bench.metrics.accuracy import Accuracy
from facebench.reports.result import record as results
from facebench.reports.result import thirdparty
from made_up import attack, record

PUBLISHED = Path(__file__).resolve().parents[3] / "reports" / "records"
TINY = """
synthetic: {people: 40, images: 4, pairs: 40}
recognizer: {architecture: small, dim: 32, steps: 4, batch: 16}
judge: {architecture: small, dim: 32, steps: 4, batch: 16}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which masking was run once."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(TINY)
    run = ["run", "--method", "masking", "--recipe", str(folder / "tiny.yaml"), "--store", str(folder / "runs"), "-q"]
    assert main([*run, "--tracking-uri", "none"]) in (0, 1)
    return folder / "runs"


@pytest.fixture
def store(finished: Path, tmp_path: Path) -> Path:
    """A copy to do harm to."""
    return Path(shutil.copytree(finished, tmp_path / "runs"))


@pytest.fixture
def verify(store: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Verify the store's records; gives what was said."""

    def run(code: int, *more: str) -> str:
        assert main(["verify", "--store", str(store), *more]) == code
        said = capsys.readouterr()
        return said.out if code < 2 else said.err

    return run


def _path(store: Path) -> Path:
    (path,) = (store / "records").glob("*.json")
    return path


def _rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """A record changed by somebody who makes a new digest."""
    content = results.read(path).model_dump(mode="json")
    change(content)
    path.unlink()
    written = results.write(results.RunRecord.model_validate(content), path.parent)
    written.rename(path)


def _score(content: dict[str, Any], measure: str) -> dict[str, Any]:
    return next(score for score in content["scores"] if score["measure"]["name"] == measure)


def test_a_record_whose_stages_are_there_is_made_again_score_by_score(verify: Callable[..., str], store: Path) -> None:
    kept = results.read(_path(store))
    scores, stages = len(kept.scores), len(kept.stages)
    assert verify(0).splitlines() == [
        f"{kept.name}: ok; {scores} of {scores} scores re-computed from {stages} of {stages} stages",
        "1 of 1 are sound",
    ]


def test_a_record_whose_stages_are_gone_says_so(verify: Callable[..., str], store: Path) -> None:
    shutil.rmtree(store / "stages" / "attack")
    gone = "attack/ignorant, attack/other_image, attack/alignment, attack/replay"
    assert f"; not in this store: {gone}\n" in verify(0)
    shutil.rmtree(store / "stages")
    assert f"{_path(store).stem}: ok; not re-computed: stages not in this store" in verify(0)


def test_published_records_are_sound(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for folder in (PUBLISHED, PUBLISHED / "ablation"):
        assert main(["verify", "--records", str(folder), "--store", str(tmp_path)]) == 0
        said = capsys.readouterr().out
        assert said.count(": ok; not re-computed: stages not in this store") == len(list(folder.glob("*.json")))


def test_an_edit_by_hand_is_found_by_the_digest_and_the_others_are_looked_at(
    verify: Callable[..., str], store: Path
) -> None:
    results.write(record(), store / "records")
    path = store / "records" / "lfw-quick-masking-0.json"
    path.write_text(path.read_text().replace('"value": 0.8', '"value": 0.9', 1))
    said = verify(1)
    assert "lfw-quick-masking-0: FAILS\n" in said
    assert "its content was changed after it was written" in said
    assert f"{_path_of(store, 'masking-').stem}: ok;" in said
    assert "1 of 2 are sound, 1 FAIL" in said


def _path_of(store: Path, part: str) -> Path:
    return next(path for path in (store / "records").glob("synthetic-*.json") if part in path.name)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a value": (lambda c: _score(c, "leak@5").update(value=0.0, intervals=[]), "leak@5 on ignorant: value: expected"),
    "an n": (lambda c: _score(c, "accuracy").update(n=41), "accuracy on lfw_like: n: expected 40, got 41"),
    "a chance": (lambda c: _score(c, "leak@1").update(chance=0.5), "leak@1 on ignorant: chance: expected"),
    "an interval": (lambda c: _score(c, "eer").update(intervals=[]), "eer on lfw_like: intervals: expected"),
    "a headline": (
        lambda c: _score(c, "leak@1")["measure"].update(headline=False),
        "leak@1 on ignorant: headline of the measure: expected True, got False",
    ),
    "a side": (lambda c: _score(c, "eer")["measure"].update(side="cost"), "side of the measure: expected utility"),
    "a detail": (lambda c: _score(c, "eer")["detail"].update(auc=0.99), "eer on lfw_like: detail auc: expected"),
    "a score left out": (lambda c: c["scores"].remove(_score(c, "leak@1")), "leak@1 on ignorant: expected"),
    "a score more": (
        lambda c: c["scores"].append(json.loads(json.dumps(_score(c, "leak@1")).replace("leak@1", "leak@2"))),
        "leak@2 on ignorant: expected no such score",
    ),
    "the judge's skill": (lambda c: c["judge"]["clear"].update(lfw_like=0.99), "judge on clear lfw_like: expected"),
    "a check": (
        lambda c: c["checks"][0].update(passed=not c["checks"][0]["passed"]), "check judge on clear pairs: expected"
    ),
    "the recipe": (lambda c: c["config"]["recognizer"].update(steps=5000), "recipe_hash: expected"),
    "the method": (lambda c: c["method_spec"].update(version=99), "name: expected"),
    "the seed": (lambda c: c.update(seed=7), "-seed7 of its content"),
    "a stage out of the store": (lambda c: c["stages"][0].update(name="../.."), "stage '../..': expected a name"),
    "a key out of the store": (lambda c: c["stages"][0].update(key="../../x"), "expected a name and a key"),
    "an attacker who was held against no bound": (
        lambda c: c["checks"].remove(next(check for check in c["checks"] if "against ignorant" in check["name"])),
        "check alignment against ignorant: expected",
    ),
    "an attack": (lambda c: c["config"].update(attacks=["other_image"]), "stage attack/ignorant: expected the attack"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_differs_is_told_though_the_digest_was_made_anew(
    verify: Callable[..., str], store: Path, change: str
) -> None:
    do, says = CHANGES[change]
    path = _path(store)
    _rewritten(path, do)
    said = verify(1)
    assert f"{path.stem}: FAILS" in said
    assert says in said


def test_a_stage_that_was_changed_is_found_whatever_its_time_stamp(verify: Callable[..., str], store: Path) -> None:
    (path,) = (store / "stages" / "attack" / "ignorant").rglob("ranks.npz")
    state = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert "ranks.npz was changed after it was made" in verify(1)


def test_inputs_that_do_not_give_the_key_are_found(verify: Callable[..., str], store: Path) -> None:
    (path,) = (store / "stages" / "verify" / "lfw_like").rglob("stage.json")
    trace = json.loads(path.read_text())
    trace["inputs"]["weights"] = "0" * 16
    path.write_text(json.dumps(trace))
    assert "stage verify/lfw_like in" in verify(1)


def test_a_plug_in_that_is_not_installed_is_told_and_is_no_failure(verify: Callable[..., str], store: Path) -> None:
    path = _path(store)
    content = results.read(path).model_dump(mode="json")
    (old,) = (store / "stages" / "verify" / "lfw_like").glob("[0-9a-f]*")
    assert old.is_dir()
    content["config"]["metrics"] = ["from_elsewhere"]
    results.write(results.RunRecord.model_validate(content), path.parent)
    said = verify(1)  # the recipe's hash differs, too
    assert "not re-computed: verify/lfw_like: " in said
    assert "no metric" in said


def test_an_attack_of_others_is_checked(verify: Callable[..., str], store: Path) -> None:
    kept = record(name=_path(store).stem)
    shutil.rmtree(store / "records")
    results.write(kept, store / "records")
    path = thirdparty.write(attack(kept), kept, store / "records")
    assert f"{kept.name}, attack inversion: ok; fits its record; not re-computed: made elsewhere" in verify(1)
    path.write_text(path.read_text().replace('"n": 400', '"n": 40'))
    assert "attack: FAILS\n" in (said := verify(1))
    assert "scores.0.n: expected 400 probes" in said


def test_as_json_every_finding_is_there(verify: Callable[..., str], store: Path) -> None:
    (verdict,) = json.loads(verify(0, "--format", "json"))
    assert (verdict["findings"], verdict["digest"]) == ([], results.read(_path(store)).digest)


def test_a_folder_without_records_cannot_be_verified(verify: Callable[..., str], tmp_path: Path) -> None:
    assert "expected at least one record, got none" in verify(2, "--records", str(tmp_path / "nowhere"))


@pytest.mark.parametrize("form", [[], ["--format", "json"]], ids=" ".join)
@pytest.mark.parametrize("sound", [True, False])
def test_the_earlier_spelling_does_the_same_and_says_its_name(
    store: Path, capsys: pytest.CaptureFixture[str], form: list[str], sound: bool
) -> None:
    if not sound:
        _path(store).write_text(_path(store).read_text().replace('"seed": 0', '"seed": 1'))
    capsys.readouterr()
    code = main(["verify", "--store", str(store), "-q", *form])
    said = capsys.readouterr()
    assert (code, said.err) == (0 if sound else 1, "")
    assert main(["report", "--verify", "--store", str(store), *form]) == code
    earlier = capsys.readouterr()
    assert earlier.out == said.out
    assert "`bench report --verify` is called `bench verify` now" in earlier.err


@pytest.mark.parametrize("option", ["--compact", "--out=x", "--plot=x", "--from-mlflow=x", "--format=csv"])
def test_options_that_make_a_board_do_not_go_with_the_earlier_spelling(
    store: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    assert main(["report", "--verify", "--store", str(store), option]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert option.partition("=")[0] in said.err
    assert "with --verify" in said.err


def test_a_mark_outlives_a_run_that_gives_the_record_anew(store: Path) -> None:
    (recipe := store.parent / "tiny.yaml").write_text(TINY)
    again = ["run", "--method", "masking", "--recipe", str(recipe), "--store", str(store), "-q"]
    again += ["--tracking-uri", "none"]
    mark = {"reason": "wrong", "link": None}
    path = _path(store)
    path.write_text(json.dumps({**json.loads(path.read_text()), "unreliable": mark}))
    before = path.read_bytes()
    assert main(again) in (0, 1)
    assert path.read_bytes() == before  # equal but for the mark
    _rewritten(path, lambda content: content.update(notes=["another"]))
    assert main(again) in (0, 1)
    assert results.read(path).unreliable.reason == "wrong"
    assert results.read(path).notes == ()


@pytest.fixture
def board(finished: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(code: int, *more: str) -> str:
        assert main(["report", "--store", str(finished), *more]) == code
        said = capsys.readouterr()
        return said.out if code == 0 else said.err

    return run


@pytest.mark.parametrize("form", ["md", "csv", "json", "latex"])
def test_a_board_is_written_and_an_earlier_one_is_replaced(
    board: Callable[..., str], tmp_path: Path, form: str
) -> None:
    out = tmp_path / "board"
    assert board(0, "--format", form, "--out", str(out)) == ""
    assert out.read_text() == board(0, "--format", form)
    out.write_bytes(out.read_bytes()[:200])
    board(0, "--format", form, "--out", str(out))
    assert out.read_text() == board(0, "--format", form)
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("option", ["--out", "--plot"])
def test_nothing_else_is_overwritten(board: Callable[..., str], tmp_path: Path, option: str) -> None:
    (tmp_path / "notes.md").write_text("# mine")
    assert "a file is there that `bench report` did not write" in board(2, option, str(tmp_path / "notes.md"))
    assert (tmp_path / "notes.md").read_text() == "# mine"
    assert "got a folder or a device" in board(2, option, str(tmp_path))
    assert "there is no folder" in board(2, option, str(tmp_path / "nowhere" / "board.md"))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.md"]


def test_an_empty_file_and_the_target_of_a_link_are_written(board: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("empty")
    board(0, "--out", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "empty").read_text() == board(0)


def test_compact_is_for_tables(board: Callable[..., str]) -> None:
    assert "--compact: expected with --format md or latex" in board(2, "--compact", "--format", "csv")
    assert len(board(0, "--compact").splitlines()[2]) < len(board(0).splitlines()[2])


def test_the_kept_scores_are_what_is_verified(store: Path, verify: Callable[..., str]) -> None:
    """The stage itself made anew with other similarities: its digests hold, its numbers do not."""
    from facebench.bench.store.store import file_digest

    (path,) = (store / "stages" / "verify" / "lfw_like").rglob("scores.npz")
    with np.load(path) as kept:
        same = kept["same"]
    np.savez(path, similarity=np.where(same, 0.9, -0.9), same=same)
    trace = json.loads((path.parent / "stage.json").read_text())
    state = path.stat()
    trace["files"]["scores.npz"] = [state.st_size, state.st_mtime_ns, file_digest(path)]
    (path.parent / "stage.json").write_text(json.dumps(trace))
    assert "accuracy on lfw_like: value: expected 1.0, got" in verify(1)


def test_what_an_earlier_version_of_an_attack_made_is_not_called_wrong(
    store: Path, verify: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ignorant, "version", 99)
    told = verify(0)
    assert "attack/ignorant: made by version 5 of the attack, and this is version 99" in told


def test_what_an_earlier_version_of_a_metric_made_is_not_called_wrong(
    store: Path, verify: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Accuracy, "version", 99)
    told = verify(0)
    assert "made by version 2 of the metric, and this is version 99" in told
