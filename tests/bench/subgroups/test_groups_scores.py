"""Scores by group from trials whose groups are known: shares, intervals, small groups, and who is compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from facebench.bench.attacks.leakage import leak_at_k
from facebench.bench.biometrics.roc import PairScores
from facebench.bench.subgroups.assignment import Column, Grouping
from facebench.bench.subgroups.scores import _accuracy, _Probes, leak_by_group, of_attack
from facebench.reports.board.subgroup_gaps import NOT_TOLD, compared, long_form, spreads, widest
from facebench.reports.result.record import Groups, GroupScore, GroupTable, Score
from facebench.reports.statistics.intervals import clustered, wilson
from made_up import ACCURACY, record
from numpy.typing import NDArray

EACH = 4
"""Faces of every person."""
DATASET = 1000


def _found(person: NDArray[np.int64], hit: NDArray[np.bool_], *, left_out: bool = False) -> leak_at_k.SearchResult:
    """What an attack keeps of probes that are found at rank 1 or at rank 5; the gallery has the same faces."""
    q, gallery = len(person), len(person) - left_out
    return leak_at_k.SearchResult(
        image=np.full(q, 5),
        identity=np.where(hit, 1, 5),
        own=np.full(q, 0.5, np.float32),
        other=np.full(q, 0.4, np.float32),
        linked=hit.astype(np.float64),
        mates=np.full(q, EACH - left_out),
        person=person,
        failed=np.arange(q) % 10 == 0,
        neighbours=np.full((q, 1), -1),
        similarity=np.full((q, 1), np.nan, np.float32),
        best=np.full(q, -1),
        gallery=gallery,
        gallery_failures=0,
        probes_all=q,
        seed=3,
    )


def _scores(rates: dict[str, float], people: dict[str, int], *, left_out: bool = False) -> dict[str, GroupScore]:
    """Leak@1 by group, where of each group's people the given share is found with every face."""
    group = np.repeat(list(people), list(people.values()))
    person = np.repeat(np.arange(len(group)), EACH)
    within = np.concatenate([np.arange(count) for count in people.values()])
    hit = np.repeat(within < np.array([rates[name] * people[name] for name in group]), EACH)
    # the release holds faces of people 1, 2, ... of the dataset, last one first
    image = DATASET - 1 - np.arange(len(person))
    code = np.full(DATASET, -1, np.int32)
    names = sorted(set(people) - {NOT_TOLD})
    code[image] = [names.index(name) if name in names else -1 for name in np.repeat(group, EACH)]
    found = _found(person, hit, left_out=left_out)
    score = leak_at_k.identity_leak(found, 1, "ignorant")
    attacked = of_attack(found, score, _Probes(person, image, np.bincount(person)))
    assert attacked is not None
    return {one.group: one for one in leak_by_group(attacked, Column("tone", tuple(names), code), score)}


def test_each_group_gets_its_own_share_chance_and_counts() -> None:
    found = _scores({"dark": 0.5, "light": 0.1}, {"dark": 20, "light": 40})
    assert {name: one.score.value for name, one in found.items()} == {"dark": 0.5, "light": 0.1}
    assert {name: one.score.n for name, one in found.items()} == {"dark": 80, "light": 160}
    assert {name: one.score.detail["people"] for name, one in found.items()} == {"dark": 20, "light": 40}
    assert found["dark"].score.chance == pytest.approx(EACH / 240)
    assert found["dark"].score.detail["failure_rate"] == pytest.approx(0.1)


def test_the_chance_of_a_search_without_the_source_is_of_one_mate_and_one_image_less() -> None:
    found = _scores({"dark": 0.5, "light": 0.1}, {"dark": 20, "light": 40}, left_out=True)
    assert found["light"].score.chance == pytest.approx((EACH - 1) / 239)


def test_the_interval_is_over_the_groups_people_and_wilsons_where_nobody_was_found() -> None:
    found = _scores({"dark": 0.5, "light": 0.0}, {"dark": 20, "light": 40})
    dark = np.repeat(np.arange(20) < 10, EACH)
    expected = clustered(dark, np.repeat(np.arange(20), EACH))[0]
    assert found["dark"].score.intervals == (expected, wilson(40, 80))
    assert found["light"].score.intervals == (wilson(0, 160),)
    assert expected.high - expected.low > wilson(40, 80).high - wilson(40, 80).low  # four faces of one are not four


def test_a_group_under_thirty_is_shown_claims_no_interval_and_is_not_compared() -> None:
    found = _scores({"dark": 1.0, "light": 0.25, "medium": 0.5}, {"dark": 7, "light": 20, "medium": 20})
    few = found["dark"].score
    assert (few.value, few.n, few.intervals) == (1.0, 28, ())
    assert few.note.startswith("fewer than 30 trials")
    (spread,) = spreads(Groups(tables=(), scores=tuple(found.values())))
    assert [one.group for one in spread.compared] == ["medium", "light"]
    assert spread.gap == 0.25
    assert spread.overlap


def test_thirty_are_enough() -> None:
    # 8 people with 4 faces each are 32 probes: compared, with a warning that eight people are few
    found = _scores({"dark": 0.5, "light": 0.5}, {"dark": 8, "light": 20})
    assert found["dark"].score.intervals
    assert found["dark"].score.note.startswith("8 people: with fewer than 20")
    assert found["light"].score.note == ""


def test_those_not_told_of_are_counted_and_are_no_group_of_people() -> None:
    found = _scores({"dark": 0.5, "light": 0.25, NOT_TOLD: 1.0}, {"dark": 20, "light": 20, NOT_TOLD: 20})
    assert found[NOT_TOLD].score.n == 80
    (spread,) = spreads(Groups(tables=(), scores=tuple(found.values())))
    assert (spread.worst and spread.worst.group, spread.gap) == ("dark", 0.25)


def test_intervals_of_groups_far_apart_do_not_overlap() -> None:
    found = _scores({"dark": 0.95, "light": 0.05}, {"dark": 40, "light": 40})
    (spread,) = spreads(Groups(tables=(), scores=tuple(found.values())))
    assert not spread.overlap


def test_one_group_alone_has_no_gap_and_is_not_the_worst() -> None:
    (spread,) = spreads(Groups(tables=(), scores=tuple(_scores({"dark": 0.5}, {"dark": 20}).values())))
    assert (spread.worst, spread.gap) == (None, None)


def test_the_worst_group_leaks_most_and_is_served_worst() -> None:
    leak = tuple(_scores({"dark": 0.5, "light": 0.25}, {"dark": 20, "light": 20}).values())
    accuracy = record().scores[0]
    served = tuple(
        GroupScore(
            column="tone",
            group=group,
            score=accuracy.model_copy(update={"value": right / 300, "n": 300, "intervals": (wilson(right, 300),)}),
        )
        for group, right in (("dark", 210), ("light", 270))
    )
    worst = {
        one.measure.name: one.worst.group for one in widest(Groups(tables=(), scores=(*leak, *served))) if one.worst
    }
    assert worst == {"leak@1": "dark", "accuracy": "dark"}
    assert [one.overlap for one in spreads(Groups(tables=(), scores=served))] == [False]
    assert [one.overlap for one in spreads(Groups(tables=(), scores=(served[0], served[0])))] == [True]


def test_the_widest_gap_of_several_attacks_is_told() -> None:
    found = tuple(_scores({"dark": 0.5, "light": 0.25}, {"dark": 20, "light": 20}).values())
    wide = tuple(_scores({"dark": 0.9, "light": 0.1}, {"dark": 20, "light": 20}).values())
    named = tuple(one.model_copy(update={"score": one.score.model_copy(update={"on": "wide"})}) for one in wide)
    (spread,) = widest(Groups(tables=(), scores=(*found, *named)))
    assert (spread.on, spread.gap) == ("wide", pytest.approx(0.8))


def test_probes_of_people_with_a_mate_are_matched_to_their_originals() -> None:
    person = np.array([0, 0, 1, 2, 2])
    found = _found(person[[0, 1, 3, 4]], np.ones(4, np.bool_))
    score = leak_at_k.identity_leak(found, 1, "other_image")
    attacked = of_attack(found, score, _Probes(person, np.array([9, 8, 7, 6, 5]), np.bincount(person)))
    assert attacked is not None
    assert attacked.image.tolist() == [9, 8, 6, 5]
    assert attacked.chance is None  # that of this made-up search is another: better none than a wrong one
    others = replace(found, person=np.array([0, 0, 2, 1]))
    assert of_attack(others, score, _Probes(person, np.arange(5), np.bincount(person))) is None


def test_the_long_form_has_a_line_for_every_group() -> None:
    found = tuple(_scores({"dark": 1.0, "light": 0.25}, {"dark": 7, "light": 20}).values())
    lines = long_form(record(groups=Groups(tables=(), scores=found)))
    assert [(line["group"], line["n"], line["compared"], line["low"] is None) for line in lines] == [
        ("dark", 28, False, True),
        ("light", 80, True, False),
    ]
    assert long_form(record()) == []


def test_accuracy_of_a_group_is_that_of_its_own_pairs() -> None:
    """Forty pairs of one group are all answered rightly, ten of thirty of another wrongly; a third has one too few."""
    sizes = {"x": 40, "y": 30, "z": 29, NOT_TOLD: 101}
    names = np.repeat(list(sizes), list(sizes.values()))
    wrong = np.isin(np.arange(200), np.flatnonzero(names == "y")[:10])
    same = np.arange(200) % 4 == 0
    order = np.random.default_rng(0).permutation(200)
    order = np.concatenate([order[names[order] != NOT_TOLD], order[names[order] == NOT_TOLD]])  # the table is shorter
    names, wrong, same = names[order], wrong[order], same[order]
    similarity = np.where(same ^ wrong, 0.9, -0.9).astype(np.float32)
    code = np.array(["xyz".index(name) for name in names[:99]], np.int32)
    table = GroupTable(of="lfw", file="t.csv", digest="0" * 64, columns=("tone",), told=99, untold=0)
    told = Grouping(table, (Column("tone", ("x", "y", "z"), code),))
    whole = Score(measure=ACCURACY, on="lfw", value=0.95, n=200)
    found = {one.group: one.score for one in _accuracy(PairScores(similarity, same), told, whole)}
    assert {group: score.n for group, score in found.items()} == sizes
    assert {g: s.value for g, s in found.items()} == {"x": 1, "y": pytest.approx(20 / 30), "z": 1, NOT_TOLD: 1}
    for group, score in found.items():
        assert score.detail["n_genuine"] == same[names == group].sum()
        assert score.detail["n_impostor"] == (~same[names == group]).sum()
    assert found["x"].intervals == (wilson(40, 40),)
    assert found["y"].intervals == (wilson(20, 30),)
    assert found["z"].intervals == ()
    assert "fewer than 30 trials" in found["z"].note
    assert not compared(GroupScore(column="tone", group="z", score=found["z"]))
