"""The leaderboard: what may be compared, what is marked, what is never made up."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from facebench.reports import ledger, render
from facebench.reports.leaderboard import board
from facebench.reports.record import RecordError, write
from made_up import record


def test_seeds_of_one_method_are_one_row_with_mean_and_spread() -> None:
    (group,) = board([record(seed=0, accuracy=0.80), record(seed=1, accuracy=0.84), record(seed=2, accuracy=0.82)])
    (row,) = group.rows
    cell = row.cells["lfw", "accuracy"]
    assert (cell.mean, cell.values, row.seeds) == (pytest.approx(0.82), (0.80, 0.84, 0.82), (0, 1, 2))
    assert cell.sd == pytest.approx(0.02)
    assert "one seed" not in row.marks
    assert "82.0 (sd 2.0)" in render.markdown((group,))


def test_one_seed_shows_its_interval_and_is_marked() -> None:
    (group,) = board([record()])
    assert "one seed" in group.rows[0].marks
    assert "80.0 [76.6, 83.0]" in render.markdown((group,))


@pytest.mark.parametrize("other", [{"recipe_hash": "zzzz"}, {"data_hash": "zzzz"}, {"dataset": "celeba"}])
def test_rows_of_another_recipe_or_other_data_never_share_a_table(other: dict[str, str]) -> None:
    assert len(board([record("masking"), record("blur", **other)])) == 2


def test_the_headline_is_the_worst_attack_and_says_which() -> None:
    (group,) = board([record(leak=0.3)])
    assert (group.rows[0].worst.on, group.rows[0].worst.mean) == ("ignorant", 0.3)
    assert "30.0 (ignorant)" in render.markdown((group,))


def test_the_front_holds_the_rows_nobody_beats_and_no_bounds() -> None:
    (group,) = board(
        [
            record("original", accuracy=0.95, leak=1.0),
            record("noise", accuracy=0.5, leak=0.01),
            record("a", accuracy=0.9, leak=0.3),
            record("b", accuracy=0.8, leak=0.1),
            record("c", accuracy=0.79, leak=0.2),
        ]
    )
    assert [row.method for row in group.rows] == ["original", "a", "b", "c", "noise"]
    assert {row.method for row in group.rows if row.front} == {"a", "b"}


def test_rows_of_one_method_are_told_apart_by_what_differs() -> None:
    records = [record("facemae", parameters={"compose": c, "ratio": 0.75}) for c in ("rebuilt", "pasted")]
    assert {row.label for row in board(records)[0].rows} == {"facemae (compose=rebuilt)", "facemae (compose=pasted)"}


def test_marks_and_reasons() -> None:
    (group,) = board([record(failed=True)])
    assert {"unreliable", "ignorant-only"} <= set(group.rows[0].marks)
    assert "is unreliable: judge on clear pairs" in render.markdown((group,))
    (group,) = board([record(attackers=("ignorant", "parrot"))])
    assert "ignorant-only" not in group.rows[0].marks


def test_a_missing_number_is_a_dash_and_never_a_zero() -> None:
    text = render.markdown(board([record(leak=None)]))
    assert "| - |" in text
    assert " 0.0" not in text


def test_only_headline_measures_are_columns() -> None:
    assert "auc" not in render.markdown(board([record()]))


def test_csv_and_json_have_the_numbers_in_full() -> None:
    found = board([record(leak=1 / 3)])
    rows = list(csv.DictReader(io.StringIO(render.csv(found))))
    worst = next(row for row in rows if row["on"] == "ignorant")
    assert float(worst["mean"]) == 1 / 3
    assert float(worst["low"]) < 1 / 3 < float(worst["high"])
    (group,) = json.loads(render.json(found))
    assert group["rows"][0]["worst"]["mean"] == 1 / 3


def test_names_with_bars_do_not_break_the_table() -> None:
    assert "a\\|b" in render.markdown(board([record("a|b")]))


def test_the_ledger_reads_records_and_no_markers(tmp_path: Path) -> None:
    write(record(), tmp_path)
    (tmp_path / "lfw.mirror.json").write_text("{}")
    assert ledger.load(tmp_path) == [record()]
    assert ledger.load(tmp_path / "nowhere") == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"layout": 1}', '{"layout": 2}'])
def test_a_damaged_record_is_told_and_not_passed_over(tmp_path: Path, content: str) -> None:
    write(record(), tmp_path)
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(RecordError, match=r"bad\.json"):
        ledger.load(tmp_path)


def test_a_record_is_replaced_whole_and_a_failure_leaves_the_old_one(tmp_path: Path) -> None:
    path = write(record(accuracy=0.7), tmp_path)
    assert write(record(accuracy=0.8), tmp_path) == path
    assert ledger.load(tmp_path) == [record(accuracy=0.8)]
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"cannot be written .*--store"):
        write(record(), tmp_path / "file")


def test_a_number_that_is_not_finite_is_no_score() -> None:
    with pytest.raises(ValueError, match="finite"):
        record(scores=({"measure": record().scores[0].measure, "on": "lfw", "value": float("nan"), "n": 1},))
