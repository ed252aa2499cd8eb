"""Memorisation from matched people, by hand."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from facebench.bench.attacks.leakage import memorised


def matches(generator: Any, holdout: Any, people: tuple[int, int], person: Any = None, **more: Any) -> Any:
    q = len(generator)
    given: dict[str, Any] = {
        "generator": np.asarray(generator), "holdout": np.asarray(holdout), "failed": np.zeros(q, bool),
        "person": np.arange(q) if person is None else np.asarray(person), "generator_people": people[0],
        "holdout_people": people[1], "generator_faces": people[0], "holdout_faces": people[1], "gallery_failures": 0,
        "generator_by": np.zeros(people[0], int), "holdout_by": np.zeros(people[1], int), "each": 1, "threshold": 0.4,
        "fmr": 1e-3, "impostor_pairs": 40_000, "unseen_fmr": 1e-3, "seed": 0, "note": "",
        **more,
    }  # fmt: skip
    return memorised.Matches(**given)


def test_of_unequal_galleries_the_share_is_the_mean_over_all_of_the_smaller_size() -> None:
    generator, holdout = memorised.shares(matches([0, 1, 2, 6], [0, 1, 3, 2], (6, 3)), 3)
    expected = [np.mean([min(drawn) < m for drawn in itertools.combinations(range(6), 3)]) for m in (0, 1, 2, 6)]
    assert generator == pytest.approx(expected)
    assert holdout.tolist() == [0, 1, 1, 1]


def test_memorisation_by_hand() -> None:
    # 4 faces of 2 people; G and H of 2 people each, so no gallery is drawn: 3 match in G, 1 in H
    score = memorised.memorised(matches([1, 2, 1, 0], [0, 0, 1, 0], (2, 2), person=[0, 0, 1, 1]), "t")
    assert score.value == pytest.approx(3 / 4 - 1 / 4)
    assert (score.measure.name, score.measure.side, score.measure.better) == ("memorised", "privacy", "lower")
    assert score.measure.headline
    assert score.detail["residual"] == pytest.approx((0.75 - 0.25) / (1 - 0.25))
    assert (score.detail["generator_whole"], score.chance, score.n) == (0.75, 0.0, 4)
    # person 0 has the differences 1 and 1, person 1 has 0 and 0: resamples have the means 0, 1/2 and 1
    assert [i.kind for i in score.intervals] == ["cluster-bootstrap", "newcombe"]
    assert (score.intervals[0].low, score.intervals[0].high) == (0, 1)


def test_a_negative_difference_is_told_as_it_is() -> None:
    score = memorised.memorised(matches([0, 0, 0, 1], [1, 1, 0, 1], (3, 3)), "t")
    assert score.value == -0.5
    assert score.intervals[0].low == -1
    nothing = memorised.memorised(matches([0] * 50, [0] * 50, (3, 3)), "t")
    assert nothing.value == 0
    (interval,) = nothing.intervals  # every resample would be the same
    # Wilson's bound for 0 of 50 is z^2 / (50 + z^2), on both sides
    assert (interval.kind, interval.low, interval.high) == (
        "newcombe",
        pytest.approx(-3.8415 / 53.8415, abs=1e-4),
        pytest.approx(3.8415 / 53.8415, abs=1e-4),
    )


def test_the_interval_knows_that_other_people_may_have_been_held_out() -> None:
    rng = np.random.default_rng(0)
    q, people = 400, 60
    held = rng.random((q, people)) < np.where(np.arange(people) < 3, 0.1, 0.0)  # three whom many faces resemble
    holdout = held.sum(axis=1)
    given = {"generator": np.zeros(q, int), "holdout": holdout, "people": (60, 60)}
    plain = memorised.memorised(matches(**given), "t")
    aware = memorised.memorised(matches(**given, holdout_by=held.sum(axis=0)), "t")
    assert plain.value == aware.value == pytest.approx(-(holdout > 0).mean())
    # of sixty others each would be as typical with the same probability
    draws = -(1 - 0.9 ** rng.binomial(people, 3 / people, 2000))
    assert 1 <= (aware.detail["sigma_of_people"] or 0) / np.std(draws) < 1.5  # to first order, which is the wider
    low, high = aware.intervals[0].low, aware.intervals[0].high
    assert aware.intervals[0].kind == "propagated"
    assert np.mean([low <= draw <= high for draw in draws]) > 0.9
    assert np.mean([plain.intervals[0].low <= draw <= plain.intervals[0].high for draw in draws]) < 0.5


def test_a_control_too_small_to_show_a_copier_is_told() -> None:
    few = memorised.memorised(matches([1] * 5, [0] * 5, (100, 10)), "t")
    assert few.detail["copier"] == 0.1
    assert "would be told as 10%; hold out more people" in few.note
    assert memorised.memorised(matches([1] * 5, [0] * 5, (20, 10)), "t").note == ""
