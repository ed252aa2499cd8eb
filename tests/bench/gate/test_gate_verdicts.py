"""Verdicts on numbers: tests against known results, rules one by one, and trials that are packed and found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from facebench.bench.attacks.leakage.leak_at_k import SearchResult
from facebench.bench.biometrics.folds import by_kind
from facebench.bench.biometrics.roc import PairScores
from facebench.bench.compare import paired_tests
from facebench.bench.compare import trials as samples
from facebench.bench.compare.trials import Trials
from facebench.bench.gate import packing
from facebench.bench.gate.baseline import BaselineError, BaselineScore, Gated
from facebench.bench.gate.verdict import verdict_of
from facebench.bench.metrics.accuracy import Accuracy, answered
from facebench.reports.result.record import Measure, RunRecord, Score, StageTrace
from facebench.reports.statistics.intervals import wilson
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import LEAK, record
from scipy.stats import ttest_ind_from_stats
from statsmodels.stats.contingency_tables import mcnemar

ACCURACY = Gated(side="utility", better="higher", unit="share", tolerance=0.01)
LEAKAGE = Gated(side="privacy", better="lower", unit="share", tolerance=0.01)
KEY = "0123456789abcdef"


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (9, 1), (12, 12), (4, 20), (5, 20), (40, 13), (30, 26), (200, 100)])
def test_mcnemars_test_is_that_of_statsmodels(lost: int, won: int) -> None:
    expected = mcnemar([[500, lost], [won, 300]], exact=lost + won < 25, correction=True).pvalue
    found = paired_tests.mcnemar(lost, won)
    assert f"p = {float(expected):.2g}" in found.says
    assert found.significant == (expected < 0.01)


def test_a_change_of_many_people_is_told_from_chance_and_one_of_few_is_not() -> None:
    person = np.repeat(np.arange(100), 6)
    many = np.where(person % 5 == 0, 1.0, 0.0)
    assert paired_tests.bootstrap(many, person).significant
    assert paired_tests.bootstrap(-many, person).significant
    one = np.where(person == 7, 1.0, 0.0)  # six probes, but one person
    assert not paired_tests.bootstrap(one, person).significant
    assert not paired_tests.bootstrap(np.zeros(600), person).significant


def test_the_bootstrap_is_wrong_about_once_in_a_hundred() -> None:
    random, person = np.random.default_rng(0), np.repeat(np.arange(60), 4)
    alarms = 0
    for _ in range(50):  # both runs find people with the same chance, some people more easily than others
        before, now = (random.random((60, 4)) < random.beta(0.5, 2, (60, 1)) for _ in range(2))
        difference = now.astype(float).ravel() - before.astype(float).ravel()
        alarms += paired_tests.bootstrap(difference, person).significant
    assert alarms <= 4  # a half is expected; more than four come once in ten thousand


def test_other_trials_other_people_or_too_few_are_not_paired() -> None:
    hit, person = np.ones(100, np.bool_), np.repeat(np.arange(25), 4)
    assert paired_tests.test(Trials(hit, person), Trials(hit, person)) is not None
    assert paired_tests.test(Trials(hit, person), Trials(hit, person[::-1])) is None
    assert paired_tests.test(Trials(hit, person), Trials(hit[1:], person[1:])) is None
    assert paired_tests.test(Trials(hit, person), Trials(hit, None)) is None
    few = np.repeat(np.arange(10), 10)
    assert paired_tests.test(Trials(hit, few), Trials(hit, few)) is None


def _kept(value: float, n: int = 1000, *, on: str = "lfw") -> BaselineScore:
    bounds = wilson(round(value * n), n)
    return BaselineScore(measure="accuracy", on=on, value=value, n=n, interval=(bounds.low, bounds.high))


def _score(value: float, n: int = 1000, measure: Measure = LEAK) -> Score:
    return Score(measure=measure, on="lfw", value=value, n=n, intervals=(wilson(round(value * n), n),))


@pytest.mark.parametrize(
    ("gated", "before", "now", "verdict"),
    [
        (ACCURACY, 0.80, 0.80, "ok"),
        (ACCURACY, 0.80, 0.79, "ok"),  # the tolerance itself
        (ACCURACY, 0.80, 0.77, "ok"),  # beyond it, and the intervals overlap
        (ACCURACY, 0.80, 0.70, "regressed"),
        (ACCURACY, 0.80, 0.90, "improved"),
        (LEAKAGE, 0.10, 0.20, "regressed"),
        (LEAKAGE, 0.10, 0.02, "improved"),
        (LEAKAGE, 0.10, 0.115, "ok"),
    ],
)
def test_unpaired_numbers_are_judged_by_tolerance_and_intervals(gated, before, now, verdict: str) -> None:
    assert verdict_of(gated, [_kept(before)], [_score(now)])[0] == verdict


@pytest.mark.parametrize(
    ("gated", "before", "now"),
    [(ACCURACY, 0.8, 0.65), (ACCURACY, 0.65, 0.8), (LEAKAGE, 0.1, 0.25), (LEAKAGE, 0.25, 0.1)],
)
def test_a_change_exactly_at_the_tolerance_is_within_it(gated: Gated, before: float, now: float) -> None:
    """Significant by far, so that the tolerance alone decides; the difference is no round number in binary."""
    change = {"tolerance": 0.15}
    assert verdict_of(gated.model_copy(update=change), [_kept(before)], [_score(now)])[0] == "ok"
    worse = (now < before) == (gated.better == "higher")
    change = {"tolerance": 0.15 - 1e-6}
    beyond = verdict_of(gated.model_copy(update=change), [_kept(before)], [_score(now)])[0]
    assert beyond == ("regressed" if worse else "improved")


def test_a_significant_change_within_the_tolerance_is_ok() -> None:
    wide = ACCURACY.model_copy(update={"tolerance": 0.2})
    assert verdict_of(wide, [_kept(0.8)], [_score(0.65)])[0] == "ok"


def test_pairs_tell_a_change_that_intervals_cannot() -> None:
    before = np.arange(1000) < 800
    now = np.arange(1000) < 780  # the same pairs but twenty
    trials = (Trials(before, None), Trials(now, None))
    assert verdict_of(ACCURACY, [_kept(0.8)], [_score(0.78)])[0] == "ok"
    verdict, why = verdict_of(ACCURACY, [_kept(0.8)], [_score(0.78)], trials)
    assert verdict == "regressed"
    assert "McNemar" in why
    shuffled = np.random.default_rng(0).permutation(now)  # as many right, but others
    assert verdict_of(ACCURACY, [_kept(0.8)], [_score(0.78)], (trials[0], Trials(shuffled, None)))[0] == "ok"


def test_several_seeds_are_apart_only_where_every_seed_is() -> None:
    near, far = [_kept(0.80), _kept(0.90)], [_score(0.70), _score(0.72)]
    assert verdict_of(ACCURACY, near, far)[0] == "regressed"
    assert verdict_of(ACCURACY, near, [_score(0.70), _score(0.79)])[0] == "ok"


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        ([0.80], [0.74], "ok"),  # apart at 95 %, and trainings differ by so much
        ([0.80], [0.68], "regressed"),
        ([0.80, 0.85], [0.72, 0.70], "ok"),
        ([0.80, 0.81, 0.79], [0.74, 0.76, 0.75], "regressed"),  # intervals of other trainings would never tell
        ([0.80, 0.90, 0.70], [0.74, 0.64, 0.83], "ok"),
        ([0.80, 0.80, 0.80], [0.90, 0.90, 0.90], "improved"),
    ],
)
def test_other_seeds_are_judged_with_what_trainings_differ_by(before, now, verdict: str) -> None:
    assert verdict_of(ACCURACY, list(map(_kept, before)), list(map(_score, now)), other_seeds=True)[0] == verdict


def test_the_means_of_seeds_are_compared_as_scipy_does() -> None:
    before, now = [0.80, 0.81, 0.79], [0.78, 0.795, 0.765, 0.77]
    p = ttest_ind_from_stats(np.mean(before), np.std(before, ddof=1), 3, np.mean(now), np.std(now, ddof=1), 4, False)[1]
    told = paired_tests.welch(before, now)
    assert told.says == f"Welch's test over 3 and 4 seeds, p = {p:.2g}"
    assert told.significant == (p < 0.01)


def test_a_measure_without_intervals_is_judged_by_its_tolerance() -> None:
    bare = BaselineScore(measure="accuracy", on="lfw", value=0.8, n=10)
    assert verdict_of(ACCURACY, [bare], [_score(0.78)])[0] == "regressed"
    assert verdict_of(ACCURACY, [bare], [_score(0.795)])[0] == "ok"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2**31 - 1)), min_size=1, max_size=200), st.booleans())
def test_trials_come_back_as_they_were_packed(found: list[tuple[bool, int]], with_people: bool) -> None:
    hit = np.array([h for h, _ in found])
    person = np.array([p for _, p in found], np.int64) if with_people else None
    trials, people = packing.pack(Trials(hit, person))
    back = packing.unpack(
        BaselineScore(measure="m", on="o", value=float(hit.mean()), n=len(hit), trials=trials, people=people)
    )
    assert np.array_equal(back.hit, hit)
    assert back.person is None if person is None else np.array_equal(back.person, person)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"trials": "not base64"}, "damaged"),
        ({"trials": "AAAA"}, "damaged"),
        ({"n": 80}, "damaged"),
        ({"n": 1 << 28}, "damaged"),
        ({"value": 0.9}, "edited by hand"),
        ({"people": "AAAA"}, "damaged"),
    ],
)
def test_trials_that_were_tampered_with_are_refused(change, told: str) -> None:
    trials, _ = packing.pack(Trials(np.arange(200) < 100, None))
    kept = BaselineScore(measure="m", on="o", value=0.5, n=200, trials=trials).model_copy(update=change)
    with pytest.raises(BaselineError, match=told):
        packing.unpack(kept)


def test_packed_zeros_without_end_take_no_memory() -> None:
    import base64
    import zlib

    bomb = base64.b64encode(zlib.compress(bytes(50_000_000), 9)).decode()
    with pytest.raises(BaselineError, match="more"):
        packing.unpack(BaselineScore(measure="m", on="o", value=0.5, n=8, trials=bomb))


def _verified(store: Path, similarity: np.ndarray, same: np.ndarray, key: str = KEY) -> tuple[RunRecord, Score]:
    folder = store / "stages" / "verify" / "lfw" / key
    folder.mkdir(parents=True)
    np.savez(folder / "scores.npz", similarity=similarity, same=same)
    score, _ = Accuracy()(PairScores(similarity, same), "lfw")
    stages = (StageTrace(name="verify/lfw", key=key, seconds=1, cached=False),)
    return record(scores=(score,), stages=stages), score


def _pairs(n: int = 203) -> tuple[np.ndarray, np.ndarray]:
    random, same = np.random.default_rng(0), np.arange(n) % 2 == 0
    similarity = np.clip(random.normal(np.where(same, 0.4, 0.1), 0.2), -1, 1)
    similarity[[3, 4]] = np.nan  # an impostor and a genuine pair that failed
    return similarity, same


def test_right_answers_add_up_to_the_accuracy() -> None:
    similarity, same = _pairs()
    right = answered(PairScores(similarity, same))
    score, _ = Accuracy()(PairScores(similarity, same), "lfw")
    fold = by_kind(same)  # folds were ten runs of pairs, whatever these held
    assert np.mean([right[fold == k].mean() for k in range(10)]) == pytest.approx(score.value, abs=1e-12)
    assert not right[[3, 4]].any()


def test_trials_of_pairs_and_of_probes_are_found_by_the_records_keys(tmp_path: Path) -> None:
    made, score = _verified(tmp_path, *_pairs())
    found, problem = samples.trials(made, score, tmp_path)
    assert not problem
    assert found.person is None
    assert len(found.hit) == 203
    q = 40
    folder = tmp_path / "stages" / "attack" / "ignorant" / KEY
    folder.mkdir(parents=True)
    rank = np.arange(q) % 4 + 1
    nothing = np.zeros((q, 1))
    SearchResult(
        image=rank + 1, identity=rank, own=nothing[:, 0], other=nothing[:, 0], linked=nothing[:, 0],
        mates=np.ones(q, np.int64), person=np.arange(q) // 4, failed=np.zeros(q, np.bool_), neighbours=nothing,
        best=np.arange(q),
        similarity=nothing, gallery=q, gallery_failures=0, probes_all=q, seed=0,
    ).write(folder)  # fmt: skip
    traced = made.model_copy(update={"stages": (StageTrace(name="attack/ignorant", key=KEY, seconds=1, cached=False),)})
    leak = Score(measure=LEAK, on="ignorant", value=0.25, n=q)
    found, _ = samples.trials(traced, leak, tmp_path)
    assert np.array_equal(found.hit, rank == 1)
    assert np.array_equal(found.person, np.arange(q) // 4)
    image = leak.model_copy(update={"measure": LEAK.model_copy(update={"name": "leak@2 image"})})
    assert np.array_equal(samples.trials(traced, image, tmp_path)[0].hit, rank == 1)
    other = leak.model_copy(update={"measure": LEAK.model_copy(update={"name": "pi_link"})})
    assert samples.trials(traced, other, tmp_path) == (None, "")


def test_trials_of_another_run_are_not_used(tmp_path: Path) -> None:
    made, score = _verified(tmp_path, *_pairs())
    assert samples.trials(made, score, tmp_path / "elsewhere") == (None, "")
    found, problem = samples.trials(made, score.model_copy(update={"value": (score.value or 0) - 0.001}), tmp_path)
    assert found is None
    assert "another run" in problem
    (tmp_path / "stages" / "verify" / "lfw" / KEY / "scores.npz").write_bytes(b"damaged")
    found, problem = samples.trials(made, score, tmp_path)
    assert found is None
    assert "cannot be used" in problem


@pytest.mark.parametrize("name", ["verify/../../../secret", "verify/lfw"])
def test_a_record_cannot_name_a_folder_outside_the_store(tmp_path: Path, name: str) -> None:
    made, score = _verified(tmp_path / "secret", *_pairs())
    (tmp_path / "secret" / "stages" / "verify" / "lfw" / KEY).rename(tmp_path / "secret" / KEY)
    (tmp_path / "runs" / "stages" / "verify").mkdir(parents=True)
    outside = score.model_copy(update={"on": name.removeprefix("verify/")})
    for key in (KEY, f"../../../../secret/{KEY}"):
        stages = (StageTrace(name=name, key=key, seconds=1, cached=False),)
        traced = made.model_copy(update={"stages": stages})
        assert samples.trials(traced, outside, tmp_path / "runs") == (None, "")


def test_a_change_no_larger_than_the_baselines_seeds_differ_by_is_ok() -> None:
    """Pairs tell that two trainings differ, and any two trainings do."""
    before, now = np.arange(1000) < 800, np.arange(1000) < 760
    trials = Trials(before, None), Trials(now, None)
    verdict, why = verdict_of(ACCURACY, [_kept(0.8)], [_score(0.76)], trials, trained=[0.80, 0.77, 0.82])
    assert verdict == "ok"
    assert "3 seeds of the baseline differ" in why
    assert verdict_of(ACCURACY, [_kept(0.8)], [_score(0.76)], trials, trained=[0.80, 0.801, 0.799])[0] == "regressed"
    verdict, why = verdict_of(ACCURACY, [_kept(0.8)], [_score(0.76)], trials, trained=[0.80])
    assert verdict == "regressed"
    assert "needs more seeds" in why


def test_an_equal_method_that_is_trained_again_is_seldom_called_another() -> None:
    random, alarms, draws = np.random.default_rng(0), 0, 400
    hard = random.normal(0, 1, 2000)

    def trained() -> np.ndarray:  # accuracy varies by two points from training to training
        return hard + random.normal(0, 0.7, 2000) < 1 + random.normal(0, 0.08)

    for _ in range(draws):
        seeds, again = [trained() for _ in range(3)], trained()
        values = [float(hit.mean()) for hit in seeds]
        trials = Trials(seeds[0], None), Trials(again, None)
        now = _score(float(again.mean()), 2000)
        alarms += verdict_of(ACCURACY, [_kept(values[0], 2000)], [now], trials, trained=values)[0] != "ok"
    assert alarms / draws <= 0.03
