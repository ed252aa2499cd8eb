"""Relative utility: what is left of what originals are worth above noise, and where there is none to tell."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

import numpy as np
import pytest
from facebench.reports.board.floor import NO_UTILITY, spread
from facebench.reports.board.leaderboard import board
from facebench.reports.board.relative_utility import Relative, relative
from facebench.reports.formats import render
from facebench.reports.result.record import RunRecord, Score
from facebench.reports.statistics.intervals import wilson
from made_up import ACCURACY, LEAK, record
from scipy.stats import t


def _found(*records: RunRecord) -> dict[str, Relative | None]:
    (group,) = board(records)
    return {row.label: found for row, found in zip(group.rows, relative(group), strict=True)}


def _marks(*records: RunRecord) -> dict[str, bool]:
    return {row.label: NO_UTILITY in row.marks for row in board(records)[0].rows}


def _width(found: Relative | None) -> float:
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def _sets(method: str, *values: float, chance: float = 0.5, n: int = 600, **more: Any) -> RunRecord:
    scores = [
        Score(measure=ACCURACY, on=f"s{k}", value=v, n=n, chance=chance, intervals=(wilson(round(v * n), n),))
        for k, v in enumerate(values)
    ]
    return record(method, scores=(*scores, Score(measure=LEAK, on="ignorant", value=0.1, n=400, chance=0.01)), **more)


def _seeds(method: str, *values: float, **more: Any) -> list[RunRecord]:
    return [_sets(method, value, seed=seed, **more) for seed, value in enumerate(values)]


def test_it_is_the_share_of_what_originals_are_worth_above_noise() -> None:
    found = _found(record("original", accuracy=0.9), record("masking", accuracy=0.7), record("noise", accuracy=0.6))
    assert found["original"] == Relative(1.0, None, None, None, (0,), 1.0)
    assert found["masking"].value == pytest.approx(0.1 / 0.3)
    assert found["masking"].over_chance == pytest.approx(0.2 / 0.4)  # the older form
    assert (found["noise"].value, found["noise"].low) == (0.0, None)


def test_of_several_sets_the_means_count() -> None:
    found = _found(_sets("original", 0.9, 0.7), _sets("masking", 0.8, 0.6), _sets("noise", 0.6, 0.5))
    assert found["masking"].value == pytest.approx((0.7 - 0.55) / (0.8 - 0.55))
    assert found["masking"].over_chance == pytest.approx(0.2 / 0.3)


def test_only_seeds_that_all_three_have_are_compared() -> None:
    upper = [record("original", accuracy=value, seed=seed) for seed, value in enumerate((0.9, 0.8, 0.7))]
    noise = [record("noise", accuracy=value, seed=seed) for seed, value in ((1, 0.6), (2, 0.55), (3, 0.1))]
    masking = [record("masking", accuracy=value, seed=seed) for seed, value in ((0, 0.2), (2, 0.6))]
    found = _found(*upper, *noise, *masking, record("blur", accuracy=0.7, seed=7))
    assert (found["masking"].seeds, found["masking"].value) == ((2,), pytest.approx(0.05 / 0.15))
    assert found["masking"].over_chance == pytest.approx((0.4 - 0.5) / (0.8 - 0.5))  # noise is not asked for there
    assert found["blur"] is None


def test_the_interval_of_one_seed_holds_what_all_three_may_be() -> None:
    found = _found(record("original", accuracy=0.9), record(accuracy=0.7), record("noise", accuracy=0.6))["masking"]
    assert found is not None
    own, top, low = (wilson(round(share * 600), 600) for share in (0.7, 0.9, 0.6))
    halves = [(end.high - end.low) / 2 for end in (own, top, low)]
    half = math.hypot(halves[0], halves[1] / 3, halves[2] * 2 / 3) / 0.3
    assert (found.low, found.high) == pytest.approx((1 / 3 - half, 1 / 3 + half))


def test_several_seeds_are_paired() -> None:
    """All three move together from seed to seed, so their shares do not, and the pairs' part alone is left."""
    moves, n = (0.0, 0.05, -0.03), 10**8
    records = [each for name, at in (("original", 0.9), ("masking", 0.75), ("noise", 0.6))
               for each in _seeds(name, *(at + move for move in moves), n=n)]  # fmt: skip
    found = _found(*records)["masking"]
    assert found.value == pytest.approx(0.5)
    assert found.sd == pytest.approx(0, abs=1e-9)
    assert _width(found) < 0.002
    apart = _found(*_seeds("original", 0.9, 0.9, 0.9, n=n), *_seeds("noise", 0.6, 0.6, 0.6, n=n),
                   *_seeds("masking", 0.7, 0.75, 0.8, n=n))["masking"]  # fmt: skip
    assert apart.sd == pytest.approx(0.05 / 0.3)
    assert _width(apart) / 2 == pytest.approx(t.ppf(0.975, 2) * 0.05 / 0.3 / 3**0.5, rel=1e-3)


@pytest.mark.parametrize("seeds", [2, 3])
def test_the_interval_over_seeds_holds_the_truth_as_often_as_it_says(seeds: int) -> None:
    random, covered, draws = np.random.default_rng(0), 0, 1000
    for _ in range(draws):
        true = random.normal(0.1, 0.02, seeds)
        values = true + random.normal(0, 0.015, seeds)
        found = spread(list(values), [1.96 * 0.015] * seeds, same=False)
        covered += found.low <= 0.1 <= found.high
    assert covered / draws >= 0.93


def test_without_noise_the_older_form_is_left() -> None:
    found = _found(record("original", accuracy=0.9), record("masking", accuracy=0.7))["masking"]
    assert (found.value, found.low, found.over_chance) == (None, None, pytest.approx(0.5))
    text = render.markdown(board([record("original", accuracy=0.9), record("masking", accuracy=0.7)]))
    assert "relative utility in %: `masking` - (above chance 50). It is " in text


def test_without_originals_or_with_such_as_are_worth_nothing_there_is_none() -> None:
    noise = record("noise", accuracy=0.5)
    assert _found(record("masking"), record("blur"), noise) == {"masking": None, "blur": None, "noise": None}
    assert set(_found(record("original", accuracy=0.52), record("masking"), noise).values()) == {None}
    assert set(_found(record("original", accuracy=None), record("masking"), noise).values()) == {None}
    level = _found(record("original", accuracy=0.66), record("masking"), record("noise", accuracy=0.65))
    assert level["masking"].value is None  # noise is worth as much, though both are above guessing
    assert level["masking"].over_chance is not None
    spread_out = [*_seeds("original", 0.5, 0.7), *_seeds("noise", 0.45, 0.45), *_seeds("masking", 0.7, 0.7)]
    assert set(_found(*spread_out).values()) == {None}


def test_every_format_tells_it_and_the_tables_how_it_is_made() -> None:
    made = board([
        record("original", accuracy=0.9), record("masking", accuracy=0.7), record("noise", accuracy=0.6)
    ])  # fmt: skip
    (shown,) = json.loads(render.json(made))
    assert {row["label"]: row["relative_utility"]["value"] for row in shown["rows"]}["masking"] == pytest.approx(1 / 3)
    assert "`noise`" in shown["relative_utility"]
    lines = list(csv.DictReader(io.StringIO(render.csv(made))))
    assert {line["label"]: float(line["relative_utility"]) for line in lines} == {
        "original": 1.0, "masking": pytest.approx(1 / 3), "noise": 0.0
    }  # fmt: skip
    older = {round(float(line["relative_utility_over_chance"]), 9) for line in lines if line["label"] == "masking"}
    assert older == {0.5}
    assert {line["noise"] for line in lines if line["measure"] == "accuracy"} == {"0.6"}
    text = render.markdown(made)
    assert (
        "- relative utility in %: `masking` 33 [18, 49] (above chance 50), `noise` 0 (above chance 25). It is " in text
    )
    assert "lfw: n = 600, chance 50.0, `noise` 60.0;" in text
    assert "relative utility" not in render.markdown(made, compact=True)
    assert "relative utility" not in render.markdown(board([record("masking")]))
    alone = render.csv(board([record("masking")]))
    assert next(csv.DictReader(io.StringIO(alone)))["relative_utility"] == ""


def test_a_set_without_any_number_is_passed_over() -> None:
    empty = Score(measure=ACCURACY, on="mini", value=None, n=0)
    records = [_sets(method, value) for method, value in (("original", 0.9), ("masking", 0.7), ("noise", 0.6))]
    found = _found(*(each.model_copy(update={"scores": (*each.scores, empty)}) for each in records))
    assert found["masking"].value == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("masking", "noise", "marked"),
    [
        ((0.62,), (0.60,), True),
        ((0.70,), (0.60,), False),
        ((0.55,), (0.60,), True),
        ((0.62, 0.70, 0.66), (0.60, 0.60, 0.60), True),  # 6 points, and seeds differ by 4
        ((0.67, 0.68, 0.66), (0.60, 0.60, 0.60), False),
    ],
)
def test_a_row_that_is_not_shown_to_be_worth_more_than_noise_is_marked(
    masking: tuple[float, ...], noise: tuple[float, ...], marked: bool
) -> None:
    records = [*_seeds("masking", *masking, n=2000), *_seeds("noise", *noise, n=2000)]
    assert _marks(*records) == {"masking": marked, "noise": False}
    assert _marks(*(record for record in records if record.method != "noise")) == {"masking": False}


def test_chance_is_of_the_rows_own_seeds() -> None:
    def seen(seed: int, chance: float) -> RunRecord:
        one = record("masking", seed=seed)
        return one.model_copy(update={"scores": tuple(
            s.model_copy(update={"chance": chance}) if s.on == "ignorant" else s for s in one.scores
        )})  # fmt: skip

    (group,) = board([seen(0, 0.01), seen(1, 0.03)])
    assert group.rows[0].cells["ignorant", "leak@1"].chance == pytest.approx(0.02)
