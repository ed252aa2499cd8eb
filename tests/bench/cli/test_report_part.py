"""A board of a part of the records, drawn for a paper, and as a table for the screen."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from facebench.bench.cli import board_table, report
from facebench.bench.cli.main import main
from facebench.reports.board.chosen import chosen
from facebench.reports.board.leaderboard import board
from facebench.reports.result.record import RecordError, write
from made_up import record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = [
        record("masking", leak=0.125),
        record("facemae", leak=0.02),
        record("masking", dataset="celeba", name="c", leak=0.3),
    ]
    for each in made:
        write(each, tmp_path / "records")
    return tmp_path / "records"


def shown(capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> str:
    assert main(["report", "--records", str(folder), *options]) == 0
    return capsys.readouterr().out


def test_by_dataset_and_method(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    every = shown(capsys, folder)
    assert ("facemae" in every, "celeba" in every) == (True, True)
    part = shown(capsys, folder, "--method", "masking", "--dataset", "lfw")
    assert "| masking" in part
    assert "facemae" not in part
    assert "celeba" not in part
    assert main(["report", "--records", str(folder), "--method", "facemae", "--dataset", "celeba"]) == 2
    assert "no record is of such a dataset and such a method at once" in capsys.readouterr().err


def test_by_attack(folder: Path) -> None:
    one = record("masking", leak=0.125)
    names = {score.on for score in one.scores if score.measure.side == "privacy"}
    asked = sorted(names)[0]
    (row,) = board(chosen([one], attacks=[asked]))[0].rows
    assert {cell.on for cell in row.leaks} == {asked}
    assert {cell.on for cell in row.cells.values() if cell.measure.side == "utility"} == {
        score.on for score in one.scores if score.measure.side == "utility" and score.measure.headline
    }


def test_that_only_some_attacks_are_shown_is_said(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main(["report", "--records", str(folder), "--attack", record().attackers[0]]) == 0
    assert "alone, as asked for: others may find more" in capsys.readouterr().err


def test_an_unknown_name_gets_near_ones(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main(["report", "--records", str(folder), "--method", "facmae"]) == 2
    assert "method 'facmae': no record is of it; expected one of facemae" in capsys.readouterr().err
    with pytest.raises(RecordError, match="dataset 'casia'"):
        chosen([record()], datasets=["casia"])


@pytest.mark.parametrize("ending", report.PICTURES)
def test_a_plot_for_a_paper(folder: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"plane{ending}"
    for _ in range(2):  # an earlier one is written over
        assert main(["report", "--records", str(folder), "--plot", str(path), "--plot-width", "column"]) == 0
    assert path.read_bytes()[:5] in (b"\x89PNG\r", b"%PDF-", b"<?xml")


def test_a_plot_of_another_kind_is_refused(capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path) -> None:
    assert main(["report", "--records", str(folder), "--plot", str(tmp_path / "plane.gif")]) == 2
    assert "expected a name that ends in .png, .pdf, .svg" in capsys.readouterr().err
    assert not (tmp_path / "plane.gif").exists()


def test_a_table_for_the_screen_keeps_every_answer_at_eighty_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((80, 24)))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown(capsys, folder).splitlines()]
    assert max(map(len, lines)) <= 80
    heads = [line for line in lines if "worst leakage" in line and "method" in line]
    assert len(heads) == 2
    assert any("masking" in line and "(" in line and "1 seed" in line for line in lines)


def test_the_screen_is_the_default_only_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert shown(capsys, folder).startswith("### ")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert not shown(capsys, folder).startswith("### ")


def test_no_word_of_a_record_is_taken_for_markup() -> None:
    found = board_table.board_table(board([record("[bold]x[/bold]")]))
    assert "[bold]x[/bold]" in found
