"""The statistics behind `bench compare`: against statsmodels, against definitions, and by simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from facebench.bench.compare import difference, paired_tests
from facebench.bench.compare.trials import Trials
from facebench.reports.result.record import Measure, Score
from facebench.reports.statistics.differences import newcombe, reach
from facebench.reports.statistics.holm import holm
from facebench.reports.statistics.intervals import wilson
from made_up import ACCURACY, LEAK
from scipy.stats import norm, t
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

NOTHING = (None, None)
of_seed: Any = difference.of_seed  # ends and p-values may be None, and here are not
over_seeds: Any = difference.over_seeds


def _score(value: float, n: int = 1000, measure: Measure = ACCURACY, **more) -> Score:
    return Score(measure=measure, on="lfw", value=value, n=n, **{"intervals": (wilson(round(value * n), n),), **more})


def _pairs(first: np.ndarray, second: np.ndarray) -> Any:
    trials = Trials(first, None), Trials(second, None)
    return of_seed(_score(first.mean(), len(first)), _score(second.mean(), len(first)), trials)


def _probes(first: np.ndarray, second: np.ndarray, person: np.ndarray) -> Any:
    scores = (_score(hit.mean(), len(hit), LEAK) for hit in (first, second))
    return of_seed(*scores, (Trials(first, person), Trials(second, person)))


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_holms_adjustment_is_that_of_statsmodels(n: int) -> None:
    p_values = np.random.default_rng(n).beta(0.3, 1, n).round(2).tolist()  # with equal ones, zeros and ones
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_holm_refuses_what_is_no_p_value_and_takes_none_at_all() -> None:
    assert holm([]) == []
    for p in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="from 0 to 1"):
            holm([0.5, p])


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (3, 9), (4, 20), (12, 13), (40, 13), (200, 100)])
def test_pairs_are_compared_by_mcnemars_test(lost: int, won: int) -> None:
    first, second = np.zeros(1000, bool), np.zeros(1000, bool)
    first[:won], second[won : won + lost] = True, True
    first[500:], second[500:] = True, True
    found = _pairs(first, second)
    expected = mcnemar([[500, won], [lost, 500 - won - lost]], exact=lost + won < 25, correction=True).pvalue
    assert found.p == pytest.approx(float(expected))
    assert found.value == pytest.approx((won - lost) / 1000)
    assert found.low < found.value < found.high
    assert found.how == f"McNemar ({'exact' if lost + won < 25 else 'chi-square'}) on {lost} lost and {won} won"


def test_the_interval_of_pairs_covers_the_difference_as_often_as_it_says() -> None:
    random, covered, draws, n = np.random.default_rng(0), 0, 1000, 300
    for _ in range(draws):  # of 300 pairs, 4 % are won and 8 % lost
        kind = random.choice(3, size=n, p=[0.04, 0.08, 0.88])
        found = _pairs(kind != 1, kind != 0)
        covered += found.low <= -0.04 <= found.high
    assert 0.93 <= covered / draws <= 0.97


def test_probes_are_compared_by_people_with_a_p_value_that_ends_where_the_interval_does() -> None:
    random, person = np.random.default_rng(0), np.repeat(np.arange(80), 20)
    second = random.random(1600) < 0.3
    first = second | (np.isin(person, np.arange(0, 80, 8)) & (random.random(1600) < 0.6))
    found = _probes(first, second, person)
    means = paired_tests.resampled(first.astype(float) - second, person)
    assert found.p < 0.01
    assert 0 < found.low < found.value < found.high
    assert found.how == "bootstrap over 80 people"
    # moved until its interval ends at zero, the p-value is what the interval lacks to one
    assert paired_tests.two_sided(means - found.low, 80) == pytest.approx(0.05, abs=0.01)  # means are steps
    assert paired_tests.two_sided(means - 10, 10**9) == pytest.approx(2 / 10_001)
    assert paired_tests.two_sided(means - 10, 80) > paired_tests.two_sided(means - 10, 800) > 2 / 10_001
    assert _probes(second, second, person).p == 1


def test_the_p_value_of_probes_is_below_a_twentieth_about_once_in_twenty() -> None:
    random, person, draws = np.random.default_rng(0), np.repeat(np.arange(80), 4), 150
    alarms = 0
    for _ in range(draws):
        rate = random.beta(1, 2, (80, 1))
        first, second = (np.ravel(random.random((80, 4)) < rate) for _ in range(2))
        alarms += _probes(first, second, person).p < 0.05
    assert 0.02 <= alarms / draws <= 0.08


def test_the_expanded_interval_of_normal_means_is_students() -> None:
    values = np.random.default_rng(0).normal(0, 1, 25)
    # resampled means of n values have the variance of the sample over n, with n in its divisor
    spread = values.std() / 5
    means = norm.ppf((np.arange(200_000) + 0.5) / 200_000) * spread + values.mean()
    for level in (0.95, 0.99):
        expected = t.interval(level, 24, values.mean(), values.std(ddof=1) / 5)
        assert paired_tests.percentiles(means, 25, level) == pytest.approx(expected, abs=1e-3 * spread)
    low, _ = t.interval(0.9, 24, values.mean(), values.std(ddof=1) / 5)
    assert paired_tests.two_sided(means - low, 25) == pytest.approx(0.1, rel=1e-3)


def test_few_people_raise_no_more_false_alarms_than_they_say() -> None:
    random, draws, people = np.random.default_rng(20), 600, 20
    person = np.repeat(np.arange(people), 5)
    told, plain = np.empty(draws), np.empty(draws)
    for draw in range(draws):  # people differ in whether the one method or the other hides them better
        difference = np.repeat(random.normal(0, 0.3, people), 5) + random.normal(0, 0.3, 5 * people)
        told[draw] = paired_tests.bootstrap(difference, person).p
        plain[draw] = paired_tests.two_sided(paired_tests.resampled(difference, person), 10**9)
    assert (told < 0.05).mean() <= 0.055 < (plain < 0.05).mean()
    assert (told < 0.01).mean() <= 0.014 < (plain < 0.01).mean()


def test_without_trials_or_with_other_ones_intervals_are_compared_and_nothing_is_tested() -> None:
    found = of_seed(_score(0.8), _score(0.7), NOTHING)
    expected = newcombe(800, 700, 1000)
    assert found.p is None
    assert (found.value, found.low, found.high) == pytest.approx((0.1, expected.low, expected.high))
    peer = confint_proportions_2indep(800, 1000, 700, 1000, method="newcomb")
    assert (found.low, found.high) == pytest.approx(peer, abs=1e-9)
    hit, person = np.arange(1000) < 800, np.arange(1000) // 5
    others = of_seed(_score(0.8), _score(0.8), (Trials(hit, person), Trials(hit, person[::-1])))
    assert (others.p, others.how) == (None, "no test, probes of other people")
    few = of_seed(_score(0.8), _score(0.8), (Trials(hit, person % 5), Trials(hit, person % 5)))
    assert few.p is None
    assert "too few people" in few.how
    bare = of_seed(_score(0.8, intervals=()), _score(0.7), NOTHING)
    assert (bare.low, bare.high, bare.p) == (None, None, None)


def test_where_every_probe_differs_alike_the_interval_is_not_a_point() -> None:
    person = np.arange(100) // 4
    found = _probes(np.ones(100, bool), np.zeros(100, bool), person)
    assert found.value == 1
    assert found.low < 0.97
    assert found.p == paired_tests.two_sided(np.ones(paired_tests.RESAMPLES), 25)
    both = over_seeds([found, found])
    assert (both.value, both.p) == (1, found.p)


def test_reach_is_symmetric_for_symmetric_intervals() -> None:
    one = wilson(500, 1000)
    assert reach(0.5, one, 0.5, one) == pytest.approx((2**0.5 * (one.high - 0.5),) * 2)


def _seeds(random: np.random.Generator, *, seeds: int, effect: float, spread: float, n: int = 600) -> list[Any]:
    """Trainings whose true difference varies about `effect`, on the same pairs, of which some are hard for both."""
    ease = random.beta(6, 2, n)
    found = []
    for _ in range(seeds):
        moved = effect + random.normal(0, spread)
        second = random.random(n) < ease
        first = random.random(n) < np.clip(ease + moved, 0, 1)
        found.append(_pairs(first, second))
    return found


def test_seeds_are_combined_into_a_p_value_that_knows_how_trainings_differ() -> None:
    random, draws = np.random.default_rng(0), 200
    alarms = {spread: 0 for spread in (0.0, 0.05)}
    for spread in alarms:
        for _ in range(draws):
            alarms[spread] += over_seeds(_seeds(random, seeds=3, effect=0.0, spread=spread)).p < 0.05
    assert alarms[0.0] / draws <= 0.05
    assert alarms[0.05] / draws <= 0.07
    strict = [over_seeds(_seeds(random, seeds=2, effect=0.0, spread=0.02)).p < 0.005 for _ in range(400)]
    assert sum(strict) <= 6  # 2 are due; seeds that agree by luck are no proof
    strong = sum(over_seeds(_seeds(random, seeds=3, effect=-0.15, spread=0.01)).p < 0.05 for _ in range(50))
    assert strong >= 48


def test_one_seed_is_itself_and_a_seed_without_trials_leaves_several_untested() -> None:
    random = np.random.default_rng(1)
    one, other = _seeds(random, seeds=2, effect=0.05, spread=0.0)
    untested = of_seed(_score(0.9), _score(0.1), NOTHING)
    assert over_seeds([one]) is one
    both = over_seeds([one, other])
    assert both.value == pytest.approx((one.value + other.value) / 2)
    assert both.how == "t over 2 seeds"
    assert both.low < both.value < both.high
    some = over_seeds([one, untested, other])
    assert (some.value, some.p) == (pytest.approx((one.value + other.value + 0.8) / 3), None)
    assert some.how == "no test, no trials in the store, 1 of 3 seeds"
    alone = over_seeds([untested, of_seed(_score(0.8), _score(0.2), NOTHING)])
    assert (alone.value, alone.p) == (pytest.approx(0.7), None)
    assert alone.low < 0.7 < alone.high


def test_people_of_other_seeds_are_other_people() -> None:
    random, person, found = np.random.default_rng(0), np.repeat(np.arange(60), 4), []
    for n in (240, 236, 232):  # the same number of probes is not asked for
        second = random.random(n) < 0.2
        found.append(_probes(second | (random.random(n) < 0.2), second, person[:n]))
    both = over_seeds(found)
    assert both.p < 0.05
    assert both.value == pytest.approx(np.mean([each.value for each in found]))


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (1, 7), (5964, 6000), (3, 1000)])
def test_wilsons_interval_is_that_of_statsmodels(hits: int, n: int) -> None:
    found = wilson(hits, n)
    assert (found.low, found.high) == pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-9)
