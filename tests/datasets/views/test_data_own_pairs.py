"""Pairs of a dataset's own held-out people, where it brings no verification set."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from facebench.datasets.base import DataError
from facebench.datasets.synthetic import SyntheticFaces
from facebench.datasets.views.own_pairs import _OF_ONE, OwnPairs


def faces(*counts: int) -> Any:
    """People with so many photos each; none is decoded."""
    return SimpleNamespace(labels=np.repeat(np.arange(len(counts)), counts))


def own(counts: tuple[int, ...], rows: np.ndarray | None = None, **given: Any) -> OwnPairs:
    of = faces(*counts)
    return OwnPairs(faces=of, rows=np.arange(len(of.labels)) if rows is None else rows, basis="b", **given)


@pytest.mark.parametrize("counts", [(4,) * 60, (2,) * 40 + (1,) * 30, (50,) * 6 + (3,) * 30, (3,) * 7])
def test_halves_are_genuine_in_every_fold_no_person_is_in_two_and_no_pair_twice(counts: tuple[int, ...]) -> None:
    made = own(counts)
    first, second, same, fold = made.drawn()
    labels = made.faces.labels
    assert (labels[first] == labels[second]).tolist() == same.tolist()
    assert len({frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)}) == len(first)
    assert (first != second).all()
    assert len(np.unique(fold)) == min(10, sum(count > 1 for count in counts) // 2)
    met: dict[int, set[int]] = {}
    for number in np.unique(fold):
        assert same[fold == number].mean() == 0.5
        for row in np.concatenate([first[fold == number], second[fold == number]]):
            met.setdefault(int(labels[row]), set()).add(int(number))
    assert all(len(folds) == 1 for folds in met.values())


def test_nobody_decides_alone() -> None:
    first, _, same, _ = own((400,) + (3,) * 80).drawn()
    assert (first[same] < 400).sum() <= _OF_ONE


def test_equal_seeds_give_equal_pairs_and_others_others() -> None:
    one, again, other = (np.stack(own((4,) * 60, seed=seed).drawn()[:2]) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert one.shape != other.shape or not np.array_equal(one, other)
    assert own((4,) * 60, seed=1).fingerprint() != own((4,) * 60, seed=2).fingerprint()


def test_only_the_rows_it_is_given_and_no_more_pairs_than_asked_for() -> None:
    rows = np.arange(40, 200)
    first, second, same, _ = own((4,) * 60, rows, pairs=60).drawn()
    assert set(first.tolist()) | set(second.tolist()) <= set(rows.tolist())
    assert len(same) == 60


@pytest.mark.parametrize("counts", [(1,) * 100, (4,) * 3, (2,) * 8, ()])
def test_too_few_people_are_told_with_what_to_do(counts: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"--set roles\.H"):
        own(counts).drawn()


def test_images_are_those_of_the_rows() -> None:
    drawn = SyntheticFaces(12, 3, 0)
    made = OwnPairs(faces=drawn, rows=np.arange(36), basis="b")
    first, second, same, fold = made.drawn()
    pairs = made.open()
    for n in (0, len(first) - 1):
        assert torch.equal(pairs.first[n], drawn[int(first[n])].image)
        assert torch.equal(pairs.second[n], drawn[int(second[n])].image)
    assert pairs.same.tolist() == same.tolist()
    assert pairs.fold is not None and pairs.fold.tolist() == fold.tolist()


@pytest.mark.parametrize("seed", range(6))
def test_where_two_people_have_fewer_impostor_pairs_than_genuine_ones_halves_are_equal_all_the_same(seed: int) -> None:
    _, _, same, fold = own((8, 2, 8, 2), seed=seed).drawn()
    assert [same[fold == number].mean() for number in (0, 1)] == [0.5, 0.5]
