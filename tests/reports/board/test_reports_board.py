"""The leaderboard: what may be compared, what is marked, what is never made up."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from facebench.reports.board.leaderboard import board
from facebench.reports.formats import render
from facebench.reports.result import ledger
from facebench.reports.result.record import Measure, RecordError, RunRecord, Score, write
from facebench.reports.tracking import entries
from made_up import record


def _cells(text: str, label: str) -> list[str]:
    """The cells of one row of a Markdown table."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {label} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def _score(name: str, on: str, value: float | None, *, side: str = "utility", better: str = "higher", **more) -> Score:
    unit = more.pop("unit", "share")
    measure = Measure(name=name, side=side, better=better, says=f"what {name} is", headline=True, unit=unit)
    return Score(measure=measure, on=on, value=value, n=more.pop("n", 100), **more)


def test_seeds_of_one_method_are_one_row_with_mean_and_spread() -> None:
    (group,) = board([record(seed=0, accuracy=0.80), record(seed=1, accuracy=0.84), record(seed=2, accuracy=0.82)])
    (row,) = group.rows
    cell = row.cells["lfw", "accuracy"]
    assert (cell.mean, cell.values, row.seeds) == (pytest.approx(0.82), (0.80, 0.84, 0.82), (0, 1, 2))
    assert cell.sd == pytest.approx(0.02)
    assert "one seed" not in row.marks
    # what three seeds differ by, by Student's t, and what 1,000 pairs do
    assert "82.0 [76.1, 87.7] (3 seeds)" in render.markdown((group,))


def test_one_seed_shows_its_interval_and_is_marked() -> None:
    (group,) = board([record()])
    assert "one seed" in group.rows[0].marks
    assert "80.0 [76.6, 83.0] (1 seed)" in render.markdown((group,))


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


def test_of_equal_rows_both_are_on_the_front_and_of_one_better_side_only_the_better() -> None:
    (group,) = board([record("a"), record("b"), record("c", leak=0.2), record("d", accuracy=0.79)])
    assert {row.method for row in group.rows if row.front} == {"a", "b"}


def test_a_broken_attack_does_not_look_like_privacy() -> None:
    """A row that fails a sanity bound, or lacks a number, is not on the front and pushes nobody off it."""
    (group,) = board([record("a"), record("b", accuracy=0.9, leak=0.0, failed=True), record("c", leak=None)])
    assert {row.method for row in group.rows if row.front} == {"a"}
    assert [row.method for row in group.rows if "incomplete" in row.marks] == ["c"]
    assert "`c` is incomplete: leak@1 on ignorant, seed 0" in render.markdown((group,))


def test_a_row_that_is_no_better_than_noise_is_not_on_the_front() -> None:
    (group,) = board([record("noise", accuracy=0.5, leak=0.01), record("a", accuracy=0.49, leak=0.02)])
    assert not [row for row in group.rows if row.front]
    assert [row.marks[0] for row in group.rows] == ["lower bound", "ignorant-only"]


def test_utility_is_the_mean_over_sets_and_there_is_none_where_one_is_missing() -> None:
    def scored(name: str, lfw: float, cfp: float | None) -> RunRecord:
        scores = (_score("accuracy", "lfw", lfw), _score("accuracy", "cfp_fp", cfp, note="too few pairs"),
                  _score("agreement", "lfw", 0.1), _score("accuracy", "agedb", None))  # fmt: skip
        return record(name, scores=scores)

    (group,) = board([scored("a", 0.9, None), scored("b", 0.8, 0.6)])
    assert {row.method: row.utility for row in group.rows} == {"b": pytest.approx(0.7), "a": None}
    assert [row.method for row in group.rows] == ["b", "a"]  # without it last, however good one number is
    assert _cells(render.markdown((group,)), "b")[1] == "70.0"
    assert _cells(render.markdown((group,)), "a")[1] == "-"
    (a,) = [row for row in group.rows if row.method == "a"]
    assert a.missing == ("accuracy on cfp_fp, seed 0: too few pairs",)  # on agedb nobody has a number


def test_the_board_knows_no_measure_by_name_and_goes_by_what_is_better() -> None:
    def scored(name: str, error: float, found: float) -> RunRecord:
        scores = (_score("dread", "peeping", found, side="privacy", better="lower"),
                  _score("distance", "peeping", 9.0, side="privacy", better="higher", unit="nats"),
                  _score("wrongness", "any", error, better="lower"))  # fmt: skip
        return record(name, scores=scores)

    (group,) = board([scored("bad", 0.3, 0.3), scored("good", 0.1, 0.2), scored("safe", 0.2, 0.1)])
    assert group.main == group.columns[0][1]
    assert group.main.name == "wrongness"
    assert [row.method for row in group.rows] == ["good", "safe", "bad"]
    assert {row.method for row in group.rows if row.front} == {"good", "safe"}
    assert (group.rows[0].worst.measure.name, group.rows[0].worst.mean) == ("dread", 0.2)
    assert "`wrongness`: what wrongness is" in render.markdown((group,))


def test_a_seed_without_a_number_is_told_and_not_counted_as_zero() -> None:
    (group,) = board([record(seed=0, leak=0.2), record(seed=1, leak=None), record(seed=2, leak=0.4)])
    (row,) = group.rows
    assert row.worst.values == (0.2, 0.4)
    assert row.worst.mean == pytest.approx(0.3)
    assert "leak@1 on ignorant, seed 1" in row.missing


def test_of_two_runs_with_one_seed_the_newer_one_counts_whatever_the_order() -> None:
    old = record(accuracy=0.6, name="old")
    new = record(accuracy=0.7, name="new", created="2026-02-01T00:00:00+00:00")
    for records in ([old, new], [new, old]):
        assert board(records)[0].rows[0].cells["lfw", "accuracy"].values == (0.7,)


def test_versions_of_a_method_are_rows_of_their_own() -> None:
    spec = {"class": "Masking", "parameters": {}}
    rows = board([record(method_spec={**spec, "version": version}) for version in (1, 2)])[0].rows
    assert {row.label for row in rows} == {"masking (version=1)", "masking (version=2)"}


def test_n_is_told_as_a_range_where_rows_differ() -> None:
    scores = [(_score("accuracy", "lfw", 0.8, n=n, chance=0.5),) for n in (600, 590)]
    text = render.markdown(board([record("a", scores=scores[0]), record("b", scores=scores[1])]))
    assert "lfw: n = 590 to 600, chance 50.0" in text


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
    assert _cells(text, "masking")[2:5] == ["-", "-", "-"]
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


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@sum"])
def test_a_name_is_no_formula_for_a_spreadsheet(name: str) -> None:
    (row, *_) = csv.DictReader(io.StringIO(render.csv(board([record(dataset=name)]))))
    assert row["dataset"] == f"'{name}"


def test_a_name_is_no_html_and_no_link() -> None:
    text = render.markdown(board([record(dataset="<img src=x> [a](http://b) \n# c")]))
    assert "\\<img" in text
    assert "](" not in text
    assert "\n# c" not in text


def test_tables_have_as_many_cells_as_headings() -> None:
    (table,) = render.tables(board([record("a"), record("b", leak=None)]))
    assert {len(row) for row in table.rows} == {len(table.header)}
    assert render.tables(()) == []


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


def without(made: RunRecord, on: str, why: str) -> RunRecord:
    """The record of a run in which an attack has no result."""
    scores = tuple(score for score in made.scores if score.on != on)
    return made.model_copy(update={"scores": scores, "not_run": {on: why}, "attackers": ("other_image",)})


def test_an_attack_that_failed_was_not_withstood() -> None:
    good = record("a", leak=0.3)
    failed = without(record("b", leak=0.3), "ignorant", "not measured: training diverged")
    (group,) = board([good, failed])
    rows = {row.method: row for row in group.rows}
    assert rows["b"].missing == ("leak@1 on ignorant, seed 0: not measured: training diverged",)
    assert "incomplete" in rows["b"].marks
    assert (rows["a"].front, rows["b"].front) == (True, False)
    assert "| - |" in re.sub(" +", " ", render.markdown((group,)))
    never = without(record("b", leak=0.3), "ignorant", "does not apply: the method works for its own people only")
    (group,) = board([good, never])
    rows = {row.method: row for row in group.rows}
    assert (rows["b"].missing, rows["b"].inapplicable) == ((), ("ignorant",))
    (group,) = board([record("b", seed=1), failed])  # nor by the seeds on which it was run
    assert group.rows[0].missing == ("leak@1 on ignorant, seed 0: not measured: training diverged",)


def test_an_attack_that_failed_everywhere_counts_as_not_run() -> None:
    (group,) = board([without(record("b"), "ignorant", "not measured: no memory")])
    assert "attackers who were not run: ignorant, ensemble, " in render.markdown((group,))


def test_an_attack_that_failed_on_every_row_was_withstood_by_none() -> None:
    rows = [without(record(name, leak=0.3), "parrot", "not measured: training diverged") for name in "ab"]
    for made in (rows[:1], rows):
        (group,) = board(made)
        for row in group.rows:
            assert row.missing == ("parrot: not measured: training diverged",)
            assert "incomplete" in row.marks
            assert not row.front
    assert entries.worst_leak(rows[0]) is None
    (group,) = board([without(record("a"), "parrot", "does not apply: no sources")])
    assert group.rows[0].front


@pytest.mark.parametrize(
    "change",
    [
        {"headline": False},
        {"better": "higher"},
        {"unit": "seconds"},
        {"side": "cost"},
        {"headline": False, "side": "cost"},
    ],
)
def test_a_record_that_says_its_worst_attack_is_none_is_told_by_the_others(change: dict[str, object]) -> None:
    found = _score("leak@1", "parrot", 0.9, side="privacy", better="lower")
    hidden = found.model_copy(update={"measure": found.measure.model_copy(update=change)})
    sly, open_ = (record(name) for name in "ab")
    rows = [made.model_copy(update={"scores": (*made.scores, s)}) for made, s in ((sly, hidden), (open_, found))]
    (group,) = board(rows)
    assert [(row.worst.on, row.worst.mean) for row in group.rows] == [("parrot", 0.9)] * 2


def test_a_row_that_an_earlier_version_of_an_attack_made_is_told() -> None:
    now = record("a", versions={"ignorant": 3, "other_image": 2})
    before = record("b", leak=0.01, versions={"ignorant": 2, "other_image": 2})
    unknown = record("c", leak=0.01)
    (group,) = board([now, before, unknown])
    rows = {row.method: row for row in group.rows}
    assert (rows["a"].missing, rows["a"].front) == ((), True)
    assert rows["b"].missing == ("ignorant: version 2 of the attack, version 3 in other records; run it again",)
    assert len(rows["c"].missing) == 2
    assert "ignorant: an unknown version of the attack" in rows["c"].missing[0]
    assert not rows["b"].front
    assert not rows["c"].front
    (group,) = board([unknown, record("d")])  # nothing is known of any
    assert not any(row.missing for row in group.rows)
