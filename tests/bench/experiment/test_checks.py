"""Sanity bounds against known distributions."""

from __future__ import annotations

import pytest
from facebench.bench.experiment.sanity import (
    adaptive_bounds,
    bounds,
    control_bounds,
    interval_of_chance,
    judge_on_clear_pairs,
)
from facebench.bench.plan.attacks import known
from facebench.reports.board.marks import OTHER_PHOTO
from facebench.reports.result.record import Interval, Measure, Score
from scipy.stats import binom

KNOWN = known({})


@pytest.mark.parametrize(("chance", "n"), [(0.5, 600), (0.004, 2400), (0.01, 100), (0.5, 6000), (0.0001, 50)])
def test_the_interval_of_chance_is_the_binomials(chance: float, n: int) -> None:
    low, high = interval_of_chance(chance, n)
    expected = binom.ppf([0.005, 0.995], n, chance) / n
    assert (low, high) == pytest.approx(tuple(expected), abs=0.002 if n == 6000 else 1e-12)


def _score(name: str, value: float, *, n: int = 1000, chance: float = 0.01, on: str = "ignorant", **more) -> Score:
    side = "utility" if name == "accuracy" else "privacy"
    better = "higher" if side == "utility" else "lower"
    return Score(measure=Measure(name=name, side=side, better=better, says=""), on=on, value=value, n=n,
                 chance=chance, **more)  # fmt: skip


@pytest.mark.parametrize(("value", "passed"), [(1.0, True), (0.9995, True), (0.99, False)])
def test_originals_must_be_found(value: float, passed: bool) -> None:
    (check,) = bounds("original", [_score("leak@1 image", value)], KNOWN)
    assert check.passed is passed


@pytest.mark.parametrize(("value", "passed"), [(0.01, True), (0.018, True), (0.03, False), (0.0, False)])
def test_noise_must_be_found_by_chance(value: float, passed: bool) -> None:
    (check,) = bounds("noise", [_score("leak@1", value)], KNOWN)
    assert check.passed is passed


def test_noise_that_all_resembles_one_person_is_judged_by_the_interval_over_people() -> None:
    wide = Interval(low=0.0, high=0.06, kind="cluster-bootstrap")
    (check,) = bounds("noise", [_score("leak@1", 0.03, intervals=(wide,))], KNOWN)
    assert check.passed


def test_what_noise_teaches_is_measured_and_has_no_bound() -> None:
    assert bounds("noise", [_score("accuracy", 0.6, n=600, chance=0.5, on="lfw")], KNOWN) == []


def test_other_methods_have_no_bounds() -> None:
    assert bounds("facemae", [_score("leak@1", 0.9)], KNOWN) == []


def test_a_judge_that_recognizes_nobody_fails() -> None:
    assert judge_on_clear_pairs({"lfw": 0.95, "agedb_30": 0.6}).passed
    assert not judge_on_clear_pairs({"lfw": 0.6, "agedb_30": 0.95}).passed
    assert not judge_on_clear_pairs({"lfw": None}).passed
    assert not judge_on_clear_pairs({}).passed


@pytest.mark.parametrize(("name", "against"), [("leak@1", "ignorant"), (OTHER_PHOTO, "other_image")])
@pytest.mark.parametrize(("value", "passed"), [(0.46, True), (0.45, False), (0.9, True)])
def test_who_knows_the_method_finds_no_less_than_who_does_not(
    name: str, against: str, value: float, passed: bool
) -> None:
    """Of 1,000 independent trials .5 has a sigma of .0158, as .45 has nearly: two of both together are .0447."""
    scores = [_score("leak@1", 0.5, on=against), _score(name, value, on="parrot")]
    (check,) = adaptive_bounds("masking", scores, KNOWN)
    assert (check.name, check.passed, check.guards) == (f"parrot against {against}", passed, "privacy")
    half = 1.959964 * 0.0158
    bounds_of = [Interval(low=v - half, high=v + half, kind="cluster-bootstrap") for v in (0.5, value)]
    scores = [s.model_copy(update={"intervals": (i,)}) for s, i in zip(scores, bounds_of, strict=True)]
    assert adaptive_bounds("masking", scores, KNOWN)[0].passed is passed


@pytest.mark.parametrize(
    ("name", "against", "value", "passed"),
    [
        ("leak@1", "ignorant", 0.94, True),
        ("leak@1", "ignorant", 0.96, False),
        ("leak@1", "ignorant", 0.86, True),
        ("leak@1", "ignorant", 0.84, False),
        (OTHER_PHOTO, "other_image", 0.84, False),
        (OTHER_PHOTO, "other_image", 0.99, True),
    ],
)
def test_on_originals_there_is_nothing_to_learn(name: str, against: str, value: float, passed: bool) -> None:
    scores = [_score("leak@1", 0.9, on=against), _score(name, value, on="alignment")]
    (check,) = adaptive_bounds("original", scores, KNOWN)
    assert check.passed is passed


def test_attackers_who_were_not_run_or_have_no_number_are_not_held_to_anything() -> None:
    plain = _score("leak@1", 0.5)
    assert adaptive_bounds("masking", [plain], KNOWN) == []
    nothing = _score("leak@1", 0.5, on="parrot").model_copy(update={"value": None})
    assert adaptive_bounds("masking", [plain, nothing], KNOWN) == []


@pytest.mark.parametrize(("rate", "passed"), [(0.01, True), (0.04, True), (0.05, False)])
def test_people_who_are_behind_no_face_are_found_by_chance_only(rate: float, passed: bool) -> None:
    detail = {"control": rate, "control_chance": 0.01, "control_sigma": 0.01}
    (check,) = control_bounds([_score("residual", 0.3, on="parrot", detail=detail)])
    assert (check.name, check.passed, check.guards) == ("control on parrot", passed, "privacy")
    assert "at most 4.00%" in check.says
    for lacking in detail:
        partly = {key: value for key, value in detail.items() if key != lacking}
        assert control_bounds([_score("residual", 0.3, detail=partly)]) == []


def test_a_blind_judge_fails_however_many_pairs_are_of_one_kind() -> None:
    check = judge_on_clear_pairs({"lfw": 0.95}, ["lfw"])
    assert not check.passed
    assert "blind" in check.says
    assert judge_on_clear_pairs({"lfw": 0.95, "agedb_30": 0.5}, ["agedb_30"]).passed
