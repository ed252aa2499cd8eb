"""Originals that the method failed on: not found, counted, and left out beside that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facebench.bench.attacks.base import Attack, Embeddings, Evidence
from facebench.bench.attacks.ensemble import Ensemble
from facebench.bench.attacks.ignorant import Ignorant
from facebench.bench.attacks.linkage import Linkage
from facebench.bench.attacks.other_image import OtherImage
from facebench.reports.result.record import Score

PEOPLE, IMAGES, MISSED = 20, 4, [1, 2, 7, 40]


def faces() -> Embeddings:
    """Faces of people that are told apart without error."""
    random = np.random.default_rng(4)
    identity = np.repeat(np.arange(PEOPLE), IMAGES)
    vectors = random.standard_normal((PEOPLE, 32))[identity] + 0.2 * random.standard_normal((len(identity), 32))
    return Embeddings((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), identity)


def evidence(missed: list[int]) -> Evidence:
    """All originals but the missed ones released as they are."""
    untouched: Any = None
    originals = faces()
    source = np.setdiff1d(np.arange(len(originals.identity)), MISSED)
    private = Embeddings(originals.vectors[source], originals.identity[source])
    seen = {len(source): private, len(originals.identity): originals}
    return Evidence(
        private=private,
        original=originals,
        source=source,
        missed=np.array(missed, np.int64),
        seed=0,
        device=untouched,
        private_faces=source,  # type: ignore[arg-type]  # a judge below tells sets by their length
        original_faces=originals.identity,  # type: ignore[arg-type]
        attacker_faces=untouched,
        generator_faces=untouched,
        holdout_faces=untouched,
        embed=untouched,
        judges=(lambda some: seen[len(some)],),
    )


def scores_of(attack: Attack, given: Evidence, out: Path) -> dict[str, Score]:
    out.mkdir()
    attack.run(given, out)
    return {score.measure.name: score for score in attack.scores(out, "t")[0]}


@pytest.mark.parametrize("attack", [Ignorant(), OtherImage(), Ensemble()])
def test_a_face_that_was_never_made_is_not_found_and_is_left_out_beside(attack: Attack, tmp_path: Path) -> None:
    total = PEOPLE * IMAGES
    found = scores_of(attack, evidence(MISSED), tmp_path / "a")["leak@1"]
    assert found.n == total
    assert found.value == pytest.approx(1 - len(MISSED) / total)
    assert found.detail["leak_excl_failures"] == 1
    assert found.detail["failure_rate"] == pytest.approx(len(MISSED) / total)
    assert found.detail["people"] == PEOPLE


def test_a_method_that_releases_fewer_faces_on_purpose_has_not_failed(tmp_path: Path) -> None:
    found = scores_of(Ignorant(), evidence([]), tmp_path / "a")["leak@1"]
    assert (found.n, found.value) == (PEOPLE * IMAGES - len(MISSED), 1)


def test_faces_that_were_never_made_are_linked_with_nothing_and_are_no_probes(tmp_path: Path) -> None:
    given = evidence(MISSED)
    there = scores_of(Linkage(), replace(given, missed=np.empty(0, np.int64)), tmp_path / "a")
    with_misses = scores_of(Linkage(), given, tmp_path / "b")
    assert with_misses["linked@1"].n == there["linked@1"].n
    assert with_misses["linked@1"].value == there["linked@1"].value


def test_the_mean_over_people_counts_their_misses(tmp_path: Path) -> None:
    by_person = scores_of(Ignorant(), evidence(MISSED), tmp_path / "a")["leak@1 by person"]
    lost = {0: 2, 1: 1, 10: 1}
    assert by_person.value == pytest.approx(1 - sum(count / IMAGES for count in lost.values()) / PEOPLE)
