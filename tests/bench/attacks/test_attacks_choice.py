"""Who teaches an attacker, who chooses, and what is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacked import Inverted, Shuffled, both_ways, embed, evidence, roles
from facebench.bench.attacks.adaptive.selection import (  # fmt: skip
    AS_IT_IS,
    SHARE,
    Way,
    best,
    choose,
    divide,
    keep,
    mixed,
    told_with,
)
from facebench.bench.attacks.base import Embeddings, NotApplicableError, Paired, untold
from facebench.bench.attacks.leakage import other_photo
from facebench.bench.attacks.leakage.search import See, View, judge, search
from facebench.datasets.views.subset import Nobody, Subset
from facebench.methods.original import Original


def test_teachers_and_choosers_are_different_people() -> None:
    known = divide(both_ways(Shuffled(), roles()["A"]), 3)
    teachers, choosers = set(known.teachers.private.identity), set(known.choosers.private.identity)
    assert not teachers & choosers
    assert len(choosers) == round(SHARE * 70) == 70 - len(teachers)
    for people in known:  # a private face and its source are of one person
        assert np.array_equal(people.original.identity[people.source], people.private.identity)
        assert np.array_equal(embed(people.private_faces).vectors, people.private.vectors)
        assert np.array_equal(embed(people.original_faces).vectors, people.original.vectors)
        anew = people.again(np.arange(3))
        first = both_ways(Shuffled(), Subset(people.original_faces, np.arange(3)))
        assert np.array_equal(embed(anew).vectors, first.private.vectors)


def test_mixed_views_have_the_weighted_mean_of_similarities() -> None:
    people = both_ways(Shuffled(), roles()["H"])
    one, other = judge(people), judge(both_ways(Inverted(), roles()["H"]))
    both = mixed(one, other, 0.25)
    seen = [view.probes.vectors[:5] @ view.gallery.vectors[:9].T for view in (one, other)]
    wanted = 0.75 * seen[0] + 0.25 * seen[1]
    assert np.allclose(both.probes.vectors[:5] @ both.gallery.vectors[:9].T, wanted, atol=1e-6)
    assert both.probes.vectors.dtype == np.float32
    assert mixed(one, other, 0.0) == one
    assert mixed(one, other, 1.0) == other


def test_of_equally_good_ways_the_first_is_taken() -> None:
    choosers = divide(both_ways(Original(), roles()["A"]), 0).choosers
    again = AS_IT_IS._replace(name="again")
    assert best([AS_IT_IS, again], choosers).way.name == "none"
    assert best([again, AS_IT_IS], choosers).way.name == "again"


def test_of_ways_that_find_as_many_the_one_that_ranks_the_others_better_is_taken() -> None:
    choosers = divide(both_ways(Original(), roles()["A"]), 0).choosers
    people = np.unique(choosers.original.identity)

    def placed(after: int) -> Way:
        """Every private face looks like the person `after` places on, and a little like its own."""
        axes = np.eye(len(people), dtype=np.float32)
        original = axes[np.searchsorted(people, choosers.original.identity)]
        at = np.searchsorted(people, choosers.private.identity)
        mixed = sum((after - n) * axes[(at + n) % len(people)] for n in range(1, after)) + 0.5 * axes[at]
        private = (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32)
        seen = View(choosers.private._replace(vectors=private), choosers.original._replace(vectors=original))
        return Way(f"after {after}", lambda _: seen)

    chosen = best([placed(5), placed(2), placed(3)], choosers)
    assert set(chosen.found.values()) == {0.0}
    assert chosen.way.name == "after 2"
    place = np.searchsorted(people, choosers.private.identity)
    before = np.roll(np.bincount(np.searchsorted(people, choosers.original.identity)), -1)  # images of the next person
    expected = [(1 / (1 + before[place[place == n]])).mean() for n in range(len(people))]
    assert chosen.rated["after 2"] == pytest.approx(np.mean(expected))


def test_one_person_with_many_photos_does_not_choose_alone() -> None:
    """Twenty people; a view that finds the one with a hundred photos alone, and one that finds three others."""
    identity = np.concatenate([np.zeros(100, int), np.arange(1, 21)])
    axes = np.eye(21, dtype=np.float32)
    faces = Embeddings(axes[identity], identity)
    found = {"the one": [0], "three others": [1, 2, 3]}
    ways = []
    for name, whom in found.items():
        seen = axes[np.where(np.isin(identity, whom), identity, (identity + 7) % 21)]
        ways.append(Way(name, lambda _, seen=seen: View(Embeddings(seen, identity), faces)))  # type: ignore[misc]
    people = Paired(faces, faces, np.arange(120), Nobody(), Nobody(), untold)
    chosen = best(ways, people)
    assert chosen.way.name == "three others"
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
    photos = Way("photos", lambda _: View(faces, faces))
    known = Way(
        "faces",
        lambda _: View(Embeddings(person, identity), Embeddings(np.eye(30, dtype=np.float32)[identity], identity)),
    )
    choice = choose([photos, known], people)
    assert (choice.way.name, choice.other_photos.name) == ("photos", "faces")
    without = choice.about["other_photos"]
    assert without.found == {"photos": 0, "faces": pytest.approx(0.9)}


def test_who_searches_without_the_photo_sees_as_was_chosen_for_that(tmp_path: Path) -> None:
    given = evidence(Original())

    def mistaken(by: int) -> See:
        """People by number; private faces are taken for those of the person so many numbers on."""

        def see(people: Paired) -> View:
            each = np.eye(100, dtype=np.float32)
            private, original = people.private.identity, people.original.identity
            return View(Embeddings(each[private + by], private), Embeddings(each[original], original))

        return see

    for by, other in ((0, 1), (1, 0)):
        found = search(given, mistaken(by), tmp_path, other_photos=mistaken(other))
        (without,) = other_photo.scores(tmp_path, "it")
        assert [(found.identity == 1).mean() > 0.9, (without.value or 0) > 0.9] == [by == 0, other == 0]


def test_who_has_no_other_photo_does_not_choose_for_a_search_without_it() -> None:
    identity = np.array([0, 0, 1])
    faces = Embeddings(np.eye(3, dtype=np.float32)[[0, 0, 1]], identity)
    people = Paired(faces, faces, np.arange(3), Nobody(), Nobody(), untold)
    assert best([AS_IT_IS], people, leave_out_source=True).found == {"none": 1}
    faces = Embeddings(faces.vectors[1:], identity[1:])
    alone = Paired(faces, faces, np.arange(2), Nobody(), Nobody(), untold)
    assert best([AS_IT_IS], alone, leave_out_source=True).rated == {"none": 0}


def test_a_way_that_failed_is_told_and_one_that_does_not_apply_is_not(tmp_path: Path) -> None:
    known = divide(both_ways(Original(), roles()["A"]), 0)

    def refuse(reason: str) -> Way:
        def see(people: Any) -> View:
            raise NotApplicableError(reason)

        return Way(reason, see)

    search(evidence(Original()), judge, tmp_path)
    ways = [AS_IT_IS, refuse("not measured: no memory"), refuse("does not apply: once and for all")]
    keep(tmp_path, choose(ways, known.choosers), known.teachers)
    (score,) = [score for score in told_with(tmp_path, [1], "t")[0] if score.measure.headline]
    assert score.note.endswith("1 other ways could not be tried: not measured: no memory")


def test_a_chooser_whom_a_view_does_not_show_is_found_at_no_rank() -> None:
    choosers = divide(both_ways(Original(), roles()["A"]), 0).choosers
    lost = choosers.private.vectors.copy()
    lost[: len(lost) // 2] = np.nan
    half_seen = View(choosers.private._replace(vectors=lost), choosers.original)
    chosen = best([Way("half", lambda _: half_seen)], choosers)
    assert chosen.rated["half"] == chosen.found["half"] == 1 - (len(lost) // 2) / len(lost)


def test_a_view_to_which_all_are_alike_is_not_chosen() -> None:
    choosers = divide(both_ways(Shuffled(), roles()["A"]), 0).choosers

    def blind(people: Any) -> View:
        same = [np.ones_like(seen.vectors) / np.sqrt(seen.vectors.shape[1]) for seen in judge(people)]
        return View(*(Embeddings(vectors, seen.identity) for vectors, seen in zip(same, judge(people), strict=True)))

    assert best([Way("blind", blind), AS_IT_IS], choosers).found["blind"] == 0


def test_a_way_that_does_not_apply_is_left_out_and_the_others_are_tried() -> None:
    choosers = divide(both_ways(Original(), roles()["A"]), 0).choosers

    def refused(people: Any) -> View:
        raise NotApplicableError("does not apply: once and for all")

    assert best([Way("refused", refused), AS_IT_IS], choosers).found == {"none": 1}
