"""Who teaches an attacker, who chooses, and what is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacked import Inverted, Shuffled, both_ways, embed, evidence, roles
from facebench.bench.attacks.adaptive.selection import (  # fmt: skip
    IDENTITY,
    SHARE,
    Candidate,
    best,
    divide,
    fused,
    learned_scores,
    select,
    write,
)
from facebench.bench.attacks.base import Embeddings, NotApplicableError, Paired, untold
from facebench.bench.attacks.leakage import other_photo
from facebench.bench.attacks.leakage.search import SearchSpace, SpaceOf, ignorant, search
from facebench.datasets.views.subset import Nobody, Subset
from facebench.methods.original import Original


def test_train_and_validation_are_different_people() -> None:
    known = divide(both_ways(Shuffled(), roles()["A"]), 3)
    train, validation = set(known.train.private.identity), set(known.validation.private.identity)
    assert not train & validation
    assert len(validation) == round(SHARE * 70) == 70 - len(train)
    for people in known:  # a private face and its source are of one person
        assert np.array_equal(people.original.identity[people.source], people.private.identity)
        assert np.array_equal(embed(people.private_faces).vectors, people.private.vectors)
        assert np.array_equal(embed(people.original_faces).vectors, people.original.vectors)
        anew = people.again(np.arange(3))
        first = both_ways(Shuffled(), Subset(people.original_faces, np.arange(3)))
        assert np.array_equal(embed(anew).vectors, first.private.vectors)


def test_mixed_views_have_the_weighted_mean_of_similarities() -> None:
    people = both_ways(Shuffled(), roles()["H"])
    one, other = ignorant(people), ignorant(both_ways(Inverted(), roles()["H"]))
    both = fused(one, other, 0.25)
    seen = [view.probes.vectors[:5] @ view.gallery.vectors[:9].T for view in (one, other)]
    wanted = 0.75 * seen[0] + 0.25 * seen[1]
    assert np.allclose(both.probes.vectors[:5] @ both.gallery.vectors[:9].T, wanted, atol=1e-6)
    assert both.probes.vectors.dtype == np.float32
    assert fused(one, other, 0.0) == one
    assert fused(one, other, 1.0) == other


def test_of_equally_good_ways_the_first_is_taken() -> None:
    validation = divide(both_ways(Original(), roles()["A"]), 0).validation
    again = IDENTITY._replace(name="again")
    assert best([IDENTITY, again], validation).candidate.name == "none"
    assert best([again, IDENTITY], validation).candidate.name == "again"


def test_of_ways_that_find_as_many_the_one_that_ranks_the_others_better_is_taken() -> None:
    validation = divide(both_ways(Original(), roles()["A"]), 0).validation
    people = np.unique(validation.original.identity)

    def placed(after: int) -> Candidate:
        """Every private face looks like the person `after` places on, and a little like its own."""
        axes = np.eye(len(people), dtype=np.float32)
        original = axes[np.searchsorted(people, validation.original.identity)]
        at = np.searchsorted(people, validation.private.identity)
        fused = sum((after - n) * axes[(at + n) % len(people)] for n in range(1, after)) + 0.5 * axes[at]
        private = (fused / np.linalg.norm(fused, axis=1, keepdims=True)).astype(np.float32)
        seen = SearchSpace(validation.private._replace(vectors=private), validation.original._replace(vectors=original))
        return Candidate(f"after {after}", lambda _: seen)

    chosen = best([placed(5), placed(2), placed(3)], validation)
    assert set(chosen.found.values()) == {0.0}
    assert chosen.candidate.name == "after 2"
    place = np.searchsorted(people, validation.private.identity)
    before = np.roll(
        np.bincount(np.searchsorted(people, validation.original.identity)), -1
    )  # images of the next person
    expected = [(1 / (1 + before[place[place == n]])).mean() for n in range(len(people))]
    assert chosen.rated["after 2"] == pytest.approx(np.mean(expected))


def test_one_person_with_many_photos_does_not_choose_alone() -> None:
    """Twenty people; a view that finds the one with a hundred photos alone, and one that finds three others."""
    identity = np.concatenate([np.zeros(100, int), np.arange(1, 21)])
    axes = np.eye(21, dtype=np.float32)
    faces = Embeddings(axes[identity], identity)
    found = {"the one": [0], "three others": [1, 2, 3]}
    candidates = []
    for name, whom in found.items():
        seen = axes[np.where(np.isin(identity, whom), identity, (identity + 7) % 21)]
        candidates.append(Candidate(name, lambda _, seen=seen: SearchSpace(Embeddings(seen, identity), faces)))  # type: ignore[misc]
    people = Paired(faces, faces, np.arange(120), Nobody(), Nobody(), untold)
    chosen = best(candidates, people)
    assert chosen.candidate.name == "three others"
    assert chosen.found["the one"] > chosen.found["three others"]


def test_to_find_the_photo_is_not_to_know_the_face() -> None:
    """Two photos a person: a view that knows photos, and one that knows faces a little less well."""
    rng = np.random.default_rng(0)
    identity, each = np.repeat(np.arange(30), 2), np.eye(60, dtype=np.float32)
    faces = Embeddings(each, identity)
    people = Paired(faces, faces, np.arange(60), Nobody(), Nobody(), untold)
    person = np.eye(30, dtype=np.float32)[identity]
    stranger = np.roll(person, 2, axis=0)
    lost = rng.permutation(60)[:6]
    person[lost] = stranger[lost]
    photos = Candidate("photos", lambda _: SearchSpace(faces, faces))
    known = Candidate(
        "faces",
        lambda _: SearchSpace(
            Embeddings(person, identity), Embeddings(np.eye(30, dtype=np.float32)[identity], identity)
        ),
    )
    choice = select([photos, known], people)
    assert (choice.candidate.name, choice.other_photos.name) == ("photos", "faces")
    without = choice.about["other_photos"]
    assert without.found == {"photos": 0, "faces": pytest.approx(0.9)}


def test_who_searches_without_the_photo_sees_as_was_chosen_for_that(tmp_path: Path) -> None:
    given = evidence(Original())

    def mistaken(by: int) -> SpaceOf:
        """People by number; private faces are taken for those of the person so many numbers on."""

        def space_of(people: Paired) -> SearchSpace:
            each = np.eye(100, dtype=np.float32)
            private, original = people.private.identity, people.original.identity
            return SearchSpace(Embeddings(each[private + by], private), Embeddings(each[original], original))

        return space_of

    for by, other in ((0, 1), (1, 0)):
        found = search(given, mistaken(by), tmp_path, other_photos=mistaken(other))
        (without,) = other_photo.scores(tmp_path, "it")
        assert [(found.identity == 1).mean() > 0.9, (without.value or 0) > 0.9] == [by == 0, other == 0]


def test_who_has_no_other_photo_does_not_choose_for_a_search_without_it() -> None:
    identity = np.array([0, 0, 1])
    faces = Embeddings(np.eye(3, dtype=np.float32)[[0, 0, 1]], identity)
    people = Paired(faces, faces, np.arange(3), Nobody(), Nobody(), untold)
    assert best([IDENTITY], people, leave_out_source=True).found == {"none": 1}
    faces = Embeddings(faces.vectors[1:], identity[1:])
    alone = Paired(faces, faces, np.arange(2), Nobody(), Nobody(), untold)
    assert best([IDENTITY], alone, leave_out_source=True).rated == {"none": 0}


def test_a_way_that_failed_is_told_and_one_that_does_not_apply_is_not(tmp_path: Path) -> None:
    known = divide(both_ways(Original(), roles()["A"]), 0)

    def refuse(reason: str) -> Candidate:
        def space_of(people: Any) -> SearchSpace:
            raise NotApplicableError(reason)

        return Candidate(reason, space_of)

    search(evidence(Original()), ignorant, tmp_path)
    candidates = [IDENTITY, refuse("not measured: no memory"), refuse("does not apply: once and for all")]
    write(tmp_path, select(candidates, known.validation), known.train)
    (score,) = [score for score in learned_scores(tmp_path, [1], "t")[0] if score.measure.headline]
    assert score.note.endswith("1 other ways could not be tried: not measured: no memory")


def test_a_chooser_whom_a_view_does_not_show_is_found_at_no_rank() -> None:
    validation = divide(both_ways(Original(), roles()["A"]), 0).validation
    lost = validation.private.vectors.copy()
    lost[: len(lost) // 2] = np.nan
    half_seen = SearchSpace(validation.private._replace(vectors=lost), validation.original)
    chosen = best([Candidate("half", lambda _: half_seen)], validation)
    assert chosen.rated["half"] == chosen.found["half"] == 1 - (len(lost) // 2) / len(lost)


def test_a_view_to_which_all_are_alike_is_not_chosen() -> None:
    validation = divide(both_ways(Shuffled(), roles()["A"]), 0).validation

    def blind(people: Any) -> SearchSpace:
        same = [np.ones_like(seen.vectors) / np.sqrt(seen.vectors.shape[1]) for seen in ignorant(people)]
        return SearchSpace(
            *(Embeddings(vectors, seen.identity) for vectors, seen in zip(same, ignorant(people), strict=True))
        )

    assert best([Candidate("blind", blind), IDENTITY], validation).found["blind"] == 0


def test_a_way_that_does_not_apply_is_left_out_and_the_others_are_tried() -> None:
    validation = divide(both_ways(Original(), roles()["A"]), 0).validation

    def refused(people: Any) -> SearchSpace:
        raise NotApplicableError("does not apply: once and for all")

    assert best([Candidate("refused", refused), IDENTITY], validation).found == {"none": 1}
