"""Which view of the hold-out people an attack's control and its open-set search are made of."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from attacked import Inverted, Shuffled, both_ways, evidence, roles
from facebench.bench.attacks import alignment
from facebench.bench.attacks.alignment import Alignment
from facebench.bench.attacks.base import Embeddings, Evidence, Paired
from facebench.bench.attacks.ignorant import Ignorant
from facebench.bench.attacks.leakage import arrays, control, leak_at_k, open_set
from facebench.bench.attacks.leakage.search import SearchSpace, SpaceOf, ignorant, search
from facebench.bench.biometrics.nearest import nearest
from facebench.datasets.views.subset import of_people
from facebench.methods.base import Method

METHODS: dict[str, Method] = {"inverted": Inverted(), "shuffled": Shuffled()}


@cache
def holdout(name: str) -> Paired:
    """Role H both ways."""
    return both_ways(METHODS[name], roles()["H"], seed=3)


@cache
def held(name: str) -> Evidence:
    """What the attacker of a method holds."""
    return evidence(METHODS[name], holdout=lambda: holdout(name))


def strangers(out: Path) -> np.ndarray:
    """What an attack kept of its search for people who have no mate."""
    return arrays.read(open_set.NonMateSearches, out / open_set.FILE).similarity


def compared(out: Path) -> control.Control:
    """What an attack kept of its control."""
    return arrays.read(control.Control, out / control.FILE)


def expected(probes: Embeddings, standins: Embeddings, out: Path) -> control.Control:
    """The control of an attack, with some hold-out faces in place of the true people."""
    return control.compare(probes, standins, leak_at_k.read(out))


def alike(one: control.Control, other: control.Control) -> bool:
    """Whether two controls are equal."""
    return np.allclose(one.probe, other.probe) and np.allclose(one.person, other.person)


@pytest.mark.parametrize("name", METHODS)
def test_the_ignorant_attacker_takes_private_holdout_faces_for_strangers(name: str, tmp_path: Path) -> None:
    given, people = held(name), holdout(name)
    Ignorant().run(given, tmp_path)
    assert np.allclose(strangers(tmp_path), nearest(people.private, given.original), atol=1e-6)
    assert not np.allclose(strangers(tmp_path), nearest(people.original, given.original), atol=1e-2)


@pytest.mark.parametrize("name", METHODS)
def test_original_holdout_faces_stand_in_for_the_people_behind_private_ones(name: str, tmp_path: Path) -> None:
    given, people = held(name), holdout(name)
    Ignorant().run(given, tmp_path)
    assert alike(compared(tmp_path), expected(given.private, people.original, tmp_path))
    assert not alike(compared(tmp_path), expected(given.private, people.private, tmp_path))


def test_the_aligning_attacker_sees_holdout_people_through_its_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[SpaceOf] = []

    def watched(
        evidence: Evidence, see: SpaceOf, out: Path, *, other_photos: SpaceOf | None = None
    ) -> leak_at_k.SearchResult:
        chosen.append(see)
        return search(evidence, see, out, other_photos=other_photos)

    monkeypatch.setattr(alignment, "search", watched)
    few = both_ways(METHODS["shuffled"], of_people(roles()["A"], (0, 16)))
    given, people = replace(held("shuffled"), attacker=lambda: few), holdout("shuffled")
    Alignment(maps=("ridge",)).run(given, tmp_path)
    (see,) = chosen
    mapped, released = see(people), see(given.released)
    assert np.allclose(strangers(tmp_path), nearest(mapped.probes, given.original), atol=1e-6)
    for wrong in (people.private, people.original):
        assert not np.allclose(strangers(tmp_path), nearest(wrong, given.original), atol=1e-2)
    assert alike(compared(tmp_path), expected(released.probes, people.original, tmp_path))
    assert not alike(compared(tmp_path), expected(given.private, people.original, tmp_path))
    assert not alike(compared(tmp_path), expected(released.probes, mapped.probes, tmp_path))


def test_an_attacker_who_sees_both_sides_in_a_space_of_its_own_sees_holdout_people_there(tmp_path: Path) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(147, 147)))

    def see(people: Paired) -> SearchSpace:
        return SearchSpace(
            *(seen._replace(vectors=seen.vectors @ turn.astype(np.float32)) for seen in ignorant(people))
        )

    given, people = held("shuffled"), holdout("shuffled")
    search(given, see, tmp_path)
    released, others = see(given.released), see(people)
    assert np.allclose(strangers(tmp_path), nearest(others.probes, released.gallery), atol=1e-6)
    assert alike(compared(tmp_path), expected(released.probes, others.gallery, tmp_path))
    assert not alike(compared(tmp_path), expected(released.probes, people.original, tmp_path))
