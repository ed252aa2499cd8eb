"""Area under the curve and DeLong's interval, against definitions written as plain loops, and by simulation."""

from typing import Any

import numpy as np
import pytest
from facebench.bench.biometrics.roc import MetricError, PairScores
from facebench.bench.metrics.auc import Auc, area
from facebench.bench.metrics.base import Metric
from facebench.bench.metrics.eer import Eer
from facebench.bench.metrics.tar import Tar
from facebench.bench.plugins import build
from facebench.reports.statistics.intervals import wilson
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm


def pairs(genuine: Any, impostor: Any) -> PairScores:
    return PairScores(np.array([*genuine, *impostor], float), np.arange(len(genuine) + len(impostor)) < len(genuine))


def delong(genuine: Any, impostor: Any) -> tuple[float, float]:
    """The paper's formulas as they stand: psi, its means over either kind, and the variances of these."""
    psi = np.array([[1.0 if x > y else 0.5 if x == y else 0.0 for y in impostor] for x in genuine])
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    s10 = sum((v - psi.mean()) ** 2 for v in v10) / (len(genuine) - 1)
    s01 = sum((v - psi.mean()) ** 2 for v in v01) / (len(impostor) - 1)
    return float(psi.mean()), s10 / len(genuine) + s01 / len(impostor)


def test_an_example_worked_out_by_hand() -> None:
    # psi: 1 1 / 1 0 / 1 1/2; rows mean 1, 1/2, 3/4, columns 1, 1/2; mean 3/4
    value, variance = area(np.array([0.9, 0.2, 0.4]), np.array([0.1, 0.4]))
    assert value == pytest.approx(3 / 4)
    # s10 = (1/16 + 1/16 + 0) / 2 = 1/16; s01 = (1/16 + 1/16) / 1 = 1/8
    assert variance == pytest.approx(1 / 16 / 3 + 1 / 8 / 2)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(-5, 5), min_size=2, max_size=15),
    st.lists(st.integers(-5, 5), min_size=2, max_size=15),
)
def test_area_and_variance_are_delongs_with_ties_and_all(genuine: list[int], impostor: list[int]) -> None:
    assert area(np.array(genuine, float), np.array(impostor, float)) == pytest.approx(delong(genuine, impostor))


def test_the_area_is_mann_and_whitneys_and_that_beside_the_equal_error_rate() -> None:
    rng = np.random.default_rng(0)
    scores = pairs(np.clip(rng.normal(0.4, 0.2, 700), -1, 1), np.clip(rng.normal(0.1, 0.2, 500), -1, 1))
    score, curve = Auc()(scores, "toy")
    u = mannwhitneyu(scores.similarity[scores.same], scores.similarity[~scores.same]).statistic
    assert curve is None
    assert score.value == pytest.approx(u / (700 * 500), abs=1e-12)
    assert score.value == pytest.approx(Eer()(scores, "toy")[0].detail["auc"], abs=1e-12)
    assert (score.n, score.chance, score.measure.name, score.measure.better) == (1200, 0.5, "auc", "higher")
    assert not score.measure.headline


@pytest.mark.parametrize(("apart", "n"), [(0.5, 100), (1.5, 60), (2.5, 150)])
def test_the_interval_covers_the_area_of_two_normals_as_often_as_it_says(apart: float, n: int) -> None:
    true, rng, covered, draws = norm.cdf(apart / np.sqrt(2)), np.random.default_rng(1), 0, 600
    for _ in range(draws):
        scores = pairs(np.tanh(rng.normal(apart, 1, n) / 9), np.tanh(rng.normal(0, 1, n) / 9))
        interval = Auc()(scores, "toy")[0].intervals[0]
        covered += interval.low <= true <= interval.high
    assert 0.93 <= covered / draws <= 0.975


def test_pairs_that_do_not_overlap_have_an_interval_that_says_how_few_they_are() -> None:
    score, _ = Auc()(pairs([0.9] * 30, [0.1] * 50), "toy")
    assert score.value == 1
    assert score.intervals[0].kind == "wilson-disjoint-pairs"
    assert score.intervals[0].low == wilson(30, 30).low < 0.9
    assert Auc()(pairs([0.1] * 30, [0.9] * 50), "toy")[0].intervals[0].high == wilson(0, 30).high
    one, _ = Auc()(pairs([0.5], [0.1, 0.6, 0.7]), "toy")
    assert one.value == pytest.approx(1 / 3)
    assert one.intervals[0].low < 1 / 3 < one.intervals[0].high
    equal, _ = Auc()(pairs([0.5] * 9, [0.5] * 9), "toy")
    assert equal.value == 0.5
    assert equal.intervals[0].low < 0.5 < equal.intervals[0].high


def test_a_failed_pair_loses_every_comparison() -> None:
    scores = pairs([0.9] * 10, [0.1] * 10)
    scores.similarity[:2] = np.nan
    assert Auc()(scores, "toy")[0].value == pytest.approx(0.8)
    scores.similarity[10] = np.nan
    score, _ = Auc()(scores, "toy")
    assert score.value == pytest.approx(0.8 * 0.9)
    assert score.detail["failures"] == 3
    assert Auc()(PairScores(np.full(20, np.nan), scores.same), "toy")[0].value == 0


def test_an_area_next_to_one_has_an_interval_inside_zero_and_one() -> None:
    rng = np.random.default_rng(0)
    scores = pairs(rng.uniform(0.5, 1, 3000), np.append(rng.uniform(-1, 0.4999, 2999), 0.5001))
    score, _ = Auc()(scores, "toy")
    assert score.value is not None
    assert 0 < score.intervals[0].low < score.value < score.intervals[0].high < 1


def test_one_kind_of_pair_is_refused() -> None:
    with pytest.raises(MetricError, match="genuine and impostor"):
        Auc()(pairs([0.1, 0.2], []), "lfw")


def test_two_rates_of_one_class_are_two_measures() -> None:
    rng = np.random.default_rng(0)
    scores = pairs(np.clip(rng.normal(0.5, 0.1, 30_000), -1, 1), np.clip(rng.normal(0.2, 0.1, 30_000), -1, 1))
    named = [build(Metric, entry, where="metrics") for entry in ("tar", {"use": "tar", "far": "1e-3"})]
    assert named == [Tar(), Tar(far=1e-3)]
    loose, strict = (metric(scores, "toy")[0] for metric in named)
    assert (loose.measure.name, strict.measure.name) == ("tar@far=0.01", "tar@far=0.001")
    assert loose.value is not None
    assert strict.value is not None
    assert strict.value < loose.value
    few = Tar(far=1e-3)(PairScores(scores.similarity[27_001:33_000], scores.same[27_001:33_000]), "toy")[0]
    assert few.value is None
    assert "3 false accepts" in few.note or "rule of 30" in few.note
