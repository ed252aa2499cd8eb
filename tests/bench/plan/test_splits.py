"""Roles are identity-disjoint, seeded, and near their shares."""

from __future__ import annotations

import numpy as np
import pytest
from facebench.bench.experiment.stages.apply import draw
from facebench.bench.plan.roles import ROLES, Shares, SplitError, members, role_digest, split
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError


def _names(n: int) -> list[str]:
    return [f"p{i:05d}" for i in range(n)]


@given(counts=st.lists(st.integers(1, 6), min_size=40, max_size=120), seed=st.integers(0, 1000))
def test_everybody_has_exactly_one_role(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    if sum(count >= 2 for count in counts) < 20:
        return
    roles = split(labels, _names(len(counts)), Shares(), min_images=2, seed=seed)
    assert np.array_equal(np.sort(np.concatenate([roles[r] for r in ROLES])), np.arange(len(counts)))
    for role in ("A", "P", "H"):
        assert all(counts[label] >= 2 for label in roles[role])


def test_shares_are_kept_where_everybody_has_enough_images() -> None:
    roles = split(np.repeat(np.arange(1000), 3), _names(1000), Shares(), min_images=2, seed=0)
    assert [len(roles[r]) for r in ROLES] == [300, 200, 400, 100]


def test_people_with_few_images_go_to_g_and_the_rest_is_dealt_by_the_other_shares() -> None:
    labels = np.concatenate([np.arange(700), np.repeat(np.arange(700, 1400), 2)])
    roles = split(labels, _names(1400), Shares(), min_images=2, seed=0)
    assert [len(roles[r]) for r in ROLES] == [700, 200, 400, 100]


@given(counts=st.lists(st.integers(1, 6), min_size=60, max_size=120), seed=st.integers(0, 100), k=st.integers(2, 4))
def test_people_of_g_may_be_asked_to_have_several_photos(counts: list[int], seed: int, k: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    if sum(count >= 4 for count in counts) < 20:
        return
    shares = Shares()
    roles = split(labels, _names(len(counts)), shares, min_images=2, seed=seed, min_images_fit=k)
    assert all(counts[label] >= k for label in roles["G"])
    dealt = np.concatenate([roles[role] for role in ROLES])
    assert len(np.unique(dealt)) == len(dealt)
    assert {label for label, count in enumerate(counts) if count >= 2} <= set(dealt.tolist())  # nobody of use is lost
    usual = split(labels, _names(len(counts)), shares, min_images=2, seed=seed)
    asked = split(labels, _names(len(counts)), shares, min_images=2, seed=seed, min_images_fit=1)
    assert all(np.array_equal(usual[role], asked[role]) for role in ROLES)


def test_a_pack_of_people_with_one_photo_gives_g_the_others_share() -> None:
    """As on LFW, where G is thousands of people with one photo each unless more are asked for."""
    labels = np.concatenate([np.arange(700), np.repeat(np.arange(700, 1000), 3)])
    usual = split(labels, _names(1000), Shares(), min_images=2, seed=0)
    assert len(usual["G"]) == 700
    asked = split(labels, _names(1000), Shares(), min_images=2, seed=0, min_images_fit=2)
    assert [len(asked[role]) for role in ROLES] == [90, 60, 120, 30]


def test_the_seed_decides_and_a_repacked_dataset_splits_alike() -> None:
    labels = np.repeat(np.arange(100), 2)
    first = split(labels, _names(100), Shares(), min_images=2, seed=1)
    assert all(np.array_equal(first[r], split(labels, _names(100), Shares(), min_images=2, seed=1)[r]) for r in ROLES)
    assert not np.array_equal(first["P"], split(labels, _names(100), Shares(), min_images=2, seed=2)["P"])
    turned = split(labels, _names(100)[::-1], Shares(), min_images=2, seed=1)  # label i now has name 99 - i
    assert np.array_equal(np.sort(99 - turned["P"]), first["P"])


def test_too_few_people_are_told() -> None:
    with pytest.raises(SplitError, match="nobody is left for role"):
        split(np.repeat(np.arange(2), 5), _names(2), Shares(), min_images=2, seed=0)
    with pytest.raises(SplitError, match="nobody is left for role"):
        split(np.zeros(5, dtype=np.int64), _names(1), Shares(), min_images=2, seed=0)


def test_shares_must_add_up() -> None:
    with pytest.raises(ValidationError, match="add up to 1"):
        Shares(G=0.5)


def test_members_come_sorted_by_person() -> None:
    labels = np.array([2, 0, 1, 0, 2, 1])
    assert members(labels, np.array([0, 2])).tolist() == [1, 3, 0, 4]
    assert role_digest(np.array([1, 2])) != role_digest(np.array([2, 1]))


def test_of_many_faces_whole_people_are_drawn_by_the_seed() -> None:
    labels = np.repeat(np.arange(30), 4)
    places = np.flatnonzero(labels >= 10)
    kept = draw(labels, places, 42, seed=0)
    assert len(kept) == 40
    assert np.bincount(labels[kept])[np.unique(labels[kept])].tolist() == [4] * 10
    assert np.isin(kept, places).all()
    assert np.array_equal(kept, draw(labels, places, 42, seed=0))
    assert not np.array_equal(kept, draw(labels, places, 42, seed=1))
    assert np.array_equal(draw(labels, places, 80, seed=0), places)
    assert len(np.unique(labels[draw(labels, places, 4, seed=0)])) == 4  # fewer teach nobody
