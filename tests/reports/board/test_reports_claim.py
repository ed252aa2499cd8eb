"""Errors over errors: the ratio, its interval, and when the paper's claim is said to hold."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from facebench.reports.board.claim import MOST, Claim, claims
from facebench.reports.board.leaderboard import board
from facebench.reports.formats import render
from facebench.reports.formats.claim_table import claim_table
from facebench.reports.result.record import Measure, RunRecord, Score
from facebench.reports.statistics.differences import Errors, error_ratio, newcombe
from facebench.reports.statistics.intervals import wilson
from made_up import ACCURACY, LEAK, attack, record
from statsmodels.stats.proportion import confint_proportions_2indep

MEMORISED = Measure(name="memorised", side="privacy", better="lower", says="in excess", headline=True)


def scored(method: str, *accuracy: float | None, n: int = 6000, leak: float = 0.1, **more: Any) -> RunRecord:
    """A record with accuracies on lfw, cfp_fp and so on."""
    sets = ("lfw", "cfp_fp", "agedb_30")
    scores = [Score(measure=ACCURACY, on=on, value=a, n=n) for on, a in zip(sets, accuracy, strict=False)]
    leaks = [Score(measure=LEAK, on="ignorant", value=leak, n=400, intervals=(wilson(round(leak * 400), 400),))]
    skipped = {"memorisation": "does not apply: sources", "consistency": "does not apply: sources"}
    return record(method, scores=(*scores, *leaks), attackers=("ignorant",), not_run=skipped, **more)


def synthetic(method: str, accuracy: float, memorised: float = 0.02, **more: Any) -> RunRecord:
    """A record of a set without sources."""
    scores = (Score(measure=ACCURACY, on="lfw", value=accuracy, n=6000),
              Score(measure=MEMORISED, on="memorisation", value=memorised, n=400, chance=0.0))  # fmt: skip
    return record(
        method, scores=scores, attackers=("memorisation", "consistency"),
        not_run={"ignorant": "does not apply: no source"}, sourced=False, **more,
    )  # fmt: skip


def thrice(method: str, *accuracy: float | None, **more: Any) -> list[RunRecord]:
    """The same with three seeds."""
    return [scored(method, *accuracy, seed=seed, **more) for seed in range(3)]


def claimed(*records: RunRecord) -> Claim:
    (group,) = board(records)
    (claim,) = claims(group)
    return claim


def test_the_ratio_of_one_seed_and_set_is_that_of_the_counts() -> None:
    found = error_ratio([Errors((0.2,), 100)], [Errors((0.4,), 100)])
    assert found is not None
    value, interval = found
    assert value == pytest.approx(0.5)
    # by hand: ln r varies by .8 / 20 + .6 / 40 = .055
    half = 1.959964 * math.sqrt(0.055)
    assert (interval.low, interval.high) == pytest.approx((0.5 * math.exp(-half), 0.5 * math.exp(half)), abs=1e-6)
    peer = confint_proportions_2indep(20, 100, 40, 100, compare="ratio", method="log", correction=False)
    assert (interval.low, interval.high) == pytest.approx(peer, rel=1e-6)
    assert interval.kind == "delta method over pairs"


def test_the_ratio_over_sets_is_that_of_the_mean_errors() -> None:
    found = error_ratio([Errors((0.1,), 1000), Errors((0.3,), 2000)], [Errors((0.4,), 1000), Errors((0.4,), 2000)])
    assert found is not None
    assert found[0] == pytest.approx(0.5)
    # by hand: of the first (.09/1000 + .21/2000) / 4 / .2^2, of the second (.24/1000 + .24/2000) / 4 / .4^2
    half = 1.959964 * math.sqrt(0.000195 / 4 / 0.04 + 0.00036 / 4 / 0.16)
    assert found[1].high == pytest.approx(0.5 * math.exp(half), abs=1e-6)


def test_seeds_are_paired_and_their_spread_is_added_to_the_pairs() -> None:
    """Ratios 1/2 and 1/8 of two seeds: their geometric mean is 1/4, and the spread of the logarithms is large."""
    found = error_ratio([Errors((0.1, 0.05), 10**9)], [Errors((0.2, 0.4), 10**9)])
    assert found is not None
    assert found[0] == pytest.approx(0.25)
    # by hand: ln 1/2 and ln 1/8 are ln 2 apart from their mean, so the standard error is ln 2; t of 1 degree 12.7062
    assert math.log(found[1].high / 0.25) == pytest.approx(12.7062 * math.log(2), rel=1e-3)
    assert found[1].kind == "delta method over pairs, t over 2 paired seeds"
    # all vary from seed to seed, but by the same factor: nothing is left but the pairs' part
    paired = error_ratio([Errors((0.1, 0.2, 0.15), 500)], [Errors((0.2, 0.4, 0.3), 500)])
    alone = error_ratio([Errors((0.15,), 500)], [Errors((0.3,), 500)])
    assert paired
    assert alone
    assert (paired[1].low, paired[1].high) == pytest.approx((alone[1].low, alone[1].high), rel=1e-6)


def test_degrees_of_freedom_are_satterthwaites_and_one_of_two_seeds() -> None:
    from scipy.stats import t

    first, second = (0.2, 0.24, 0.28), (0.4, 0.4, 0.4)
    found = error_ratio([Errors(first, 500)], [Errors(second, 500)])
    assert found is not None
    a = float(np.var([math.log(one / 0.4) for one in first], ddof=1)) / 3
    b = 0.24 * 0.76 / 500 / 0.24**2 + 0.4 * 0.6 / 500 / 0.4**2
    half = t.ppf(0.975, 2 * (a + b) ** 2 / a**2) * math.sqrt(a + b)
    assert math.log(found[1].high / found[0]) == pytest.approx(half, rel=1e-9)
    found = error_ratio([Errors(first[:2], 500)], [Errors(second[:2], 500)])
    assert found is not None
    a = (math.log(1.2) / 2) ** 2
    b = 0.22 * 0.78 / 500 / 0.22**2 + 0.4 * 0.6 / 500 / 0.4**2
    assert math.log(found[1].high / found[0]) == pytest.approx(t.ppf(0.975, 1) * math.sqrt(a + b), rel=1e-9)


@pytest.mark.parametrize("seeds", [2, 3])
def test_ratios_over_seeds_cover_as_often_as_they_say(seeds: int) -> None:
    random, draws, covered = np.random.default_rng(0), 1000, 0
    for _ in range(draws):
        both = []
        for error in (0.2, 0.3):
            true = np.clip(random.normal(error, 0.02, seeds), 0.01, 1)
            both.append([Errors(tuple(random.binomial(1000, true) / 1000), 1000)])
        found = error_ratio(*both)
        assert found
        covered += found[1].low <= 2 / 3 <= found[1].high
    assert covered / draws >= 0.93


def test_no_errors_give_no_ratio() -> None:
    assert error_ratio([Errors((0.2,), 100)], [Errors((0.0,), 100)]) is None
    assert error_ratio([Errors((0.2, 0.0), 100)], [Errors((0.1, 0.1), 100)]) is None


@pytest.mark.parametrize(("first", "second", "n"), [(9, 2, 40), (0, 0, 50), (50, 0, 50), (30, 33, 60)])
def test_the_interval_of_a_difference_is_newcombes(first: int, second: int, n: int) -> None:
    expected = confint_proportions_2indep(first, n, second, n, compare="diff", method="newcomb", correction=False)
    found = newcombe(first, second, n)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)


def test_without_the_claimant_or_a_prior_method_nothing_is_said() -> None:
    for records in ([scored("masking", 0.8)], [scored("facemae", 0.9), scored("pixelate", 0.8)],
                    [scored("facemae", 0.9), scored("masking", None)]):  # fmt: skip
        found = board(records)
        assert claims(found[0]) == ()
        assert "claim" not in render.markdown(found)
        assert json.loads(render.json(found))[0]["claims"] == []


def test_the_claim_holds_where_every_interval_is_at_most_one_half_and_no_more_leaks() -> None:
    claim = claimed(*thrice("facemae", 0.97, 0.95, leak=0.05), *thrice("masking", 0.9, 0.85, leak=0.15))
    assert (claim.verdict, claim.holds) == ("holds", True)
    assert [(ratio.on, ratio.value) for ratio in claim.best.ratios] == [
        ("lfw", pytest.approx(0.3)), ("cfp_fp", pytest.approx(1 / 3)), ("mean", pytest.approx(0.04 / 0.125)),
    ]  # fmt: skip
    assert claim.best.ratios[2].n == 12_000


@pytest.mark.parametrize(
    ("own", "other", "holds", "because"),
    [
        ({"leak": 0.4}, {}, False, "leaks more"),
        ({"leak": 0.16}, {}, None, "which of the two leaks more is undecided"),
        ({"accuracy": (0.97, 0.90)}, {}, False, "on cfp_fp the whole interval is above 0.5"),
        ({"accuracy": (0.97, 0.925)}, {}, None, "reach across 0.5"),
        ({"accuracy": (1.0, 0.95)}, {}, None, "missing"),
        ({"failed": True}, {}, None, "`facemae` cannot be relied on"),
        ({}, {"failed": True}, None, "`masking` cannot be relied on"),
    ],
)
def test_the_claim_does_not_hold_or_is_open_and_why(own: Any, other: Any, holds: bool | None, because: str) -> None:
    mine = {"accuracy": (0.97, 0.95), "leak": 0.05, **own}
    accuracy = mine.pop("accuracy")
    claim = claimed(
        *thrice("original", 0.99, 0.98),
        *thrice("facemae", *accuracy, **mine),
        *thrice("masking", 0.9, 0.85, leak=0.15, **other),
    )
    assert claim.holds is holds
    assert because in claim.because


@pytest.mark.parametrize(
    ("original", "verdict"),
    [(0.944, "cannot be decided at this size"), (0.951, "cannot be decided at this size"), (0.99, "does not hold")],
)
def test_what_originals_do_not_reach_no_method_misses(original: float, verdict: str) -> None:
    """Originals make .56, .49 [.42, .57] or .1 of the errors of masking: in the first two cases nobody can be below."""
    records = [*thrice("facemae", 0.92), *thrice("masking", 0.9)]
    claim = claimed(*thrice("original", original), *thrice("noise", 0.85), *records)
    assert claim.verdict == verdict
    assert claim.holds is (None if "size" in verdict else False)
    assert claim.upper[0].value == pytest.approx((1 - original) / 0.1)
    assert claim.floor[0].value == pytest.approx(1.5)
    alone = claimed(*records)
    assert (alone.verdict, alone.upper) == ("is open", ())
    assert "nobody knows whether 0.5 can be reached" in alone.because


def test_the_ratios_of_both_ends_stand_beside_the_claim() -> None:
    made = board(
        [*thrice("original", 0.944), *thrice("noise", 0.85), *thrice("facemae", 0.92), *thrice("masking", 0.9)]
    )
    text = render.markdown(made)
    assert "The paper's claim cannot be decided at this size for `facemae`" in text
    assert "Of the errors of `masking`, `original` makes 0.56 [" in text
    assert "] and `noise` makes 1.50 [" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| original over masking")]
    assert [cell.strip() for cell in line.strip("|").split("|")][1] == "upper bound"
    (found,) = json.loads(render.json(made))[0]["claims"]
    assert (found["verdict"], found["holds"]) == ("cannot be decided at this size", None)
    assert found["upper"][0]["value"] == pytest.approx(0.56)


@pytest.mark.parametrize("seeds", [1, 2])
def test_of_fewer_than_three_seeds_nothing_is_decided(seeds: int) -> None:
    records = [
        scored(*row, seed=seed, leak=leak)
        for seed in range(seeds)
        for row, leak in ((("original", 0.99), 1.0), (("facemae", 0.97), 0.05), (("masking", 0.9), 0.3))
    ]
    claim = claimed(*records)
    assert (claim.verdict, claim.holds) == ("needs more seeds", None)
    assert "The paper's claim needs more seeds for `facemae`" in render.markdown(board(records))


@pytest.mark.parametrize(("accuracy", "marked"), [((0.9, 0.903, 0.897), True), ((0.95, 0.951, 0.949), False)])
def test_a_prior_that_is_worth_no_more_than_noise_is_told_beside_the_claim(
    accuracy: tuple[float, ...], marked: bool
) -> None:
    masking = [scored("masking", value, seed=seed) for seed, value in enumerate(accuracy)]
    noise = [scored("noise", value, seed=seed) for seed, value in enumerate((0.9, 0.897, 0.903))]
    claim = claimed(*thrice("original", 0.99), *noise, *thrice("facemae", 0.97), *masking)
    assert claim.beside == (("`masking`: no utility shown",) if marked else ())


def test_the_best_prior_method_counts_and_others_are_shown() -> None:
    found = board([
        scored("original", 0.99), scored("facemae", 0.8, leak=0.2), scored("pixelate", 0.9, leak=0.3),
        scored("masking", 0.6, leak=0.1, parameters={"ratio": 0.9}),
        scored("masking", 0.7, leak=0.5, parameters={"ratio": 0.5}),
    ])  # fmt: skip
    (claim,) = claims(found[0])
    assert [(c.other, c.prior, c.leakage) for c in claim.comparisons] == [
        ("pixelate", False, "no more"), ("masking (ratio=0.5)", True, "no more"), ("masking (ratio=0.9)", True, "more"),
    ]  # fmt: skip
    assert claim.best.other == "masking (ratio=0.5)"
    text = render.markdown(found)
    assert "facemae over pixelate" in text
    assert "facemae over original" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("| facemae over masking (ratio=0.5)")]
    assert [cell.strip() for cell in line.strip("|").split("|")][1:] == [  # 2/3 exp(1.96 sqrt(.8 / 1200 + .7 / 1800))
        "best prior", "0.67 [0.63, 0.71]", "no more (20 [15.8, 24.2], 50 [45.1, 54.9])",
    ]  # fmt: skip
    assert "The paper's claim needs more seeds for `facemae`" in text
    (shown,) = json.loads(render.json(found))[0]["claims"]
    assert (shown["best_prior"], shown["holds"], shown["at_most"]) == ("masking (ratio=0.5)", None, 0.5)
    assert shown["comparisons"][1]["ratios"][0]["value"] == pytest.approx(2 / 3)
    assert shown["comparisons"][1]["ratios"][0]["interval"]["low"] < 2 / 3


def test_only_seeds_that_both_have_are_compared() -> None:
    claim = claimed(
        scored("facemae", 0.8, seed=0), scored("facemae", 0.9, seed=1), scored("facemae", 0.7, seed=2),
        scored("masking", 0.6, seed=1), scored("masking", 0.8, seed=2), scored("masking", 0.1, seed=5),
    )  # fmt: skip
    (ratio,) = claim.best.ratios
    assert ratio.seeds == (1, 2)
    assert ratio.value == pytest.approx(math.sqrt(0.1 / 0.4 * 0.3 / 0.2))
    apart = claimed(scored("facemae", 0.8, seed=0), scored("masking", 0.6, seed=1))
    assert (apart.best.ratios[0].value, apart.holds) == (None, None)
    assert "| best prior   |   - |" in render.markdown(
        board([scored("facemae", 0.8, seed=0), scored("masking", 0.6, seed=1)])
    )


def test_leakage_of_another_kind_leaves_the_claim_open_whatever_the_errors_are() -> None:
    others = [*thrice("original", 0.999), *thrice("masking", 0.8, leak=0.1)]
    made = [synthetic("gan", 0.9, seed=seed) for seed in range(3)]
    for accuracy in (0.97, 0.901):
        found = board([*thrice("facemae", accuracy, leak=0.01), *made, *others])
        (claim,) = claims(found[0])
        assert (claim.best.other, claim.best.leakage, claim.verdict) == ("gan", "of another kind", "is open")
        assert "leakage of `gan` is of another kind" in claim.because
        text = render.markdown(found)
        assert "Faces of `gan` have no sources and leak in another way: only utility is compared." in text


def test_rows_without_sources_are_marked_told_and_not_ranked() -> None:
    found = board([scored("facemae", 0.8, leak=0.3), scored("blur", 0.7, leak=0.2),
                   synthetic("gan", 0.9, memorised=-0.012)])  # fmt: skip
    rows = {row.method: row for row in found[0].rows}
    gan = rows["gan"]
    assert not gan.sourced
    assert (gan.missing, gan.front) == ((), False)
    assert "no sources: leakage is memorisation" in gan.marks
    assert "ignorant-only" in gan.marks
    assert rows["facemae"].front  # nobody is pushed off by a number of another kind
    assert rows["blur"].front
    assert rows["blur"].missing == ()
    text = render.markdown(found)
    (line,) = [line for line in text.splitlines() if line.startswith("| gan ")]
    assert [cell.strip() for cell in line.strip("|").split("|")][1:5] == ["90.0", "n/a", "-1.2", "-1.2 (memorisation)"]
    assert text.count("That is not the same number as how often an original is found") == 1
    (line,) = [line for line in text.splitlines() if line.startswith("| blur ")]
    assert [cell.strip() for cell in line.strip("|").split("|")][1:5] == [
        "70.0",
        "20.0 [16.4, 24.2] (1 seed)",
        "n/a",
        "20.0 (ignorant)",
    ]
    assert "same number as how often" not in render.markdown(board([scored("facemae", 0.8)]))


def test_a_row_without_sources_that_lacks_its_number_is_incomplete() -> None:
    bad = synthetic("gan", 0.9)
    scores = tuple(
        s.model_copy(update={"value": None, "note": "too few pairs"}) if s.measure.name == "memorised" else s
        for s in bad.scores
    )
    (group,) = board([synthetic("gan", 0.8, parameters={"z": 1}), bad.model_copy(update={"scores": scores})])
    assert [row.missing for row in group.rows] == [("memorised on memorisation, seed 0: too few pairs",), ()]


def test_negative_numbers_are_no_formulas_and_have_no_sign_where_they_round_to_zero() -> None:
    found = board([synthetic("gan", 0.9, memorised=-1e-6)])
    assert "-0.0" not in render.markdown(found)
    (line,) = [line for line in render.csv(board([synthetic("gan", 0.9, memorised=-0.25)])).splitlines()
               if "memorised" in line]  # fmt: skip
    assert ",-0.25,,-0.25," in line


def test_of_very_many_rows_the_best_are_compared_and_the_best_of_each_prior_method() -> None:
    rows = [record("facemae", accuracy=0.9, parameters={"n": n}) for n in range(MOST + 3)]
    rows += [record(f"other_{n}", accuracy=0.8) for n in range(MOST + 5)]
    rows += [record("masking", accuracy=0.6), record("masking", accuracy=0.59, parameters={"n": 1})]
    (group,) = board(rows)
    found = claims(group)
    assert len(found) == MOST
    for claim in found:
        assert [c.other.split()[0] for c in claim.comparisons if c.prior] == ["masking"]
        assert len(claim.comparisons) == MOST + 1
        assert claim.best.other.startswith("masking")
        assert claim.left_out == 3 + 5 + 1
    table = claim_table(found)
    assert table is not None
    assert "9 more are not" in table.caption
    assert "more are not" not in claim_table(claims(board([record("facemae"), record("masking")])[0])).caption


def test_leakage_of_unequal_attackers_is_not_compared() -> None:
    own, other = thrice("facemae", 0.97, leak=0.2), thrice("masking", 0.8, leak=0.05)
    claim = claimed(*thrice("original", 0.99), *own, *other)
    assert (claim.holds, claim.best.leakage) == (False, "more")
    assert claim.best.leaks == pytest.approx((0.2, 0.05))
    records = [*thrice("original", 0.99), *own, *other]
    theirs = [attack(each, leak=0.5) for each in other]
    (claim,) = claims(board(records, theirs)[0])  # which nobody made on the claimant
    assert (claim.holds, claim.best.leakage, claim.best.leaks) == (None, "not measured", (None, None))
    (claim,) = claims(board(records, [*theirs, *(attack(each, leak=0.3) for each in own)])[0])
    assert (claim.holds, claim.best.leakage) == (True, "no more")
    assert claim.best.leaks == pytest.approx((0.3, 0.5))


def test_leakage_is_compared_over_the_seeds_that_both_have() -> None:
    others = [scored("masking", 0.8, leak=leak, seed=seed) for seed, leak in enumerate((0.1, 0.4, 0.4))]
    claim = claimed(scored("facemae", 0.97, leak=0.2), *others)
    assert (claim.best.leakage, claim.best.leaks) == ("more", (0.2, 0.1))
    claim = claimed(scored("facemae", 0.97, leak=0.2, seed=7), *others)
    assert claim.best.leakage == "not measured"


@pytest.mark.parametrize(
    ("own", "other", "says"),
    [
        ((0.10,), (0.13,), "undecided"),  # of 400 probes
        ((0.10,), (0.25,), "no more"),
        ((0.10, 0.10), (0.25, 0.25), "undecided"),  # seeds that agree by luck: t of one degree
        ((0.05, 0.15, 0.10), (0.20, 0.30, 0.25), "undecided"),  # training varies by as much
        ((0.10, 0.11, 0.09), (0.25, 0.26, 0.24), "no more"),
    ],
)
def test_which_leaks_more_is_said_only_where_intervals_are_apart(own: Any, other: Any, says: str) -> None:
    records = [scored("facemae", 0.97, leak=leak, seed=seed) for seed, leak in enumerate(own)]
    records += [scored("masking", 0.9, leak=leak, seed=seed) for seed, leak in enumerate(other)]
    found = claimed(*records).best
    assert found.leakage == says
    swapped = [record.model_copy(update={"method": {"facemae": "masking", "masking": "facemae"}[record.method]})
               for record in records]  # fmt: skip
    assert claimed(*swapped).best.leakage == {"no more": "more"}.get(says, says)


def test_leakage_without_intervals_is_undecided() -> None:
    bare = [
        record.model_copy(update={"scores": tuple(s.model_copy(update={"intervals": ()}) for s in record.scores)})
        for record in (scored("facemae", 0.97, leak=0.01), scored("masking", 0.9, leak=0.9))
    ]
    assert claimed(*bare).best.leakage == "undecided"
