"""Open-set search, the control, pairs and D_sys, against values that are known otherwise."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facebench.bench.attacks.base import AttackError, Embeddings
from facebench.bench.attacks.leakage import control, leak_at_k, open_set, pairs
from facebench.bench.attacks.leakage.leak_at_k import SearchResult, shuffled
from facebench.bench.attacks.leakage.open_set import NonMateSearches
from facebench.bench.biometrics.d_sys import d_sys, null
from facebench.bench.biometrics.ranks import TIE, ranks
from facebench.reports.board.marks import BY_PERSON
from facebench.reports.result.record import Score
from facebench.reports.statistics.intervals import clustered, wilson
from scipy.stats import mannwhitneyu, norm


def found(identity: list[int], own: list[float], person: list[int] | None = None, **more) -> SearchResult:
    """What a search found for some probes, as far as measures ask."""
    q = len(identity)
    given = {
        "image": np.array(identity),
        "identity": np.array(identity),
        "own": np.array(own, np.float32),
        "other": np.zeros(q, np.float32),
        "linked": np.zeros(q),
        "mates": np.ones(q, np.int64),
        "person": np.arange(q) if person is None else np.array(person),
        "failed": np.zeros(q, np.bool_),
        "neighbours": np.zeros((q, 10), np.int64),
        "similarity": np.zeros((q, 10), np.float32),
        "best": np.arange(q),
        "gallery": 100,
        "gallery_failures": 0,
        "probes_all": q,
        "seed": 0,
    }
    return SearchResult(**{**given, **more})


@pytest.mark.parametrize(("distance", "anchor"), [(0.5, 0.128), (1, 0.294), (2, 0.617), (3, 0.835), (4, 0.943)])
def test_d_sys_of_two_normal_distributions(distance: float, anchor: float) -> None:
    rng = np.random.default_rng(0)
    mated, non_mated = rng.normal(distance, 1, 400_000), rng.normal(0, 1, 400_000)
    assert d_sys(mated, non_mated) == pytest.approx(anchor, abs=0.004)


@pytest.mark.parametrize(("n", "bias"), [(1000, 0.095), (10_000, 0.025)])
def test_d_sys_of_equal_distributions_is_its_null_and_not_zero(n: int, bias: float) -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(0, 1, n), rng.normal(0, 1, n)
    assert d_sys(one, other) == pytest.approx(bias, abs=0.03)
    assert null(one, other, seed=0) == pytest.approx(d_sys(one, other), abs=0.02)


def test_d_sys_at_its_ends_and_of_nothing() -> None:
    assert d_sys(np.full(20, 0.9), np.full(20, 0.1)) == 1
    assert d_sys(np.full(20, 0.5), np.full(20, 0.5)) == 0
    for mated, non_mated in ((9, 100), (100, 0)):
        with pytest.raises(ValueError, match="10 mated and 1 non-mated at least"):
            d_sys(np.zeros(mated), np.zeros(non_mated))
    with pytest.raises(ValueError, match="finite"):
        d_sys(np.full(20, np.nan), np.zeros(20))


def test_open_set_search_on_an_example_worked_by_hand(tmp_path: Path) -> None:
    # ten strangers; at an FPIR of 10 % one of them may pass, so the threshold is the second highest, 0.8
    NonMateSearches(np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, np.nan], np.float32)).write(tmp_path)
    # first and above; first and not above; above and not first; failed
    searched = found([1, 1, 2, 101], [0.85, 0.8, 0.95, np.nan])
    one, ten = open_set.scores(tmp_path, searched, "it")
    assert ten.value == 0.25
    assert ten.detail["threshold"] == pytest.approx(0.8)
    assert "rule of 30" in ten.note
    assert one.value is None  # 1 % of ten allows nobody
    assert "allows no false positive" in one.note


def test_open_set_search_without_hold_out_people(tmp_path: Path) -> None:
    control.absent(tmp_path, "not measured: nobody")
    for score in open_set.scores(tmp_path, found([1], [0.9]), "it") + control.scores(tmp_path, found([1], [0.9]), "it"):
        assert score.value is None
        assert score.note == "not measured: nobody"


def test_a_stand_in_is_found_where_it_is_most_alike(tmp_path: Path) -> None:
    axes = np.eye(4, dtype=np.float32)
    probes = Embeddings(axes[[0, 1, 2]], np.array([5, 6, 7]))
    # the first photo resembles the first probe more than others of the gallery do (0.5), the second nobody
    holdout = Embeddings(np.stack([axes[0], axes[3], np.full(4, np.nan, np.float32)]), np.array([0, 1, 1]))
    searched = found([1, 2, 2], [0.9, 0.2, 0.2], other=np.array([0.5, 0.5, 0.5], np.float32), mates=np.array([2, 1, 1]))
    compared = control.compare(probes, holdout, searched)
    # two of three photos are drawn for the first probe: one of the three pairs lacks the first photo
    assert compared.probe.tolist() == pytest.approx([2 / 3, 0, 0])
    assert compared.person.tolist() == pytest.approx([2 / 9, 0])
    assert compared.chance == pytest.approx((2 / 100 + 1 / 100 + 1 / 100) / 3)
    compared.write(tmp_path)
    (score,) = control.scores(tmp_path, searched, "it")
    a, c = 1 / 3, 2 / 9
    assert score.value == pytest.approx((a - c) / (1 - c))
    assert score.value is not None
    assert score.intervals[0].low < score.value < score.intervals[0].high


def test_ties_of_a_stand_in_count_against_the_defender_and_failed_probes_find_nobody() -> None:
    axes = np.eye(2, dtype=np.float32)
    probes = Embeddings(axes[[0, 0]], np.array([0, 1]))
    holdout = Embeddings(axes[[0]], np.array([0]))
    searched = found([1, 101], [1, np.nan], other=np.array([1, 1], np.float32), failed=np.array([False, True]))
    assert control.compare(probes, holdout, searched).probe.tolist() == [1, 0]


def test_the_control_of_faces_without_any_likeness_is_chance() -> None:
    rng = np.random.default_rng(0)

    def faces(people: int, images: int) -> Embeddings:
        vectors = rng.standard_normal((people * images, 64))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embeddings(vectors.astype(np.float32), np.repeat(np.arange(people), images))

    probes, gallery, holdout = faces(50, 4), faces(50, 4), faces(40, 4)
    same = probes.identity[:, None] == gallery.identity
    other = np.where(same, -1, probes.vectors @ gallery.vectors.T).max(axis=1)
    searched = found([2] * 200, [0.0] * 200, other=other.astype(np.float32), mates=np.full(200, 4), gallery=200)
    compared = control.compare(probes, holdout, searched)
    assert compared.chance == pytest.approx(0.02)
    assert compared.probe.mean() == pytest.approx(0.02, abs=0.006)


def test_luck_is_no_residual_where_some_people_have_many_photos() -> None:
    rng = np.random.default_rng(0)

    def faces(counts: np.ndarray) -> Embeddings:
        vectors = rng.standard_normal((counts.sum(), 32))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embeddings(vectors.astype(np.float32), np.repeat(np.arange(len(counts)), counts))

    counts = np.minimum(2 + rng.pareto(1.0, 150).astype(int), 120)
    gallery, holdout = faces(counts), faces(np.minimum(2 + rng.pareto(1.0, 60).astype(int), 120))
    probes = faces(counts)
    searched = ranks(probes, gallery, np.arange(len(gallery.identity)))
    lost = np.zeros(len(probes.identity), np.bool_)
    luck = leak_at_k.found_by(searched, probes.identity, lost, lost, seed=0)
    compared = control.compare(probes, holdout, luck)
    chance = (luck.mates / luck.gallery).mean()
    assert compared.chance == pytest.approx(chance)
    assert compared.probe.mean() == pytest.approx(chance, abs=0.01)
    assert (luck.identity == 1).mean() == pytest.approx(chance, abs=0.02)


def drawn_from(rng: np.random.Generator, tmp_path: Path, genuine: int = 900) -> dict:
    kept = pairs.PairSimilarities(
        rng.normal(1, 1, genuine).astype(np.float32) / 10, np.repeat(np.arange(genuine // 3), 3),
        rng.normal(0, 1, 40_000).astype(np.float32) / 10, 0, 0,
        rng.integers(0, max(2, genuine // 3), (40_000, 2)),
    )  # fmt: skip
    kept.write(tmp_path)
    scores = pairs.scores(tmp_path, found([1], [1.0]), "it")
    return {"kept": kept, **{score.measure.name: score for score in scores}}


def test_rates_over_pairs_are_those_of_scipy_and_of_plain_counting(tmp_path: Path) -> None:
    told = drawn_from(np.random.default_rng(0), tmp_path)
    genuine, impostor = told["kept"].genuine.astype(np.float64) + TIE, told["kept"].impostor  # ties: see below
    u = mannwhitneyu(genuine.astype(np.float64), impostor.astype(np.float64)).statistic
    assert told["auc"].value == pytest.approx(u / len(genuine) / len(impostor), abs=1e-9)
    errors = [max((genuine < at).mean(), (impostor >= at).mean()) for at in np.linspace(-0.5, 0.5, 2001)]
    assert told["eer"].value == pytest.approx(min(errors), abs=2e-3)
    for rate in (0.01, 0.001):
        refused = np.sort(impostor)[-int(rate * len(impostor)) - 1]
        assert told[f"tar@far={rate:g}"].value == pytest.approx((genuine > refused).mean())
    assert told["d_sys"].value == pytest.approx(0.294, abs=0.05)
    assert told["d_sys"].detail["null"] < 0.12
    for name in ("auc", "eer", "tar@far=0.01"):
        assert told[name].intervals[0].low <= told[name].value <= told[name].intervals[0].high
    assert told["eer"].measure.better == "higher"


def test_impostors_as_alike_as_a_genuine_face_count_against_the_defender(tmp_path: Path) -> None:
    """As in searches, where a duplicate of the original that bears another name is no protection."""
    rounded = np.float32(0.8) + np.float32(8e-7)  # as far as float32 products of equal vectors differ
    kept = pairs.PairSimilarities(
        np.full(60, 0.8, np.float32), np.repeat(np.arange(20), 3),
        np.concatenate([np.full(4_000, rounded), np.full(36_000, 0.1, np.float32)]), 0, 0,
    )  # fmt: skip
    kept.write(tmp_path)
    told = {score.measure.name: score for score in pairs.scores(tmp_path, found([1], [1.0]), "it")}
    assert told["auc"].value == 1.0
    assert told["tar@far=0.01"].value == 1.0
    apart = replace(kept, impostor=np.concatenate([np.full(4_000, 0.9, np.float32), kept.impostor[4_000:]]))
    apart.write(tmp_path)
    told = {score.measure.name: score for score in pairs.scores(tmp_path, found([1], [1.0]), "it")}
    assert told["auc"].value == pytest.approx(0.9)
    assert told["tar@far=0.01"].value == 0.0


def test_too_few_pairs_tell_nothing(tmp_path: Path) -> None:
    told = drawn_from(np.random.default_rng(0), tmp_path, genuine=9)
    assert all(score.value is None and "got 9 genuine" in score.note for name, score in told.items() if name != "kept")


def test_pairs_are_of_one_person_or_two_and_never_with_a_left_out_source() -> None:
    identity = np.repeat(np.arange(6), 3)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((18, 18))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    faces = Embeddings(vectors.astype(np.float32), identity)
    every = pairs.draw(faces, faces, None, seed=0)
    assert len(every.genuine) == 18 * 3
    assert np.count_nonzero(every.genuine > 0.999) == 18
    other = pairs.draw(faces, faces, np.arange(18), seed=0)
    assert len(other.genuine) == 18 * 2
    assert other.genuine.max() < 0.999
    assert other.impostor.max() < 0.999
    lost = faces.vectors.copy()
    lost[0] = np.nan
    seen = pairs.draw(Embeddings(lost, identity), faces, None, seed=0)
    assert (len(seen.genuine), seen.failures) == (17 * 3, 3)


def test_two_faces_of_one_set_are_one_pair() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((40, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    faces = Embeddings(vectors, np.repeat(np.arange(10), 4))
    asked = np.flatnonzero(faces.identity != 3)  # somebody is no probe
    probes = Embeddings(faces.vectors[asked], faces.identity[asked])
    drawn = pairs.draw(probes, faces, asked, seed=0, within=True)
    assert len(drawn.genuine) == 9 * 6
    assert len(set(drawn.genuine.tolist())) == 9 * 6
    impostors = [(i, j) for i in asked.tolist() for j in range(i + 1, 40) if faces.identity[i] != faces.identity[j]]
    expected = sorted(float(vectors[i] @ vectors[j]) for i, j in impostors)
    assert sorted(drawn.impostor.tolist()) == pytest.approx(expected, abs=1e-6)


def test_many_pairs_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MOST", 50)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((60, 8)).astype(np.float32)
    faces = Embeddings(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.repeat(np.arange(6), 10))
    drawn = pairs.draw(faces, faces, None, seed=0)
    assert len(drawn.genuine) == 50
    assert len(np.unique(drawn.person)) == 6


def test_swapped_labels_tell_luck_from_leakage() -> None:
    person = np.repeat(np.arange(50), 4)
    blank = found([2] * 200, [0.0] * 200, person=person.tolist(), best=np.full(200, 7))
    assert shuffled(blank) == (0.02, 0.02)  # all match one person: exactly that person's own probes, however labelled
    known = found([1] * 200, [1.0] * 200, person=person.tolist(), best=person)
    low, high = shuffled(known)
    assert low < 0.02 < high < 0.1  # what is found, 1, is far above
    several = found([1] * 200, [1.0] * 200, person=person.tolist(), best=np.stack([person, np.full(200, 7)]))
    assert shuffled(several)[1] > high


def test_damaged_files_are_told(tmp_path: Path) -> None:
    for module in (control, open_set, pairs):
        (tmp_path / module.FILE).write_bytes(b"PK\x03\x04 broken")
        with pytest.raises(AttackError, match="run with --force attack"):
            module.scores(tmp_path, found([1], [0.9]), "it")


@pytest.mark.parametrize(("n", "bins"), [(250, 25), (5000, 100), (20_000, 100)])
def test_d_sys_is_the_papers_sum_over_its_bins(n: int, bins: int) -> None:
    random = np.random.default_rng(4)
    mated, others = random.normal(1, 1, n), random.normal(0, 1, 2 * n)
    edges = np.linspace(min(mated.min(), others.min()), max(mated.max(), others.max()), bins + 1)
    p, q = np.histogram(mated, edges)[0] / n, np.histogram(others, edges)[0] / (2 * n)
    expected = 0.0
    for mine, theirs in zip(p, q, strict=True):
        ratio = mine / theirs if theirs else np.inf if mine else 0.0
        if ratio > 1:
            expected += mine * (1 if np.isinf(ratio) else 2 * ratio / (1 + ratio) - 1)
    assert d_sys(mated, others) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("hits", "each"), [(160, 0.1), (400, 0.1), (0, 0.25), (160, 0.0)])
def test_the_residuals_interval_is_made_of_both_shares_intervals_over_people(
    hits: int, each: float, tmp_path: Path
) -> None:
    """It was made of Wilson's over faces, as if the faces of one person were independent."""
    q = 400
    person = np.arange(q) // 4
    searched = found([1] * hits + [2] * (q - hits), [0.9] * q, person=person.tolist())
    control.Control(np.full(q, each), np.array([each / 2, each / 2]), chance=0.05).write(tmp_path)
    (score,) = control.scores(tmp_path, searched, "it")
    a, c = hits / q, each
    own = clustered(np.arange(q) < hits, person)[0] if 0 < hits < q else wilson(hits // 4, 100)  # 100 people
    luck = wilson(round(c * q), q)  # all probes and all hold-out people alike: nothing but trials varies
    down, up = math.hypot(a - own.low, luck.high - c), math.hypot(own.high - a, c - luck.low)
    value = (a - c) / (1 - c)
    assert score.value == pytest.approx(value)
    (interval,) = score.intervals
    expected = max(-1, value - down / (1 - c)), min(1, value + up / (1 - c))
    assert (interval.low, interval.high) == pytest.approx(expected)
    assert score.detail["control_sigma"] == pytest.approx(math.sqrt(0.05 * 0.95 / q))


def test_hold_out_people_of_whom_one_resembles_everybody_make_the_control_uncertain(tmp_path: Path) -> None:
    control.Control(np.full(100, 0.1), np.array([0.1, 0.0, 0.0, 0.0]), chance=0.05).write(tmp_path)
    (score,) = control.scores(tmp_path, found([2] * 100, [0.9] * 100), "it")
    # four people, whose shares have a standard deviation of .05: their sum has one of .1
    assert score.detail["control_sigma"] == pytest.approx(math.hypot(0.1, math.sqrt(0.05 * 0.95 / 100)))


def test_where_everybody_stands_in_for_everybody_there_is_no_residual(tmp_path: Path) -> None:
    control.Control(np.ones(3), np.array([1.0]), chance=0.5).write(tmp_path)
    (score,) = control.scores(tmp_path, found([1, 1, 1], [0.9] * 3), "it")
    assert score.value is None
    assert "nothing is left to find" in score.note


@pytest.mark.parametrize(("shared", "photos"), [(0.0, 0), (1.0, 0), (3.0, 0), (1.0, 1)])
def test_the_residual_of_noise_holds_zero(shared: float, photos: int, tmp_path: Path) -> None:
    """Faces of noise have nothing to do with anybody; where they are alike, all match the same few people."""
    rng, counts = np.random.default_rng(0), np.array([4] if not photos else [2] * 50 + [3] * 20 + [5] * 20 + [15] * 10)

    def unit(vectors: np.ndarray) -> np.ndarray:
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def people(n: int) -> Embeddings:
        label = np.repeat(np.arange(n), rng.choice(counts, n))
        return Embeddings(unit(rng.normal(0, 1, (n, 16))[label] + 0.5 * rng.normal(0, 1, (len(label), 16))), label)

    held, draws = 0, 100
    for _ in range(draws):
        gallery, holdout = people(80), people(20)
        noise = unit(shared * rng.normal(0, 1, 16) + rng.normal(0, 1, (len(gallery.identity), 16)))
        lost = np.zeros(len(noise), np.bool_)
        probes = Embeddings(noise, gallery.identity)
        luck = leak_at_k.found_by(ranks(probes, gallery, np.arange(len(noise))), gallery.identity, lost, lost, seed=0)
        control.compare(probes, holdout, luck).write(tmp_path)
        (score,) = control.scores(tmp_path, luck, "it")
        held += score.intervals[0].low <= 0 <= score.intervals[0].high
    assert held / draws >= 0.9


def test_what_is_found_of_people_is_no_residual_of_noise(tmp_path: Path) -> None:
    searched = found([1] * 60 + [2] * 340, [0.9] * 400, person=(np.arange(400) // 4).tolist())
    control.Control(np.full(400, 0.02), np.full(20, 0.001), chance=0.02).write(tmp_path)
    (score,) = control.scores(tmp_path, searched, "it")
    assert score.intervals[0].low > 0.03


def test_the_mean_over_people_weighs_people_alike() -> None:
    person = [0] * 8 + [1, 2]
    (score,) = [one for one in leak_at_k.measures(
        found([1] * 8 + [2, 2], [0.9] * 10, person=person, best=np.arange(10), linked=np.zeros(10)), [1], "it",
        image=False)[0] if one.measure.name == BY_PERSON]  # fmt: skip
    assert score.value == pytest.approx(1 / 3)
    assert score.n == 3
    assert (score.detail["found_once"], score.detail["faces"], score.detail["most_faces"]) == (
        pytest.approx(1 / 3), 10, 8)  # fmt: skip
    assert leak_at_k.hits(found([1], [1.0]), BY_PERSON) is None  # no share of probes


@pytest.mark.parametrize("name", ["eer", "auc", "tar@far=0.01"])
def test_rates_over_pairs_are_covered_with_the_threshold_that_impostors_set(name: str, tmp_path: Path) -> None:
    """People differ in how alike they are to all others, and there are few of them."""
    rng, draws, people = np.random.default_rng(1), 120, 60

    def sample(people: int, seed: np.random.Generator) -> pairs.PairSimilarities:
        alike = seed.normal(0, 0.4, people)
        person = np.repeat(np.arange(people), 10)
        two = np.stack([seed.integers(0, people, 12_000), seed.integers(0, people, 12_000)], 1)
        two = two[two[:, 0] != two[:, 1]]
        genuine = seed.normal(2, 1, len(person)) + alike[person] + seed.normal(0, 0.3, people)[person]
        impostor = seed.normal(0, 1, len(two)) + alike[two].sum(axis=1) / 2
        return pairs.PairSimilarities(
            (genuine / 20).astype(np.float32), person, (impostor / 20).astype(np.float32), 0, 0, two
        )

    def told(drawn: pairs.PairSimilarities) -> Score:
        drawn.write(tmp_path)
        return next(s for s in pairs.scores(tmp_path, found([1], [1.0]), "it") if s.measure.name == name)

    truth = np.mean([told(sample(2000, rng)).value or 0 for _ in range(10)])
    held = 0
    for _ in range(draws):
        (interval,) = told(sample(people, rng)).intervals
        held += interval.low <= truth <= interval.high
    assert held / draws >= 0.88


def test_the_rate_of_detection_is_covered_with_the_threshold_that_strangers_set(tmp_path: Path) -> None:
    rng, draws, held, plain = np.random.default_rng(2), 300, 0, 0
    truth = float(norm.sf(norm.isf(0.1) - 2))
    for _ in range(draws):
        NonMateSearches(rng.normal(0, 1, 300).astype(np.float32)).write(tmp_path)
        own = rng.normal(2, 1, 900)
        _, score = open_set.scores(tmp_path, found([1] * 900, own.tolist()), "it")
        (interval,) = score.intervals
        held += interval.low <= truth <= interval.high
        without = wilson(round((score.value or 0) * 900), 900)
        plain += without.low <= truth <= without.high
    assert 0.92 <= held / draws <= 0.985
    assert plain / draws < 0.6  # the threshold was taken for given
