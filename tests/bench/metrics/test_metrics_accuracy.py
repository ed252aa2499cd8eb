"""Ten-fold accuracy against InsightFace's rule, written here as the plain loop it is."""

from typing import Any

import numpy as np
import pytest
from facebench.bench.biometrics.roc import MetricError, PairScores
from facebench.bench.metrics.accuracy import THRESHOLDS, Accuracy, ten_fold
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray


def runs_of(n: int, folds: int) -> list[NDArray[np.int64]]:
    """Consecutive runs; the first n % folds have one more, as in scikit-learn's KFold(shuffle=False)."""
    ends = np.cumsum([n // folds + (fold < n % folds) for fold in range(folds)])
    return [np.arange(end - n // folds - (fold < n % folds), end) for fold, end in enumerate(ends)]


def folds_of(same: Any) -> list[NDArray[np.int64]]:
    """Of either kind, consecutive runs; as many folds as there are pairs of the rarer kind, ten at most."""
    kinds = [np.flatnonzero(same), np.flatnonzero(~same)]
    folds = min(10, *map(len, kinds))
    return [
        np.concatenate(parts) for parts in zip(*([k[r] for r in runs_of(len(k), folds)] for k in kinds), strict=True)
    ]


def plain_accuracy(threshold: float, distance: NDArray[np.float64], same: Any) -> float:
    predicted = np.less(distance, threshold)
    true_positive = np.sum(np.logical_and(predicted, same))
    true_negative = np.sum(np.logical_and(np.logical_not(predicted), np.logical_not(same)))
    return float(true_positive + true_negative) / distance.size


def plain_ten_fold(
    distance: NDArray[np.float64], same: Any, folds: list[NDArray[np.int64]] | None = None
) -> NDArray[np.float64]:
    """The rule: the threshold that is best on nine folds, the first of equal ones, answers the tenth."""
    accuracy = []
    for held in folds_of(same) if folds is None else folds:
        train = np.setdiff1d(np.arange(len(distance)), held)
        on_train = [plain_accuracy(threshold, distance[train], same[train]) for threshold in THRESHOLDS]
        best = int(np.argmax(on_train))
        accuracy.append(plain_accuracy(THRESHOLDS[best], distance[held], same[held]))
    return np.array(accuracy)


def distance_of(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(2 - 2 * similarity, 0)


def some_scores(rng: np.random.Generator, n: int, *, overlap: float = 0.2, dtype: Any = np.float64) -> PairScores:
    same = rng.random(n) < 0.5
    same[:4] = True, False, True, False
    similarity = np.clip(rng.normal(np.where(same, 0.6, 0.1), overlap), -1, 1).astype(dtype)
    return PairScores(similarity.astype(np.float64), same)


@pytest.mark.parametrize("n", [10, 11, 19, 57, 203, 600])
@pytest.mark.parametrize("overlap", [0.02, 0.2, 1.0])
def test_equals_the_plain_loop_on_random_scores(n: int, overlap: float) -> None:
    scores = some_scores(np.random.default_rng(n), n, overlap=overlap)
    folds = ten_fold(scores)
    expected = plain_ten_fold(distance_of(scores.similarity), scores.same)
    assert (folds.correct / folds.size == expected).all()  # exactly


def test_equals_the_plain_loop_on_float32_scores() -> None:
    scores = some_scores(np.random.default_rng(5), 300, dtype=np.float32)
    folds = ten_fold(scores)
    expected = plain_ten_fold(distance_of(scores.similarity), scores.same)
    assert (folds.correct / folds.size == expected).all()


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_equals_the_plain_loop_on_distances_that_lie_on_thresholds(data: st.DataObject) -> None:
    n = data.draw(st.integers(10, 35))
    place = np.array(data.draw(st.lists(st.integers(0, 60), min_size=n, max_size=n)))
    same = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    same[:4] = True, False, True, False
    similarity = 1 - THRESHOLDS[place] / 2
    folds = ten_fold(PairScores(similarity, same))
    assert (folds.correct / folds.size == plain_ten_fold(distance_of(similarity), same)).all()


def test_a_distance_on_the_threshold_is_not_accepted() -> None:
    exact = [0.0, 2.0]  # squared distances that 2 - 2 * cosine meets exactly, as the grid does
    assert {0.0, 2.0} <= set(THRESHOLDS.tolist())
    similarity = np.repeat([1 - distance / 2 for distance in exact], 10)
    same = np.repeat([True, False], 10)
    order = np.arange(20).reshape(2, 10).T.ravel()  # genuine and impostor in turn
    folds = ten_fold(PairScores(similarity[order], same[order]))
    assert folds.correct.sum() == 20
    assert folds.threshold == pytest.approx(0.01)  # 0 accepts nothing at distance 0: the next one is the first best


def test_fixed_scores_give_the_accuracy_worked_out_by_hand() -> None:
    # nine folds are told apart by any threshold in (0.4, 1.6]; in fold 0 genuine and impostor are swapped
    similarity = np.tile([0.8, 0.2], 10)
    similarity[:2] = 0.2, 0.8
    score, curve = Accuracy()(PairScores(similarity, np.tile([True, False], 10)), "toy")
    assert curve is None
    assert score.value == pytest.approx(0.9)
    assert score.detail["fold_sd"] == pytest.approx(0.3)
    assert score.detail["n_genuine"] == score.detail["n_impostor"] == 10
    assert score.n == 20
    assert score.chance == 0.5
    assert score.intervals[0].kind == "wilson"
    assert score.intervals[0].low < 0.9 < score.intervals[0].high
    assert score.measure.headline
    assert (score.measure.side, score.measure.better) == ("utility", "higher")


def test_a_failed_pair_counts_as_wrong_whichever_kind_it_is() -> None:
    similarity = np.tile([0.9, 0.0], 50)
    same = np.tile([True, False], 50)
    for failed in ([4], [5], [4, 5, 60, 71]):
        broken = similarity.copy()
        broken[failed] = np.nan
        score, _ = Accuracy()(PairScores(broken, same), "toy")
        assert score.value == pytest.approx(1 - len(failed) / 100)
        assert score.n == 100
        assert score.detail["failures"] == len(failed)
    score, _ = Accuracy()(PairScores(np.full(100, np.nan), same), "toy")
    assert score.value == 0


def test_cosines_a_hair_above_one_are_distances_of_zero() -> None:
    same = np.tile([True, False], 10)
    score, _ = Accuracy()(PairScores(np.where(same, 1 + 1e-7, 0.0), same), "toy")
    assert score.value == 1
    assert score.detail["threshold"] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("similarity", "same", "says"),
    [
        (np.zeros(0), np.zeros(0, bool), "expected at least 10 pairs, got 0"),
        (np.zeros(9), np.arange(9) < 4, "expected at least 10 pairs, got 9"),
        (np.zeros(20), np.ones(20, bool), "got 20 genuine and 0 impostor"),
        (np.zeros(20), np.zeros(20, bool), "got 0 genuine and 20 impostor"),
        (np.zeros(20), np.arange(19) < 4, r"got \(20,\) and \(19,\)"),
        (np.zeros(20), np.arange(20) % 2, "of int"),
        (np.full(20, 7.0), np.arange(20) < 4, "pair 0: expected a cosine in .* got 7"),
        (np.full(20, np.inf), np.arange(20) < 4, "pair 0: expected a cosine in .* got inf"),
    ],
)
def test_scores_that_cannot_be_measured_are_refused_with_what_and_why(
    similarity: NDArray[np.float64], same: Any, says: str
) -> None:
    with pytest.raises(MetricError, match=says) as error:
        Accuracy()(PairScores(similarity, same), "lfw")
    assert "verification set lfw" in str(error.value)
