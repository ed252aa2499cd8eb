"""`bench run` with nothing given: four rows, a sentence made from their numbers, a picture; one row with bounds."""

from __future__ import annotations

import re
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from facebench.bench.cli import story
from facebench.bench.cli.main import main
from facebench.bench.cli.summary import bounds_of
from facebench.reports.board.leaderboard import board
from facebench.reports.pictures.shows import shows
from facebench.reports.result import ledger
from facebench.reports.result import record as results
from facebench.reports.result.record import Check, RunRecord
from made_up import record

SMALL = ("synthetic.people=40", "synthetic.images=3", "synthetic.pairs=20", "roles={G: 0.2, A: 0.3, P: 0.3, H: 0.2}",
         "recognizer.steps=2", "recognizer.batch=8", "judge.steps=2", "judge.batch=8")  # fmt: skip


def run(store: Path, *words: str) -> int:
    return main(
        ["run", "--store", str(store), "--tracking-uri", "none", "--attacks", "ignorant", *words, "--set", *SMALL]
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After the first run."""
    folder = tmp_path_factory.mktemp("first") / "runs"
    assert run(folder, "-q") in (0, 1)
    return folder


def test_nothing_given_runs_four_methods_that_share_stages_and_tells_of_all(store: Path, capsys: Any) -> None:
    records = ledger.load(store / "records")
    assert sorted(each.method for each in records) == sorted(story.METHODS)
    assert len(list((store / "stages" / "judge").glob("[0-9a-f]*"))) == 1
    assert len(list((store / "stages" / "embed").glob("original/[0-9a-f]*"))) == 1
    assert not (store / "stages" / "fit").exists()
    capsys.readouterr()
    assert run(store, "-q") in (0, 1)
    told = capsys.readouterr().out
    rows = [line.split()[0] for line in told.splitlines()[2:6]]
    assert sorted(rows) == sorted(story.METHODS)
    assert all("ignorant" in line for line in told.splitlines()[2:6])
    assert f"picture {(store / story.PICTURE).absolute()}" in told
    assert shows(store / story.PICTURE) == "drawn faces"


def test_once_it_is_done_it_is_shown_again_without_waiting_for_torch(store: Path) -> None:
    words = ["run", "-q", "--store", str(store), "--tracking-uri", "none", "--attacks", "ignorant", "--set", *SMALL]
    code = f"from facebench.bench.cli.main import main; import sys; main({words!r}); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, "picture" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("words", [["--method", "noise"], ["--recipe", "quick"], ["--dataset", "synthetic"]])
def test_whoever_says_what_to_run_gets_that(store: Path, words: list[str], capsys: Any) -> None:
    assert run(store, *words, "--dry-run") == 0
    told = capsys.readouterr().out
    assert len(re.findall(r"(\w+) on synthetic, seed 0", told)) == 1
    capsys.readouterr()
    assert run(store, "--dry-run", "--seed", "0") == 0  # a seed is no choice of a method
    assert len(re.findall(r"(\w+) on synthetic, seed 0", capsys.readouterr().out)) == 4


def test_of_one_row_the_bounds_of_the_store_stand_beside(store: Path, capsys: Any) -> None:
    assert run(store, "-q", "--method", "facemae") in (0, 1)
    told = capsys.readouterr().out
    head = next(line for line in told.splitlines() if "chance" in line).split()
    assert head[-4:] == ["chance", "original", "noise", "n"]
    noise = next(each for each in ledger.load(store / "records") if each.method == "noise")
    value = noise.score("accuracy", "lfw_like").value
    assert f"{value:.1%}" in next(line for line in told.splitlines() if "accuracy    lfw_like" in line).split()
    assert story.PICTURE not in told


def test_the_picture_is_drawn_when_rows_are_new_and_opened_where_somebody_looks(
    store: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(story, "somebody_looks", lambda: True)
    (store / story.PICTURE).unlink()
    assert run(store) in (0, 1)
    assert opened == [(store / story.PICTURE).absolute().as_uri()]
    before = (store / story.PICTURE).stat().st_mtime_ns
    assert run(store) in (0, 1)  # nothing is new: neither drawn nor opened again
    assert (len(opened), (store / story.PICTURE).stat().st_mtime_ns) == (1, before)
    (store / story.PICTURE).unlink()
    assert run(store, "-q") in (0, 1)
    assert len(opened) == 1


def test_nobody_looks_without_a_terminal_without_a_screen_or_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert not story.somebody_looks()
    monkeypatch.setenv("DISPLAY", ":0")
    assert story.somebody_looks()
    monkeypatch.setenv("CI", "true")
    assert not story.somebody_looks()
    monkeypatch.delenv("CI")
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    assert not story.somebody_looks()


def said(masking: tuple[float, float], facemae: tuple[float, float]) -> str:
    rows = [
        record("masking", accuracy=masking[0], leak=masking[1]),
        record("facemae", accuracy=facemae[0], leak=facemae[1]),
    ]
    (group,) = board([record("original", accuracy=0.9, leak=1.0), *rows, record("noise", accuracy=0.6, leak=0.01)])
    return story.sentence(group)


def test_the_sentence_follows_from_the_numbers() -> None:
    told = said((0.7, 0.02), (0.8, 0.2))
    assert told.startswith("Of what original faces are worth above noise (60.0% to 90.0% right), facemae keeps 67%")
    assert "lets 20.0% of the faces be found; masking keeps 33% and lets 2.0% of the faces be found" in told
    assert told.endswith("facemae is more useful and leaks more than masking.")
    assert said((0.7, 0.2), (0.8, 0.02)).endswith("facemae is more useful and leaks less than masking.")
    assert said((0.8, 0.02), (0.7, 0.2)).endswith("masking is more useful and leaks less than facemae.")
    assert said((0.7, 0.2), (0.71, 0.02)).endswith(
        "leaks less than masking, while usefulness does not tell them apart."
    )
    assert said((0.7, 0.1), (0.8, 0.1)).endswith(
        "facemae is more useful than masking, while leakage does not tell them apart."
    )
    assert said((0.7, 0.1), (0.71, 0.1)).endswith("facemae and masking are not told apart.")


def test_a_row_that_may_be_worth_nothing_is_said_to_be() -> None:
    told = said((0.61, 0.02), (0.8, 0.2))
    assert "masking keeps 3%, which may be none, and" in told and "facemae keeps 67% and" in told
    (group,) = board([record("masking"), record("facemae")])
    assert story.sentence(group) == "Not all rows have numbers, so there is nothing to say of them together."


def test_the_table_tells_which_rows_are_not_to_be_relied_on() -> None:
    checks = (Check(name="judge on clear pairs", passed=False, says="expected 90 %", guards="privacy"),)
    flawed = [
        record(name, accuracy=a, checks=checks) for name, a in (("masking", 0.61), ("original", 0.9), ("noise", 0.6))
    ]
    (group,) = board(flawed)
    told = story.table(group)
    assert told.count("unreliable") == 1
    assert "all: unreliable: judge on clear pairs" in told
    assert "masking: no utility shown" in told


def bound(folder: Path, method: str, **more: Any) -> RunRecord:
    made = record(method, **{"name": f"lfw-quick-{method}-aaaa-seed{more.get('seed', 0)}", **more})
    results.write(made, folder)
    return made


def test_bounds_are_the_newest_that_may_be_compared(tmp_path: Path) -> None:
    mine = record("masking")
    assert bounds_of(mine, tmp_path) == {}
    noise = bound(tmp_path, "noise")
    bound(tmp_path, "original", recipe_hash="another")
    bound(tmp_path, "noise", seed=1)
    assert bounds_of(mine, tmp_path) == {"noise": noise}
    newer = bound(tmp_path, "noise", name="lfw-quick-noise-bbbb-seed0", created="2026-02-01T00:00:00+00:00")
    (tmp_path / "lfw-quick-original-cccc-seed0.json").write_text("{")
    assert bounds_of(mine, tmp_path) == {"noise": newer}
    assert bounds_of(newer, tmp_path) == {}
