"""Numbers of two versions of a metric: not ranked as one kind, and told."""

from __future__ import annotations

import pytest
from facebench.reports.board.leaderboard import board
from facebench.reports.formats import render
from facebench.reports.result.versions import metric_of, metric_version, superseded
from made_up import record


def test_measures_know_their_metric() -> None:
    assert [metric_of(name) for name in ("accuracy", "tar@far=0.01", "rank-1")] == ["accuracy", "tar", "identification"]
    assert metric_version({}, "accuracy") == 1  # of records that are older than the entry
    assert metric_version({"tar": 2}, "tar@far=0.001") == 2


def test_a_row_of_an_earlier_version_beside_a_newer_one_is_incomplete() -> None:
    old, new = record("a"), record("b", metric_versions={"accuracy": 2})
    (group,) = board([old, new])
    rows = {row.method: row for row in group.rows}
    assert rows["a"].missing == ("accuracy: version 1 of the metric, version 2 in other records; run it again",)
    assert rows["b"].missing == ()
    assert not rows["a"].front


def test_a_board_of_earlier_records_alone_says_so_and_ranks_them() -> None:
    (group,) = board([record("a"), record("b")])
    assert not any(row.missing for row in group.rows)
    shown = render.markdown((group,))
    assert "accuracy of all records is of an earlier version of the metric: folds were" in shown
    assert superseded([record("a", metric_versions={"accuracy": 2})]) == ()


def test_the_number_of_seeds_is_in_every_cell_with_a_bracket() -> None:
    one = render.markdown(board([record("a")]))
    assert "80.0 [76.6, 83.0] (1 seed)" in one
    both = render.markdown(board([record("a", seed=0), record("a", seed=1, accuracy=0.84), record("b")]))
    assert "(2 seeds)" in both
    assert "(1 seed)" in both
    assert "(sd" not in both


def test_equal_seeds_leave_the_trials_own_interval() -> None:
    (group,) = board([record("a", seed=seed) for seed in (0, 1, 2)])
    (row,) = group.rows
    accuracy, leak = row.cells["lfw", "accuracy"].bracket, row.cells["ignorant", "leak@1"].bracket
    own = record("a").scores[0].intervals[0]
    assert accuracy is not None
    assert leak is not None
    assert (accuracy.low, accuracy.high) == pytest.approx((own.low, own.high))  # the same pairs, however many seeds
    assert leak.high - leak.low < 0.06  # other probes in each: 5.9 points of one seed
