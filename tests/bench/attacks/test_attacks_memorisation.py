"""Sets without sources: who is matched at a threshold, what was memorised, and whether synthetic people are people."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facebench.bench.attacks.base import Attack, AttackError, Embeddings, Evidence
from facebench.bench.attacks.consistency import Consistency
from facebench.bench.attacks.memorisation import Memorisation
from facebench.bench.biometrics.matching import draw, genuine_pairs, match_rate, people_matched, threshold
from facebench.bench.biometrics.roc import PairScores
from facebench.bench.metrics.tar import Tar
from facebench.reports.result.record import Curve, Score
from numpy.typing import NDArray


def unit(seed: int, n: int, width: int = 64) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((n, width))
    lengths: NDArray[np.float64] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / lengths).astype(np.float32)


def at(*degrees: float) -> NDArray[np.float32]:
    """Unit vectors of the plane."""
    angle = np.deg2rad(np.array(degrees, float))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def faces(vectors: Any, identity: Any) -> Embeddings:
    return Embeddings(np.asarray(vectors, np.float32), np.asarray(identity, np.int64))


class Shown:
    """Faces of a role, which the recognizer sees as vectors made up beforehand."""

    def __init__(self, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
        self.vectors, self.labels = vectors, labels
        self.identities = len(np.unique(labels))
        self.names: Sequence[str] = [str(person) for person in range(self.identities)]

    def __len__(self) -> int:
        return len(self.labels)


def role(seed: int, people: int, images: int = 1) -> Shown:
    """People who are all unlike, their images too."""
    return Shown(unit(seed, people * images), np.repeat(np.arange(people), images))


def evidence(private: Embeddings, g: Any, h: Any, a: Any, *, seed: int = 0, asked: list[int] | None = None) -> Evidence:
    """Only what these attacks look at; one that reached for more would fail here."""
    untouched: Any = None

    def embed(some: Any) -> Embeddings:
        if asked is not None:
            asked.append(len(some))
        return Embeddings(some.faces.vectors[some.indices], some.labels)

    return Evidence(
        private=private,
        original=untouched,
        source=None,
        seed=seed,
        device=untouched,
        private_faces=untouched,
        original_faces=untouched,
        attacker_faces=a,
        generator_faces=g,
        holdout_faces=h,
        embed=embed,
    )


def score_of(attack: Attack, given: Evidence, out: Path) -> tuple[Score, list[Curve]]:
    attack.run(given, out)
    (score,), curves = attack.scores(out, "t")
    return score, curves


def number(value: float | None) -> float:
    assert value is not None
    return value


A = role(1, 200)


def test_drawn_faces_are_some_of_each_person_and_a_seed_draws_them_again() -> None:
    labels = np.array([3, 0, 0, 3, 0, 7, 3, 0])
    drawn = draw(labels, people=2, each=2, seed=(0, 0))
    assert len(set(drawn.tolist())) == len(drawn)
    assert len(np.unique(labels[drawn])) == 2
    assert max(np.unique(labels[drawn], return_counts=True)[1]) <= 2
    assert np.array_equal(drawn, draw(labels, people=2, each=2, seed=(0, 0)))
    assert sorted(draw(labels, people=9, each=9, seed=(0, 0)).tolist()) == list(range(8))
    every = [draw(labels, people=2, each=2, seed=(0, n)).tolist() for n in range(60)]
    assert set(itertools.chain(*every)) == set(range(8))  # no face is left out for good


def test_the_threshold_is_the_impostor_similarity_that_sorting_all_pairs_gives() -> None:
    some = faces(unit(2, 2500), np.random.default_rng(2).integers(0, 300, 2500))  # more than two blocks
    some.vectors[::50] = np.nan
    seen = ~np.isnan(some.vectors[:, 0])
    cosine, person = some.vectors[seen] @ some.vectors[seen].T, some.identity[seen]
    rows, columns = np.triu_indices(len(person), 1)
    impostors = np.sort(cosine[rows, columns][person[rows] != person[columns]])[::-1]
    found = threshold(some, 1e-3)
    assert found.pairs == len(impostors)
    assert found.allowed == len(impostors) // 1000
    assert found.value == pytest.approx(impostors[found.allowed], abs=1e-6)
    assert found.resolves == 30 / len(impostors)


def test_a_threshold_needs_thirty_false_matches_to_be_allowed() -> None:
    # 245 people are 29,890 pairs, a thousandth of them 29; 246 are 30,135, and 30
    assert threshold(faces(unit(3, 246), np.arange(246)), 1e-3).value is not None
    few = threshold(faces(unit(3, 245), np.arange(245)), 1e-3)
    assert few.value is None
    told = few.told(1e-3, "FMR")
    assert told.startswith("FMR 0.001 of 29,890 impostor pairs is 29 false matches")
    assert told.endswith("resolve FMR 0.001 at the lowest")
    one = threshold(faces(unit(3, 9), np.zeros(9)), 1e-3)
    assert (one.pairs, one.resolves) == (0, None)
    assert one.told(1e-3, "FMR").endswith("resolve no rate at all")


def test_people_matched_are_counted_once_whatever_their_faces() -> None:
    gallery = faces(at(0, 2, 40, 90, 91), [0, 0, 0, 1, 2])
    gallery.vectors[4] = np.nan
    probes = faces(at(1, 45, 180, 90, 88), range(5))
    probes.vectors[3] = np.nan
    # 45 degrees reach from 45 to both person 0 (40) and 1 (90); a failed probe reaches nobody
    matched, by = people_matched(probes, gallery, np.cos(np.deg2rad(46)))
    assert (matched.tolist(), by.tolist()) == ([1, 2, 0, 0, 1], [2, 2])  # person 2 is not seen
    assert [found.tolist() for found in people_matched(probes, gallery, np.inf)] == [[0] * 5, [0, 0]]
    matched, by = people_matched(probes, faces(np.full((2, 2), np.nan), [0, 1]), 0.5)
    assert (matched.tolist(), by.tolist()) == ([0] * 5, [])
    # of 4 x 4 pairs: 1 with 0, 2 and 40; 45 with all; 180 with none; 88 with 90
    assert match_rate(probes, gallery, np.cos(np.deg2rad(46))) == 8 / 16
    assert match_rate(probes, faces(np.full((2, 2), np.nan), [0, 1]), 0.5) is None


def test_pairs_of_one_person_are_all_there() -> None:
    similarity, person = genuine_pairs(faces(at(0, 60, 90, 60, 7), [1, 1, 2, 1, 3]))
    assert person.tolist() == [1, 1, 1]
    assert sorted(similarity.tolist()) == pytest.approx([0.5, 0.5, 1], abs=1e-6)


def test_a_generator_that_copies_people_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    g, h = role(4, 120), role(5, 40)
    rows = np.arange(120)
    copies, _ = score_of(Memorisation(fmr=0.002), evidence(faces(g.vectors[rows], rows // 3), g, h, A), tmp_path)
    assert copies.detail["generator_whole"] == 1
    assert number(copies.value) == pytest.approx(40 / 120, abs=0.08)  # a copy counts where its model was drawn
    assert copies.intervals[0].low > 0.2
    fresh, curves = score_of(Memorisation(fmr=0.002), evidence(faces(unit(6, 120), rows // 3), g, h, A), tmp_path)
    assert fresh.intervals[0].low < 0 < fresh.intervals[0].high
    assert abs(number(fresh.value)) < 0.05
    assert curves[0].x == (40,)
    assert curves[0].y[0] == pytest.approx(number(fresh.value))
    assert (fresh.detail["gallery"], fresh.detail["gallery_generator"]) == (40, 120)
    assert fresh.detail["impostor_pairs"] == 200 * 199 / 2
    assert fresh.n == 120


def test_smaller_galleries_are_told_as_a_curve(tmp_path: Path) -> None:
    g, h = role(4, 240), role(5, 150)
    score, (curve,) = score_of(Memorisation(fmr=0.002), evidence(faces(g.vectors, np.arange(240)), g, h, A), tmp_path)
    assert curve.x == (100, 150)
    assert curve.y[1] == pytest.approx(number(score.value))
    assert curve.y[0] == pytest.approx(100 / 240, abs=0.1)


def test_people_count_alike_however_many_photos_a_role_has_of_them(tmp_path: Path) -> None:
    single, many = role(7, 60, 1), role(8, 60, 9)
    asked: list[int] = []
    private = faces(unit(9, 50), np.arange(50))
    score, _ = score_of(Memorisation(fmr=0.002), evidence(private, single, many, A, asked=asked), tmp_path)
    assert score.detail["faces_each"] == 1
    assert asked == [60, 60, 200]
    asked.clear()
    score, _ = score_of(Memorisation(fmr=0.002, faces=250), evidence(private, many, many, A, asked=asked), tmp_path)
    assert score.detail["faces_each"] == 4  # as many as let all 60 people in
    assert asked == [240, 240, 200]  # each role seen once
    asked.clear()
    score, _ = score_of(Memorisation(fmr=0.3, faces=20), evidence(private, many, many, A, asked=asked), tmp_path)
    assert asked == [20, 20, 20]
    assert score.detail["gallery"] == 20


def test_failed_faces_match_nobody_and_count(tmp_path: Path) -> None:
    g, h = role(4, 40), role(5, 40)
    private = faces(g.vectors.copy(), np.arange(40))
    private.vectors[:10] = np.nan
    g.vectors[39] = np.nan
    score, _ = score_of(Memorisation(fmr=0.002), evidence(private, g, h, A), tmp_path)
    assert score.n == 40
    assert score.detail["failure_rate"] == 0.25
    assert score.detail["gallery_failures"] == 1
    assert score.detail["gallery_generator"] == 39
    assert 29 / 40 <= number(score.detail["generator_whole"]) <= 30 / 40
    private.vectors[:] = np.nan
    score, _ = score_of(Memorisation(fmr=0.002), evidence(private, g, h, A), tmp_path)
    assert score.value is None
    assert "failed on all 40 faces" in score.note


def test_what_cannot_be_measured_is_absent_and_says_why(tmp_path: Path) -> None:
    private, nobody = faces(unit(6, 40), np.arange(40)), role(0, 0)
    for given, why in (
        (evidence(private, role(4, 9), role(5, 9), A), "FMR 0.001 of 19,900 impostor pairs is 19 false matches"),
        (evidence(private, role(4, 9), nobody, A), "expected people in role H"),
        (evidence(private, nobody, role(5, 9), A), "expected people in role G"),
        (evidence(private, role(4, 9), role(5, 9), nobody), "FMR 0.001 of 0 impostor pairs"),
    ):
        score, curves = score_of(Memorisation(), given, tmp_path)
        assert (score.value, score.intervals, curves) == (None, (), [])
        assert why in score.note


def test_a_judge_that_was_trained_on_the_impostors_is_told(tmp_path: Path) -> None:
    """Impostors of A all far apart, those of G and H near each other: the threshold lets far too many through."""
    apart = Shown(np.eye(200, dtype=np.float32) * 1.0, np.arange(200))
    near = unit(10, 30, 200) * 0.2 + unit(11, 1, 200)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    g, h = Shown(near[:15], np.arange(15)), Shown(near[15:], np.arange(15))
    score, _ = score_of(Memorisation(fmr=0.002), evidence(faces(near, np.arange(30)), g, h, apart), tmp_path)
    assert score.detail["unseen_fmr"] == 1
    assert "100.00% of the pairs of a G and an H face match, not 0.20%" in score.note
    assert score.value == 0  # whoever resembles everybody was not memorised


def test_a_seed_gives_one_result_and_one_file(tmp_path: Path) -> None:
    private = faces(unit(6, 60), np.arange(60) // 3)
    for attack, kept in ((Memorisation(fmr=0.002, faces=200), "matches.npz"), (Consistency(far=0.1), "pairs.npz")):
        folders = [tmp_path / kept / name for name in ("a", "b", "c")]
        for folder, seed in zip(folders, (3, 3, 4), strict=True):
            folder.mkdir(parents=True)
            attack.run(evidence(private, role(4, 300, 2), role(5, 90, 2), A, seed=seed), folder)
        one, two, other = ((folder / kept).read_bytes() for folder in folders)
        assert one == two != other
        assert attack.scores(folders[0], "t") == attack.scores(folders[1], "t")


@pytest.mark.parametrize("attack", [Memorisation(), Consistency()])
def test_they_apply_to_sets_without_sources_only(attack: Attack, tmp_path: Path) -> None:
    assert attack.inapplicable(sourced=True) == "does not apply: every private face was made from an original"
    assert not attack.inapplicable(sourced=False)
    private = faces(unit(6, 40), np.arange(40))
    given = evidence(private, role(4, 9), role(5, 9), A)
    with pytest.raises(AttackError, match="does not apply"):
        attack.run(replace(given, source=np.arange(40)), tmp_path)
    with pytest.raises(AttackError, match=r"private embeddings: face 0 .*length 1"):
        attack.run(replace(given, private=faces(private.vectors * 2, private.identity)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_roles_that_are_no_unit_vectors_are_refused(tmp_path: Path) -> None:
    bad = Shown(unit(4, 9) * 3, np.arange(9))
    with pytest.raises(AttackError, match=r"role H embeddings: face 0 .*length 3"):
        Memorisation().run(evidence(faces(unit(6, 40), np.arange(40)), role(4, 9), bad, A), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("attack", [Memorisation(), Consistency()])
@pytest.mark.parametrize("damage", ["missing", "empty", "no archive", "cut"])
def test_what_was_kept_and_is_damaged_is_told(attack: Attack, damage: str, tmp_path: Path) -> None:
    attack.run(evidence(faces(unit(6, 40), np.arange(40) // 4), role(4, 9), role(5, 9), A), tmp_path)
    (path,) = tmp_path.iterdir()
    content = {"empty": b"", "no archive": b"matches", "cut": path.read_bytes()[:-200]}.get(damage)
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(AttackError, match=r"\.npz.*--force attack"):
        attack.scores(tmp_path, "t")


def test_synthetic_people_who_are_people_are_accepted_and_those_who_are_not_by_chance(tmp_path: Path) -> None:
    person = np.repeat(np.arange(60), 6)
    alike, strangers = unit(12, 60)[person], unit(13, 360)
    unused = role(0, 0)
    whole, _ = score_of(Consistency(), evidence(faces(alike, person), unused, unused, unused), tmp_path)
    assert (whole.value, whole.n, whole.chance) == (1, 60 * 15, 0.01)
    assert (whole.measure.side, whole.measure.better, whole.measure.headline) == ("utility", "higher", False)
    none, _ = score_of(Consistency(), evidence(faces(strangers, person), unused, unused, unused), tmp_path)
    assert number(none.value) == pytest.approx(0.01, abs=0.012)
    assert none.detail["impostor_pairs"] == (360**2 - 60 * 36) / 2
    half = np.where(person[:, None] < 30, alike, strangers)
    some, _ = score_of(Consistency(), evidence(faces(half, person), unused, unused, unused), tmp_path)
    assert number(some.value) == pytest.approx(0.5, abs=0.02)
    assert [i.kind for i in some.intervals] == ["wilson over people", "wilson"]
    assert some.intervals[0].high - some.intervals[0].low > 3 * (some.intervals[1].high - some.intervals[1].low)


def test_consistency_is_the_true_acceptance_rate_of_all_pairs(tmp_path: Path) -> None:
    person = np.repeat(np.arange(40), 5)
    mixed = unit(14, 40)[person] + 1.5 * unit(15, 200)
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    unused = role(0, 0)
    score, _ = score_of(Consistency(), evidence(faces(mixed, person), unused, unused, unused), tmp_path)
    rows, columns = np.triu_indices(200, 1)
    cosine = (mixed @ mixed.T)[rows, columns].astype(np.float64)
    expected, _ = Tar()(PairScores(cosine, person[rows] == person[columns]), "t")
    assert score.value == expected.value
    assert score.n == expected.n
    assert 0.1 < number(score.value) < 0.95


def test_a_face_the_recognizer_failed_on_is_accepted_with_nobody(tmp_path: Path) -> None:
    person = np.repeat(np.arange(40), 3)
    vectors = unit(12, 40)[person]
    vectors[::3] = np.nan  # of the three pairs of each person, one is left
    unused = role(0, 0)
    score, _ = score_of(Consistency(), evidence(faces(vectors, person), unused, unused, unused), tmp_path)
    assert score.value == pytest.approx(1 / 3)
    assert score.detail["failure_rate"] == pytest.approx(1 / 3)


def test_consistency_that_cannot_be_measured_says_why(tmp_path: Path) -> None:
    unused = role(0, 0)
    for vectors, person, why in (
        (unit(0, 40), np.arange(40), "expected a synthetic person with two faces"),
        (unit(0, 12), np.arange(12) // 2, "FAR 0.01 of 60 impostor pairs is 0 false matches"),
        (np.full((12, 4), np.nan), np.arange(12) // 2, "failed on all 12 faces"),
    ):
        score, _ = score_of(Consistency(), evidence(faces(vectors, person), unused, unused, unused), tmp_path)
        assert score.value is None
        assert why in score.note


def test_scores_need_neither_faiss_nor_torch() -> None:
    code = (
        "import sys; import facebench.bench.attacks.memorisation, facebench.bench.attacks.consistency;"
        "print(sorted({'faiss', 'torch', 'scipy', 'pandas', 'mlflow'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
