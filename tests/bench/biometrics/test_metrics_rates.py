"""TAR at a FAR, equal error rate, area and curve, against counting by hand."""

from typing import Any

import numpy as np
import pytest
from facebench.bench.biometrics.roc import MetricError, PairScores
from facebench.bench.metrics.base import Metric
from facebench.bench.metrics.eer import Eer
from facebench.bench.metrics.tar import Tar
from facebench.reports.statistics.intervals import wilson
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import norm


def pairs(genuine: Any, impostor: Any) -> PairScores:
    return PairScores(np.array([*genuine, *impostor], float), np.arange(len(genuine) + len(impostor)) < len(genuine))


def gaussian(seed: int, n: int, apart: float) -> PairScores:
    rng = np.random.default_rng(seed)
    return pairs(
        np.clip(rng.normal(apart, 0.1, n), -1, 1),
        np.clip(rng.normal(0, 0.1, n), -1, 1),
    )


def test_tar_is_the_share_of_genuine_pairs_above_the_highest_refused_impostor() -> None:
    impostor = np.linspace(-0.5, 0.5, 3000)
    genuine = [*impostor[-31:], -0.9]  # the 31st highest impostor is refused, and what equals it
    score, curve = Tar()(pairs(genuine, impostor), "toy")
    assert curve is None
    assert score.value == 30 / 32
    assert score.n == 32
    assert score.detail["threshold"] == impostor[-31]
    assert score.chance == 0.01
    assert score.measure.name == "tar@far=0.01"
    assert score.intervals[0].low < score.value < score.intervals[0].high


def test_tar_never_accepts_more_impostors_than_allowed_even_with_ties() -> None:
    impostor = np.zeros(3000)
    impostor[:100] = 0.5  # 100 ties where 30 may be accepted: none is
    score, _ = Tar()(pairs([0.4, 0.5, 0.6], impostor), "toy")
    assert score.value == 1 / 3


def test_tar_is_not_measured_below_the_rule_of_30() -> None:
    scores = gaussian(0, 2999, 0.5)
    score, _ = Tar()(scores, "toy")
    assert score.value is None
    assert "29 false accepts" in score.note
    assert "rule of 30" in score.note
    assert Tar()(gaussian(0, 3000, 0.5), "toy")[0].value is not None
    assert Tar(far=0.29)(gaussian(0, 200, 0.5), "toy")[0].value is not None


def test_failed_pairs_are_errors_of_tar() -> None:
    scores = gaussian(0, 3000, 0.9)
    scores.similarity[:300] = np.nan
    assert Tar()(scores, "toy")[0].value == pytest.approx(0.9)
    scores.similarity[3000:3031] = np.nan  # 31 impostors failed, 30 false accepts are allowed
    score, _ = Tar()(scores, "toy")
    assert score.value is None
    assert "31 of 3000 impostor pairs failed" in score.note


@pytest.mark.parametrize("far", [0, 1, -0.1, float("nan")])
def test_tar_refuses_a_rate_that_is_none(far: float) -> None:
    with pytest.raises(ValidationError):
        Tar(far=far)


@pytest.mark.parametrize(
    ("genuine", "impostor", "eer", "auc"),
    [
        ([0.9, 0.8], [0.1, 0.2], 0.0, 1.0),
        ([0.1, 0.2], [0.9, 0.8], 1.0, 0.0),
        ([0.5, 0.5], [0.5, 0.5], 0.5, 0.5),
        ([0.9, 0.3], [0.5, 0.1], 0.5, 0.75),
        # FAR, FRR run (0, 1) (0, 2/3) (1/2, 2/3) (1/2, 1/3) (1, ...): they cross on the step from 2/3 to 1/3
        ([0.9, 0.5, 0.3], [0.7, 0.1], 0.5, 4 / 6),
        # (0, 1/3) to (1/2, 0) with one genuine and one impostor pair tied: x = 1/3 - (2/3) x, x = 1/5
        ([0.9, 0.8, 0.5], [0.5, 0.1], 0.2, 5.5 / 6),
    ],
)
def test_equal_error_rate_and_area_of_small_sets(genuine: Any, impostor: Any, eer: float, auc: float) -> None:
    score, curve = Eer()(pairs(genuine, impostor), "toy")
    assert curve is not None
    assert score.value == pytest.approx(eer)
    assert score.detail["auc"] == pytest.approx(auc)
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.integers(-5, 5), st.none()), min_size=1, max_size=12),
    st.lists(st.one_of(st.integers(-5, 5), st.none()), min_size=1, max_size=12),
)
def test_area_is_the_chance_that_a_genuine_pair_is_more_alike(genuine: Any, impostor: Any) -> None:
    genuine = [np.nan if s is None else s / 5 for s in genuine]
    impostor = [np.nan if s is None else s / 5 for s in impostor]
    won = [0.0 if np.isnan(g) or np.isnan(i) else (g > i) + (g == i) / 2 for g in genuine for i in impostor]
    score, _ = Eer()(pairs(genuine, impostor), "toy")
    assert score.detail["auc"] == pytest.approx(np.mean(won))
    assert score.value is not None
    assert 0 <= score.value <= 1


def test_equal_error_rate_of_two_normals_is_the_theory() -> None:
    # N(0, s) against N(2 s, s): errors are equal at s, 1 - Phi(1) = 0.1587
    score, _ = Eer()(gaussian(1, 20_000, 0.2), "toy")
    assert score.value is not None
    assert score.value == pytest.approx(0.1587, abs=0.004)
    assert score.detail["threshold"] == pytest.approx(0.1, abs=0.01)
    assert score.intervals[0].low < score.value < score.intervals[0].high
    assert score.measure.better == "lower"


def test_failed_pairs_are_errors_at_every_threshold() -> None:
    scores = gaussian(0, 1000, 0.9)
    assert Eer()(scores, "toy")[0].value == 0
    scores.similarity[:100] = np.nan
    scores.similarity[1000:1100] = np.nan
    score, curve = Eer()(scores, "toy")
    assert curve is not None
    assert score.value == pytest.approx(0.1)
    assert score.detail["failures"] == 200
    assert curve.x[0] == pytest.approx(0.1)
    assert curve.y[-1] == pytest.approx(0.9)
    score, _ = Eer()(PairScores(np.full(2000, np.nan), scores.same), "toy")
    assert score.value == 1
    assert score.detail["threshold"] is None


def test_the_curve_is_short_rises_and_keeps_low_rates() -> None:
    score, curve = Eer()(gaussian(2, 30_000, 0.3), "toy")
    assert curve is not None
    assert len(curve.x) <= 200
    assert (np.diff(curve.x) >= 0).all()
    assert (np.diff(curve.y) >= 0).all()
    assert sum(0 < x < 1e-2 for x in curve.x) > 20
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(score.detail["auc"], abs=2e-3)


@pytest.mark.parametrize("metric", [Tar(), Eer()])
def test_one_kind_of_pair_or_none_is_refused(metric: Metric) -> None:
    with pytest.raises(MetricError, match="genuine and impostor"):
        metric(pairs([0.1, 0.2], []), "lfw")
    with pytest.raises(MetricError, match="at least 2 pairs"):
        metric(pairs([], []), "lfw")


@pytest.mark.parametrize(
    ("n", "apart", "far"), [(3000, 2.5, 0.01), (3000, 1.0, 0.01), (3500, 2.0, 0.02), (900, 2.0, 0.04)]
)
def test_tar_is_covered_with_the_threshold_that_impostor_pairs_set(n: int, apart: float, far: float) -> None:
    random, draws, held, plain = np.random.default_rng(0), 250, 0, 0
    truth, same = float(norm.sf(norm.isf(far) - apart)), np.arange(2 * n) < n
    for _ in range(draws):
        similarity = np.concatenate([random.normal(apart, 1, n), random.normal(0, 1, n)]) / 20
        score, _ = Tar(far=far)(PairScores(similarity, same), "toy")
        (interval,) = score.intervals
        held += interval.low <= truth <= interval.high
        without = wilson(round((score.value or 0) * n), n)
        plain += without.low <= truth <= without.high
    assert 0.92 <= held / draws <= 0.985
    assert plain / draws < 0.75  # the threshold was taken for given
