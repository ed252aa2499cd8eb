"""The ignorant attacks, from evidence to scores."""

import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facebench.bench.attacks.base import Attack, AttackError, Embeddings, Evidence, NotApplicableError
from facebench.bench.attacks.ignorant import Ignorant
from facebench.bench.attacks.leakage import leak_at_k
from facebench.bench.attacks.other_image import OtherImage
from facebench.bench.biometrics.chance import chance_of_identity, keeps_first
from facebench.reports.result.record import Curve, Score
from facebench.reports.statistics.intervals import BY_PEOPLE, FEW_HITS
from numpy.typing import NDArray
from pydantic import ValidationError


def unit(rng: np.random.Generator, n: int, width: int = 32) -> NDArray[np.float32]:
    vectors = rng.standard_normal((n, width))
    lengths: NDArray[np.float64] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / lengths).astype(np.float32)


def evidence(private: Embeddings, original: Embeddings, source: Any = None, seed: int = 0) -> Evidence:
    """Only what a retrieval attack looks at; an attack that reached for more would fail here."""
    untouched: Any = None
    return Evidence(
        private=private,
        original=original,
        source=np.arange(len(private.identity)) if source is None else np.asarray(source, np.int64),
        seed=seed,
        device=untouched,
        private_faces=untouched,
        original_faces=untouched,
        attacker_faces=untouched,
        generator_faces=untouched,
        holdout_faces=untouched,
        embed=untouched,
    )


def people(seed: int, persons: int, images: int, *, spread: float = 0.5) -> Embeddings:
    """Faces of people: a centre each, images around it."""
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(persons), images)
    vectors = unit(rng, persons)[identity] + spread * unit(rng, persons * images)
    return Embeddings(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), identity)


def scores_of(attack: Attack, given: Evidence, out: Path, name: str = "t") -> tuple[dict[str, Score], dict[str, Curve]]:
    attack.run(given, out)
    scores, curves = attack.scores(out, name)
    return {score.measure.name: score for score in scores}, {curve.name: curve for curve in curves}


def number(value: float | None) -> float:
    assert value is not None
    return value


def test_originals_released_as_they_are_leak_wholly(tmp_path: Path) -> None:
    faces = people(0, 40, 5)
    scores, curves = scores_of(Ignorant(), evidence(faces, faces), tmp_path)
    for k in (1, 5, 10):
        assert scores[f"leak@{k}"].value == scores[f"leak@{k} image"].value == 1
    leak = scores["leak@1"]
    assert leak.n == 200
    assert leak.on == "t"
    assert leak.detail["gallery"] == 200
    assert leak.detail["normalised"] == 1
    assert [interval.kind for interval in leak.intervals] == ["wilson"]  # every resample would give 1
    assert leak.intervals[0].low < 1
    assert leak.measure.headline
    assert (leak.measure.side, leak.measure.better) == ("privacy", "lower")
    assert sum(score.measure.headline for score in scores.values()) == 1
    assert set(curves["cmc"].y) == set(curves["leak@1 by gallery size"].y) == {1}
    assert len(curves["cmc"].x) == 50


def test_without_the_source_a_person_is_found_by_the_other_images(tmp_path: Path) -> None:
    faces = people(0, 40, 5)
    scores, _ = scores_of(OtherImage(), evidence(faces, faces), tmp_path)
    assert 0.9 < number(scores["leak@1"].value) <= 1
    assert scores["leak@1"].detail["gallery"] == 199
    assert not any("image" in name for name in scores)
    apart = Embeddings(unit(np.random.default_rng(1), 200), faces.identity)  # images of one person are unlike
    scores, _ = scores_of(OtherImage(), evidence(apart, apart), tmp_path)
    assert number(scores["leak@1"].value) < 0.1  # and the source itself is not found


@pytest.mark.parametrize("attack", [Ignorant(), OtherImage()])
def test_random_faces_leak_by_chance(attack: Attack, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    identity = rng.permutation(np.repeat(np.arange(120), 5))
    original = Embeddings(unit(rng, 600), identity)
    scores, curves = scores_of(attack, evidence(Embeddings(unit(rng, 600), identity), original), tmp_path)
    assert {name for name, score in scores.items() if score.value is None} == {
        "residual", "dir@fpir=0.01", "dir@fpir=0.1"
    }  # fmt: skip # nobody was held out
    for name, score in scores.items():
        if score.value is None or name == "d_sys":
            continue
        chance = number(score.chance)
        spread = (chance * (1 - chance) / score.n) ** 0.5
        assert abs(number(score.value) - chance) < 2.576 * spread + 1 / score.n, name
    assert scores["leak@1"].chance == pytest.approx(5 / 600 if isinstance(attack, Ignorant) else 4 / 599)
    assert scores["leak@1"].value == curves["cmc"].y[0] == curves["leak@1 by gallery size"].y[-1]
    assert abs(number(scores["leak@1"].detail["normalised"])) < 0.03


def test_chance_is_that_of_drawing_without_looking() -> None:
    for gallery, mates, k in itertools.product([4, 6], [1, 2, 4], [1, 2, 3]):
        drawn = list(itertools.combinations(range(gallery), k))
        expected = sum(min(draw) < mates for draw in drawn) / len(drawn)  # images below `mates` are the mates
        assert chance_of_identity(gallery, np.array([mates]), k) == pytest.approx([expected])


def test_leakage_at_smaller_galleries_is_the_mean_over_sub_galleries() -> None:
    n = 7
    for rank, size in itertools.product(range(1, n + 1), range(1, n + 1)):
        rivals = list(itertools.combinations(range(n - 1), size - 1))  # those below rank - 1 are more alike
        expected = np.mean([all(rival >= rank - 1 for rival in drawn) for drawn in rivals])
        assert keeps_first(n, rank, size) == pytest.approx(expected)


def test_leakage_at_smaller_galleries_agrees_with_sampling(tmp_path: Path) -> None:
    original = people(4, 150, 4, spread=1.0)
    rng = np.random.default_rng(5)
    blurred = original.vectors + 1.6 * unit(rng, 600)
    private = Embeddings(blurred / np.linalg.norm(blurred, axis=1, keepdims=True), original.identity)
    _, curves = scores_of(Ignorant(), evidence(private, original), tmp_path)
    curve = curves["leak@1 by gallery size"]
    assert curve.x == (100, 600)
    cosine = private.vectors @ original.vectors.T
    hits = []
    for probe, row in enumerate(cosine):
        own = original.identity == private.identity[probe]
        best = np.flatnonzero(own)[row[own].argmax()]
        for _ in range(8):
            drawn = rng.choice(np.delete(np.arange(600), best), 99, replace=False)
            hits.append(row[drawn].max() <= row[best])
    assert curve.y[0] == pytest.approx(np.mean(hits), abs=0.015)
    assert curve.y[0] > curve.y[1] + 0.05


def test_scores_of_a_gallery_made_by_hand(tmp_path: Path) -> None:
    def at(*degrees: float) -> NDArray[np.float32]:
        angle = np.deg2rad(np.array(degrees, float))
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)

    original = Embeddings(at(0, 30, 90, 120, 200, 300), np.array([0, 0, 1, 1, 2, 3]))
    # 10 is nearest to 0; 35 to 30; 85 and 100 to 90; 205 to 200; the last failed
    private = Embeddings(at(10, 35, 85, 100, 205, 0), original.identity)
    private.vectors[5] = np.nan
    scores, curves = scores_of(Ignorant(k=(1, 2, 6, 7)), evidence(private, original), tmp_path)
    assert scores["leak@1"].value == pytest.approx(5 / 6)
    assert scores["leak@1 image"].value == pytest.approx(4 / 6)  # 100 degrees is nearer to 90 than to 120
    assert scores["leak@2 image"].value == pytest.approx(5 / 6)
    assert scores["leak@1"].detail["failure_rate"] == pytest.approx(1 / 6)
    assert scores["leak@1"].detail["leak_excl_failures"] == 1
    assert scores["leak@1 image"].chance == pytest.approx(1 / 6)
    assert scores["leak@1"].chance == pytest.approx((4 * 2 / 6 + 2 * 1 / 6) / 6)
    assert scores["leak@6"].chance == 1
    assert scores["leak@6"].detail["normalised"] is None
    assert scores["leak@7"].value is None
    assert "at least 7 images, this one has 6" in scores["leak@7"].note
    assert curves["cmc image"].y == pytest.approx([4 / 6] + [5 / 6] * 5)
    assert [interval.kind for interval in scores["leak@1"].intervals] == [FEW_HITS, "wilson"]
    # without the source: 10 finds 30, 35 finds 0, 85 finds 120, 100 finds 90; persons 2 and 3 have no mate
    scores, _ = scores_of(OtherImage(k=(1, 6)), evidence(private, original), tmp_path)
    assert scores["leak@1"].n == 4
    assert scores["leak@1"].detail["probes_all"] == 6
    assert scores["leak@1"].detail["gallery"] == 5
    assert scores["leak@1"].value == 1
    assert scores["leak@1"].chance == pytest.approx(1 / 5)
    assert scores["leak@6"].value is None


def test_pi_link_is_the_share_of_own_images_before_all_others(tmp_path: Path) -> None:
    original = people(6, 20, 4, spread=0.9)
    private = Embeddings(original.vectors[::-1].copy(), original.identity[::-1].copy())
    scores, _ = scores_of(Ignorant(), evidence(private, original, np.arange(80)[::-1]), tmp_path)
    cosine = private.vectors @ original.vectors.T
    own = private.identity[:, None] == original.identity
    expected = np.mean([np.mean(row[mine] > row[~mine].max()) for row, mine in zip(cosine, own, strict=True)])
    assert scores["pi_link"].value == pytest.approx(expected)
    assert 0.3 < expected < 1
    assert scores["pi_link"].chance == pytest.approx(1 / 77)
    assert [interval.kind for interval in scores["pi_link"].intervals] == [BY_PEOPLE]


def test_a_collapsed_recognizer_is_told_by_its_ties(tmp_path: Path) -> None:
    same = Embeddings(np.repeat(unit(np.random.default_rng(0), 1), 20, axis=0), np.arange(20) // 2)
    scores, _ = scores_of(Ignorant(), evidence(same, same), tmp_path)
    assert scores["leak@1"].value == 1
    assert scores["leak@1"].detail["leak_strict"] == 0
    assert "ties" in scores["leak@1"].note
    assert scores["pi_link"].value == 0


def test_a_seed_gives_one_result_and_one_file(tmp_path: Path) -> None:
    faces = people(7, 30, 3, spread=1.5)
    private = Embeddings(people(8, 30, 3, spread=1.5).vectors, faces.identity)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Ignorant().run(evidence(private, faces, seed=11), tmp_path / name)
    one, two = (tmp_path / name / leak_at_k.FILE for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()
    assert Ignorant().scores(tmp_path / "a", "t") == Ignorant().scores(tmp_path / "b", "t")


@pytest.mark.parametrize("attack", [Ignorant(), OtherImage()])
def test_evidence_that_allows_no_attack_is_refused_and_nothing_is_written(attack: Attack, tmp_path: Path) -> None:
    faces = people(0, 3, 2)
    with pytest.raises(AttackError, match="does not apply: private faces were made from no original"):
        attack.run(replace(evidence(faces, faces), source=None), tmp_path)
    assert attack.inapplicable(sourced=False).startswith("does not apply")
    assert not attack.inapplicable(sourced=True)
    one = Embeddings(faces.vectors, np.zeros(6, np.int64))
    with pytest.raises(AttackError, match="at least 2 people, got 1"):
        attack.run(evidence(one, one), tmp_path)
    with pytest.raises(AttackError, match="expected its original to be of the same person, label 9, got 0"):
        attack.run(evidence(Embeddings(faces.vectors, faces.identity + 9), faces), tmp_path)
    narrow = Embeddings(unit(np.random.default_rng(0), 6, 8), faces.identity)
    with pytest.raises(AttackError, match="one width, got 8 and 32"):
        attack.run(evidence(narrow, faces), tmp_path)
    assert not list(tmp_path.iterdir())


def test_people_with_one_image_allow_no_attack_by_other_images(tmp_path: Path) -> None:
    faces = people(0, 6, 1)
    with pytest.raises(NotApplicableError, match=r"each of 6 people has one image, .*set min_images: 2"):
        OtherImage().run(evidence(faces, faces), tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04" + bytes(40)])
def test_kept_ranks_that_are_missing_or_damaged_are_told(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / leak_at_k.FILE).write_bytes(content)
    with pytest.raises(AttackError, match=r"ranks .*ranks\.npz.*--force attack"):
        Ignorant().scores(tmp_path, "t")


def test_cut_off_ranks_are_told(tmp_path: Path) -> None:
    faces = people(0, 10, 3)
    Ignorant().run(evidence(faces, faces), tmp_path)
    path = tmp_path / leak_at_k.FILE
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(AttackError, match=r"ranks\.npz"):
        Ignorant().scores(tmp_path, "t")


@pytest.mark.parametrize("k", [(), (0,), (1, -2)])
def test_ranks_to_tell_leakage_at_start_at_one(k: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        Ignorant(k=k)


def test_scores_need_neither_faiss_nor_torch() -> None:
    code = (
        "import sys; import facebench.bench.attacks.ignorant, facebench.bench.attacks.other_image;"
        "import facebench.bench.metrics.accuracy, facebench.bench.metrics.tar, facebench.bench.metrics.eer;"
        "print(sorted({'faiss', 'torch', 'scipy', 'pandas', 'mlflow'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
