"""Relative utility: what is left of what originals are worth above guessing, and where there is none to tell."""

from __future__ import annotations

import csv
import io
import json

import pytest
from facebench.reports import render
from facebench.reports.leaderboard import board
from facebench.reports.record import RunRecord, Score
from facebench.reports.relative import Relative, relative
from made_up import ACCURACY, LEAK, record


def _found(*records: RunRecord) -> dict[str, Relative | None]:
    (group,) = board(records)
    return {row.label: found for row, found in zip(group.rows, relative(group), strict=True)}


def _sets(method: str, *values: float, chance: float = 0.5, **more) -> RunRecord:
    scores = [Score(measure=ACCURACY, on=f"s{n}", value=v, n=600, chance=chance) for n, v in enumerate(values)]
    return record(method, scores=(*scores, Score(measure=LEAK, on="ignorant", value=0.1, n=400, chance=0.01)), **more)


def test_it_is_the_share_of_what_originals_are_worth_above_chance() -> None:
    found = _found(record("original", accuracy=0.9), record("masking", accuracy=0.7), record("noise", accuracy=0.48))
    assert found["original"] == Relative(1.0, None, None, None, (0,))
    assert found["masking"].value == pytest.approx(0.2 / 0.4)
    assert found["noise"].value == pytest.approx(-0.02 / 0.4)


def test_of_several_sets_the_means_count() -> None:
    found = _found(_sets("original", 0.9, 0.7), _sets("masking", 0.8, 0.6))
    assert found["masking"].value == pytest.approx((0.7 - 0.5) / (0.8 - 0.5))
    assert found["masking"].low is None  # no set has an interval
    other = _found(_sets("original", 0.9, 0.7, chance=0.6), _sets("masking", 0.8, 0.6, chance=0.6))
    assert other["masking"].value == pytest.approx((0.7 - 0.6) / (0.8 - 0.6))


def test_only_seeds_that_both_have_are_compared() -> None:
    upper = [record("original", accuracy=value, seed=seed) for seed, value in enumerate((0.9, 0.8, 0.7))]
    found = _found(*upper, record("masking", accuracy=0.65, seed=2), record("blur", accuracy=0.7, seed=7))
    assert found["masking"].value == pytest.approx(0.15 / 0.2)
    assert found["masking"].seeds == (2,)
    assert found["masking"].low is not None
    assert found["masking"].high is not None
    assert found["masking"].low < 0.75 < found["masking"].high
    assert found["blur"].value == pytest.approx(0.2 / 0.3)  # no seed in common: means
    assert (found["blur"].seeds, found["blur"].low) == ((), None)


def test_several_seeds_show_their_spread() -> None:
    upper = [record("original", accuracy=0.9, seed=seed) for seed in (0, 1)]
    found = _found(*upper, *(record(accuracy=value, seed=seed) for seed, value in ((0, 0.7), (1, 0.8))))
    assert found["masking"].value == pytest.approx(0.25 / 0.4)
    assert found["masking"].sd == pytest.approx(0.25 / 2**0.5)
    assert found["masking"].low is None


def test_the_interval_holds_what_both_may_be() -> None:
    wide = _found(record("original", accuracy=0.9), record(accuracy=0.7))["masking"]
    assert wide is not None
    assert wide.low is not None
    assert wide.high is not None
    # Wilson of 420 and 540 of 600: half-widths 0.0365 and 0.0241; sqrt(.0365^2 + (.5 * .0241)^2) / .4
    assert (wide.high - wide.low) / 2 == pytest.approx(0.0961, abs=0.0005)
    assert (wide.high + wide.low) / 2 == pytest.approx(0.5)


def test_without_originals_or_with_such_as_are_worth_nothing_there_is_none() -> None:
    assert _found(record("masking"), record("blur")) == {"masking": None, "blur": None}
    assert set(_found(record("original", accuracy=0.52), record("masking")).values()) == {None}
    assert set(_found(record("original", accuracy=None), record("masking")).values()) == {None}
    (group,) = board([record("original", accuracy=0.9), record("masking", accuracy=None)])
    assert [found and found.value for found in relative(group)] == [1.0, None]
    spread = [record("original", accuracy=value, seed=seed) for seed, value in enumerate((0.5, 0.7))]
    assert set(_found(*spread, record("masking")).values()) == {None}


def test_every_format_tells_it_and_the_tables_how_it_is_made() -> None:
    made = board([record("original", accuracy=0.9), record("masking", accuracy=0.7)])
    (shown,) = json.loads(render.json(made))
    assert {row["label"]: row["relative_utility"]["value"] for row in shown["rows"]}["masking"] == pytest.approx(0.5)
    assert "chance" in shown["relative_utility"]
    lines = csv.DictReader(io.StringIO(render.csv(made)))
    assert {line["label"]: float(line["relative_utility"]) for line in lines} == {
        "original": 1.0, "masking": pytest.approx(0.5)
    }  # fmt: skip
    text = render.markdown(made)
    assert "- relative utility in %: `masking` 50 [40, 60]. It is (utility - chance) / " in text
    assert "relative utility" not in render.markdown(made, compact=True)
    assert "relative utility" not in render.markdown(board([record("masking")]))
    alone = render.csv(board([record("masking")]))
    assert next(csv.DictReader(io.StringIO(alone)))["relative_utility"] == ""


def test_a_set_without_any_number_is_passed_over() -> None:
    empty = Score(measure=ACCURACY, on="mini", value=None, n=0)
    records = [_sets(method, value) for method, value in (("original", 0.9), ("masking", 0.7))]
    found = _found(*(each.model_copy(update={"scores": (*each.scores, empty)}) for each in records))
    assert found["masking"].value == pytest.approx(0.5)


@pytest.mark.parametrize("worst", [0.5, 0.505])
def test_where_originals_are_worth_nothing_at_the_seeds_in_common_there_is_none(worst: float) -> None:
    upper = [record("original", accuracy=value, seed=seed) for seed, value in enumerate((*[0.9] * 9, worst))]
    found = _found(*upper, record("masking", accuracy=0.6, seed=9), record("blur", accuracy=0.7, seed=3))
    assert found["masking"] is None
    assert found["blur"].value == pytest.approx(0.5)
