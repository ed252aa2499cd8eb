"""Folds: equal to InsightFace's on the known sets, of both kinds on all others, and whatever the order of the pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from facebench.bench.biometrics.folds import by_kind, in_blocks
from facebench.bench.biometrics.roc import MetricError, PairScores
from facebench.bench.compare.paired_tests import mcnemar
from facebench.bench.compare.paired_tests import test as paired_test
from facebench.bench.compare.trials import CHOSEN, Trials
from facebench.bench.metrics.accuracy import THRESHOLDS, Accuracy, answered, ten_fold
from facebench.bench.recognition import verification
from facebench.datasets.base import Pairs
from numpy.typing import NDArray
from scipy.stats import binomtest

LAYOUTS = {"lfw": 300, "cfp_fp": 350, "agedb_30": 300}
"""Genuine pairs in each of ten blocks, which as many impostor pairs follow."""


def blocks(half: int, folds: int = 10) -> NDArray[np.bool_]:
    return np.tile(np.repeat([True, False], half), folds)


def some(same: NDArray[np.bool_], seed: int = 0, apart: float = 0.3) -> NDArray[np.float64]:
    return np.clip(np.random.default_rng(seed).normal(np.where(same, 0.2 + apart, 0.2), 0.15), -1, 1)


def insightface(similarity: NDArray[np.float64], same: NDArray[np.bool_]) -> list[float]:
    """`calculate_roc` as it is published: ten consecutive runs of the pairs, whatever they hold."""
    distance, accuracy = 2 - 2 * similarity, []
    for held in np.array_split(np.arange(len(same)), 10):
        train = np.setdiff1d(np.arange(len(same)), held)
        on_train = [((distance[train] < threshold) == same[train]).mean() for threshold in THRESHOLDS]
        accuracy.append(float(((distance[held] < THRESHOLDS[int(np.argmax(on_train))]) == same[held]).mean()))
    return accuracy


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_known_sets_have_insightfaces_digits(name: str) -> None:
    same = blocks(LAYOUTS[name])
    assert in_blocks(same)
    similarity = some(same, seed=len(name))
    folds = ten_fold(PairScores(similarity, same))
    assert (folds.correct / folds.size).tolist() == insightface(similarity, same)
    assert (folds.fold == np.repeat(np.arange(10), 2 * LAYOUTS[name])).all()


def test_a_pack_of_three_blocks_has_both_kinds_in_every_fold() -> None:
    same = blocks(300, folds=3)
    plain, folds = insightface(similarity := some(same), same), ten_fold(PairScores(similarity, same))
    assert not in_blocks(same)
    assert (np.bincount(folds.fold, weights=same) == 90).all()
    assert (folds.size == 180).all()
    accuracy = folds.correct.sum() / 1800
    best = max(((2 - 2 * similarity < threshold) == same).mean() for threshold in THRESHOLDS)
    assert best - 0.02 < accuracy <= best
    assert np.mean(plain) < accuracy - 0.01  # what consecutive runs made of it


def test_how_the_kinds_are_mixed_changes_nothing() -> None:
    same = blocks(300, folds=3)
    similarity = some(same)
    whole = Accuracy()(PairScores(similarity, same), "x")[0]
    random = np.random.default_rng(1)
    mixed, anyhow = random.permutation(same), np.empty(len(same), np.int64)  # the order within a kind stays
    anyhow[mixed], anyhow[~mixed] = np.flatnonzero(same), np.flatnonzero(~same)
    for order in (np.argsort(~same, kind="stable"), np.argsort(same, kind="stable"), anyhow):
        assert Accuracy()(PairScores(similarity[order], same[order]), "x")[0] == whole


def made_up(same: NDArray[np.bool_], tmp_path: Path, order: NDArray[np.int64], **more: object) -> PairScores:
    """Pairs of pictures that tell how alike they are, put in an order and scored."""
    random = np.random.default_rng(5)
    faces = random.integers(0, 256, (len(same), 2, 3, 4, 4), np.uint8)
    angle = np.arccos(some(same))
    for n, one in enumerate(angle):
        faces[n, 1, 0, 0, :2] = divmod(round(float(one) / np.pi * 65535), 256)
        faces[n, 0, 0, 0, :2] = 0

    def embed(shown: torch.Tensor, progress: object) -> NDArray[np.float32]:
        turned = (shown[:, 0, 0, 0].numpy().astype(float) * 256 + shown[:, 0, 0, 1].numpy()) / 65535 * np.pi
        return np.stack([np.cos(turned), np.sin(turned)], 1).astype(np.float32)

    one, other = (torch.from_numpy(faces[order, side]) for side in (0, 1))
    out = tmp_path / str(abs(hash(order.tobytes())))
    out.mkdir()
    verification.verify(embed, Pairs(one, other, same[order], **more), out)  # type: ignore[arg-type]
    return verification.read(out)


def test_the_order_of_pairs_that_are_scored_changes_no_number(tmp_path: Path) -> None:
    same = blocks(60, folds=3)
    whole = made_up(same, tmp_path, np.arange(360))
    assert whole.fold is not None
    assert not whole.official
    score = Accuracy()(whole, "x")[0]
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(360)
        again = made_up(same, tmp_path, order)
        assert Accuracy()(again, "x")[0] == score
        assert (answered(again) == answered(whole)[order]).all()


def test_blocks_and_official_folds_are_kept_as_they_are(tmp_path: Path) -> None:
    same = blocks(6)
    assert made_up(same, tmp_path, np.arange(120)).fold is None
    fold = np.random.default_rng(0).permutation(np.arange(120) % 7)
    kept = made_up(same, tmp_path, np.arange(120)[::-1], fold=fold)
    assert kept.official
    assert (kept.fold == fold).all()
    score = Accuracy()(kept, "x")[0]
    assert (score.detail["folds"], score.detail["folds_official"]) == (7, 1)
    assert "folds" not in score.note


def test_official_folds_of_one_kind_are_told() -> None:
    same = np.repeat([True, False], 50)
    score = Accuracy()(PairScores(some(same), same, np.arange(100) // 10, official=True), "x")[0]
    assert score.note.startswith("folds of one kind: 10 of the set's own 10 folds")


def test_few_pairs_of_a_kind_make_fewer_folds_and_one_makes_none() -> None:
    same = np.arange(200) < 4
    score = Accuracy()(PairScores(some(same), same), "x")[0]
    assert score.detail["folds"] == 4
    assert (np.bincount(by_kind(same), weights=same) == 1).all()
    with pytest.raises(MetricError, match="two pairs of either kind, got 1 genuine and 199 impostor"):
        Accuracy()(PairScores(some(same), np.arange(200) < 1), "x")


@pytest.mark.parametrize("fold", [np.zeros(99, int), np.zeros(100)])
def test_folds_of_another_shape_or_kind_are_refused(fold: NDArray[np.int64]) -> None:
    same = np.arange(100) < 50
    with pytest.raises(MetricError, match="expected a fold"):
        Accuracy()(PairScores(some(same), same, fold), "x")


@pytest.mark.parametrize("share", [0.5, 0.3, 0.95])
def test_a_recognizer_that_sees_all_faces_alike_is_blind_and_at_chance(share: float) -> None:
    same = np.random.default_rng(0).permutation(np.arange(1000) < share * 1000)
    noise = np.random.default_rng(1).normal(0, 1e-5, 1000)
    for similarity in (np.full(1000, 0.7), 0.99 + noise, np.where(np.arange(1000) < 9, np.nan, 0.2)):
        score = Accuracy()(PairScores(similarity, same), "x")[0]
        assert score.note.startswith("blind: ")
        assert score.value == pytest.approx(max(share, 1 - share), abs=0.02)
    assert Accuracy()(PairScores(some(same), same), "x")[0].note == ""


def test_noise_is_at_chance_in_whatever_order() -> None:
    similarity = np.random.default_rng(0).normal(0.5, 0.1, 400)
    for same in (np.arange(400) % 2 == 0, np.arange(400) < 200, blocks(100, folds=2)):
        value = Accuracy()(PairScores(similarity, same), "x")[0].value
        assert value is not None
        assert binomtest(round(400 * value), 400).pvalue > 0.01


@pytest.mark.parametrize("same", [blocks(300, folds=3), np.arange(1800) < 900], ids=["three blocks", "genuine first"])
def test_two_equal_recognizers_differ_as_seldom_as_the_test_says(same: NDArray[np.bool_]) -> None:
    """Both see a pair alike, but for noise of their own; McNemar's test compares what they answer."""
    random, draws, differ, plain = np.random.default_rng(3), 400, 0, 0
    for _ in range(draws):
        shared = random.normal(np.where(same, 0.4, 0.2), 0.12)
        both = [np.clip(shared + random.normal(0, 0.08, len(same)), -1, 1) for _ in range(2)]
        one, other = (Trials(answered(PairScores(similarity, same)), None, CHOSEN) for similarity in both)
        found = paired_test(one, other)
        assert found is not None
        differ += (found.p or 0.0) < 0.05
        lost, won = (one.hit & ~other.hit).sum(), (~one.hit & other.hit).sum()
        plain += (mcnemar(int(lost), int(won)).p or 0.0) < 0.05
    assert 0.02 <= differ / draws <= 0.085
    assert plain > differ  # thresholds that are chosen on the same pairs are a part of the error
