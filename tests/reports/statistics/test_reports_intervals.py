"""Intervals against scipy, against the protocol's numbers, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from facebench.reports.statistics.coverage import WORLDS, World, covered, drawn, table
from facebench.reports.statistics.intervals import (
    BY_PEOPLE,
    FEW_HITS,
    cluster_bootstrap,
    clustered,
    over_people,
    spread,
    wilson,
)
from scipy.stats import binomtest


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (1, 7), (5964, 6000), (3, 1000), (500, 1000)])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_wilson_is_scipys(hits: int, n: int, level: float) -> None:
    expected = binomtest(hits, n).proportion_ci(level, method="wilson")
    found = wilson(hits, n, level)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert found.kind == "wilson"


@pytest.mark.parametrize(
    ("n", "accuracy", "half_width"),
    [(6000, 0.994, 0.20), (6000, 0.985, 0.31), (6000, 0.92, 0.69), (7000, 0.956, 0.48), (6000, 0.62, 1.23)],
)
def test_half_widths_are_those_that_verification_sets_are_known_for(n: int, accuracy: float, half_width: float) -> None:
    found = wilson(round(n * accuracy), n)
    assert 100 * (found.high - found.low) / 2 == pytest.approx(half_width, abs=0.006)


def test_wilson_refuses_what_is_no_count() -> None:
    for hits, n in ((-1, 5), (6, 5), (0, 0)):
        with pytest.raises(ValueError, match="expected 0 <= successes <= n"):
            wilson(hits, n)


def test_the_bootstrap_covers_the_truth_as_often_as_it_says() -> None:
    """People differ in how often they are found: probes of one person are not independent trials."""
    random = np.random.default_rng(0)
    covered = naive = 0
    draws = 300
    for draw in range(draws):
        rates = random.beta(1, 3, size=120)  # mean 0.25
        clusters = np.repeat(np.arange(120), 6)
        values = (random.random(720) < rates[clusters]).astype(float)
        found = cluster_bootstrap(values, clusters, seed=draw, resamples=400)
        covered += found.low <= 0.25 <= found.high
        plain = wilson(int(values.sum()), 720)
        naive += plain.low <= 0.25 <= plain.high
    assert 0.91 <= covered / draws <= 0.98
    assert naive < covered  # which is why it is not the printed one


def test_clusters_of_unequal_sizes_are_covered_as_well() -> None:
    """Some people have one probe and some fifty; the share meant is that of probes, so large clusters weigh more."""
    random = np.random.default_rng(1)
    sizes = random.permutation(np.geomspace(1, 50, 100).round().astype(int))
    clusters = np.repeat(np.arange(100), sizes)
    draws, covered = 500, 0
    for draw in range(draws):
        rates = random.beta(2, 3, size=100)  # mean 0.4, whatever the size
        values = (random.random(len(clusters)) < rates[clusters]).astype(float)
        found = cluster_bootstrap(values, clusters, seed=draw, resamples=1000)
        covered += found.low <= 0.4 <= found.high
    assert 0.93 <= covered / draws <= 0.97


def test_a_share_of_hits_has_an_interval_by_people_and_wilsons_beside_it() -> None:
    random = np.random.default_rng(0)
    hits, clusters = np.repeat(random.random(40) < 0.5, 3) & (random.random(120) < 0.8), np.arange(120) // 3
    by_people, plain = clustered(hits, clusters)
    assert by_people.kind == BY_PEOPLE
    assert plain == wilson(int(hits.sum()), 120)
    assert by_people.low < plain.low < plain.high < by_people.high  # three faces of one are not three trials
    assert clustered(np.ones(5, bool), np.arange(5)) == (wilson(5, 5),)
    assert clustered(np.arange(5) > 2, np.zeros(5, int)) == (wilson(2, 5),)
    alike = np.arange(60) % 3 == 0  # of each of ten people two in six: they do not vary
    assert clustered(alike, np.arange(60) // 6) == (wilson(20, 60),)


def test_of_people_with_one_face_each_it_is_wilsons_with_students_t() -> None:
    hits = np.arange(4000) % 4 == 0
    made, plain = clustered(hits, np.arange(4000))
    assert (made.low, made.high) == pytest.approx((plain.low, plain.high), abs=2e-5)


def test_the_error_is_that_of_leaving_out_one_person_at_a_time() -> None:
    """The jackknife of a mean over faces, computed here by leaving out."""
    random = np.random.default_rng(5)
    clusters = np.repeat(np.arange(50), random.integers(1, 30, 50))
    values = (random.random(len(clusters)) < random.beta(0.2, 1, 50)[clusters]).astype(float)
    left = [values[clusters != person].mean() for person in range(50)]
    jackknife = np.sqrt(np.sum((values.mean() - np.array(left)) ** 2) * 50 / 49)
    assert spread(values, clusters).error == pytest.approx(jackknife)


def test_it_reaches_farther_to_the_side_where_a_person_may_lie_far_out() -> None:
    clusters = np.repeat(np.arange(200), 5)
    rare = np.isin(clusters, np.arange(12))  # twelve of 200 are found every time
    low, high = over_people(spread(rare.astype(float), clusters))
    again = over_people(spread(1.0 - rare, clusters))
    assert again == pytest.approx((1 - high, 1 - low))
    even = over_people(spread(rare.astype(float), clusters)._replace(skewed=0.0))
    assert even[0] == pytest.approx(low)
    assert even[1] < high
    everybody = spread(np.tile([1.0, 0, 0, 0, 0], 200), clusters)
    assert everybody.error == 0


def test_the_bootstrap_is_seeded_and_keeps_clusters_together() -> None:
    values, clusters = np.array([1.0, 1.0, 0.0, 0.0]), np.array([7, 7, 3, 3])
    first = cluster_bootstrap(values, clusters, seed=1)
    assert first == cluster_bootstrap(values, clusters, seed=1)
    assert (first.low, first.high) == (0.0, 1.0)
    assert cluster_bootstrap(np.ones(5), np.arange(5), seed=0).low == 1.0


def test_the_bootstrap_is_what_resampling_people_one_by_one_gives() -> None:
    random = np.random.default_rng(3)
    clusters = random.integers(0, 40, 500)
    values = (random.random(500) < 0.3).astype(float)
    people = [values[clusters == person] for person in np.unique(clusters)]
    means = [
        np.concatenate([people[person] for person in random.integers(len(people), size=len(people))]).mean()
        for _ in range(4000)
    ]
    found = cluster_bootstrap(values, clusters, seed=0, resamples=4000)
    assert (found.low, found.high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.004)
    assert found.level == 0.95
    assert found.kind == "cluster-bootstrap"


def test_labels_of_people_do_not_matter_only_who_belongs_together() -> None:
    random = np.random.default_rng(4)
    clusters = random.integers(0, 30, 300)
    values = random.random(300)
    shifted = cluster_bootstrap(values, clusters * 1_000_003 - 7, seed=0)
    assert shifted == cluster_bootstrap(values, clusters, seed=0)


def test_a_higher_level_is_wider() -> None:
    values, clusters = np.tile([0.0, 1.0], 100), np.arange(200) // 4
    values[:40] = 1
    narrow, wide = (cluster_bootstrap(values, clusters, seed=0, level=level) for level in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert wilson(5, 10, 0.99).low < wilson(5, 10, 0.8).low


@pytest.mark.parametrize(
    ("values", "clusters", "more", "message"),
    [
        ([], [], {}, "N > 0"),
        ([0.5, 0.5], [1], {}, r"got \(2,\) and \(1,\)"),
        ([0.5, float("nan")], [1, 2], {}, "from 0 to 1"),
        ([0.5, 1.5], [1, 2], {}, "from 0 to 1"),
        ([0.5], [1], {"resamples": 0}, "at least 1 resample"),
        ([0.5], [1], {"level": 95}, "level between 0 and 1, got 95"),
    ],
)
def test_the_bootstrap_refuses_what_has_no_mean(values, clusters, more, message) -> None:
    with pytest.raises(ValueError, match=message):
        cluster_bootstrap(np.array(values), np.array(clusters), seed=0, **more)


def test_wilson_refuses_a_level_that_is_none() -> None:
    for level in (0.0, 1.0, 95):
        with pytest.raises(ValueError, match="level between 0 and 1"):
            wilson(1, 2, level)


@pytest.mark.parametrize("alike", [False, True])
def test_of_rare_hits_the_truth_is_seldom_above_the_interval(alike: bool) -> None:
    """There the bootstrap knows too few people who were found, and leakage would look smaller than it may be."""
    random, draws, above, alone = np.random.default_rng(2), 300, 0, 0
    clusters, true = np.repeat(np.arange(280), 6), 0.003
    for draw in range(draws):
        rates = random.beta(true * 3, (1 - true) * 3, 280) if alike else np.full(280, true)
        values = random.random(len(clusters)) < rates[clusters]
        above += clustered(values, clusters)[0].high < true
        alone += values.any() and cluster_bootstrap(values.astype(float), clusters, seed=draw).high < true
    assert above / draws <= 0.05
    assert above < alone


def test_where_few_people_were_found_the_interval_reaches_as_far_as_wilsons() -> None:
    clusters = np.repeat(np.arange(100), 4)
    for people, kind in ((9, FEW_HITS), (10, BY_PEOPLE), (90, BY_PEOPLE), (91, FEW_HITS)):
        values = clusters < people
        made, plain = clustered(values, clusters)
        low, high = over_people(spread(values.astype(float), clusters))
        assert made.kind == kind
        wide = kind == FEW_HITS
        assert made.low == (min(low, plain.low) if wide else low)
        assert made.high == (max(high, plain.high) if wide else high)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: f"{world.people}-{world.leak}-{world.spread}")
def test_leakage_of_people_with_many_photos_is_covered_and_missed_on_both_sides(world: World) -> None:
    """`reports/statistics/coverage.py` makes the table of `docs/attacks.md` with more draws."""
    found = covered(world, ["printed", "by person"], draws=400)
    printed, by_person = found["printed"], found["by person"]
    assert printed.holds >= 0.885
    assert printed.above <= 0.095  # percentiles of resampled people: up to .2
    assert printed.below <= 0.06
    assert by_person.holds >= 0.93
    assert max(by_person.below, by_person.above) <= 0.06


def test_the_worlds_are_as_uneven_as_leakage_is() -> None:
    random, most, hits = np.random.default_rng(0), [], []
    for _ in range(100):
        hit, person = drawn(WORLDS[0], random)
        by = np.sort(np.bincount(person, weights=hit))
        most.append(by[-5:].sum() / by.sum())
        hits.append(by.sum())
    assert 80 < np.mean(hits) < 120
    assert 0.4 < np.mean(most) < 0.55  # five people bring half of them


def test_the_table_is_markdown_with_a_line_a_world() -> None:
    lines = table(3, WORLDS[:2]).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| 672 | 2.7 % | 0.02 | ")
