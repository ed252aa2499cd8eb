"""Ten-fold accuracy of 6,000 pairs against the plain loop over thresholds, in one run, with equal numbers.

`pytest tests/perf -n0 --benchmark-enable --benchmark-group-by=group` prints the ratio.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from facebench.bench.biometrics.roc import PairScores
from facebench.bench.metrics.accuracy import THRESHOLDS, ten_fold
from numpy.typing import NDArray

PAIRS = 6000


@pytest.fixture(scope="module")
def scores() -> PairScores:
    rng = np.random.default_rng(0)
    same = np.tile(np.repeat([True, False], 300), 10)  # the order of lfw.bin
    return PairScores(np.clip(rng.normal(np.where(same, 0.5, 0.05), 0.15), -1, 1), same)


def plain(scores: PairScores) -> NDArray[np.float64]:
    """InsightFace's evaluation as it is: every rate at every threshold, on nine folds and on the tenth."""
    distance, same = 2 - 2 * scores.similarity, scores.same
    accuracy = np.zeros(10)
    for fold, held in enumerate(np.array_split(np.arange(len(same)), 10)):
        train = np.setdiff1d(np.arange(len(same)), held)
        on_train = [rates(threshold, distance[train], same[train])[2] for threshold in THRESHOLDS]
        for threshold in THRESHOLDS:
            rates(threshold, distance[held], same[held])
        best = np.argmax(on_train)
        accuracy[fold] = rates(THRESHOLDS[best], distance[held], same[held])[2]
    return accuracy


def rates(threshold: float, distance: NDArray[np.float64], same: Any) -> tuple[float, float, float]:
    predicted = np.less(distance, threshold)
    tp = np.sum(np.logical_and(predicted, same))
    fp = np.sum(np.logical_and(predicted, np.logical_not(same)))
    tn = np.sum(np.logical_and(np.logical_not(predicted), np.logical_not(same)))
    fn = np.sum(np.logical_and(np.logical_not(predicted), same))
    return tp / max(tp + fn, 1), fp / max(fp + tn, 1), float(tp + tn) / distance.size


def fast(scores: PairScores) -> NDArray[np.float64]:
    folds = ten_fold(scores)
    return folds.correct / folds.size


@pytest.mark.benchmark(group="ten-fold accuracy of 6,000 pairs")
def test_ours(benchmark: Any, scores: PairScores) -> None:
    assert benchmark(fast, scores).shape == (10,)


@pytest.mark.benchmark(group="ten-fold accuracy of 6,000 pairs")
def test_plain_loop(benchmark: Any, scores: PairScores) -> None:
    assert benchmark.pedantic(plain, args=(scores,), rounds=3).shape == (10,)


def test_ours_is_fifty_times_faster_with_equal_numbers(scores: PairScores) -> None:
    fast(scores)
    ours = min(seconds(fast, scores)[0] for _ in range(20))
    theirs, expected = seconds(plain, scores)
    assert (fast(scores) == expected).all()
    assert theirs >= 50 * ours, f"plain loop {theirs:.3f} s, ours {ours:.5f} s: {theirs / ours:.0f}x"


def seconds(work: Callable[[PairScores], NDArray[np.float64]], scores: PairScores) -> tuple[float, NDArray[np.float64]]:
    start = time.process_time()
    result = work(scores)
    return time.process_time() - start, result
