"""Numbers of a record that do not belong together are found, and honest ones are not blamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from facebench.bench.audit import consistency
from facebench.reports.result import ledger
from facebench.reports.result.record import Interval, Role, RunRecord, StageTrace
from facebench.reports.statistics.intervals import wilson
from hypothesis import given
from hypothesis import strategies as st
from made_up import LEAK, record

PUBLISHED = Path(__file__).resolve().parents[3] / "reports" / "records"


def _with(**change: Any) -> RunRecord:
    """A record whose leak@1 on ignorant was changed."""
    scores = record(leak=0.1).scores
    return record(scores=tuple(
        score.model_copy(update=change) if (score.measure, score.on) == (LEAK, "ignorant") else score
        for score in scores
    ))  # fmt: skip


@pytest.mark.parametrize("folder", ["", "ablation"])
def test_published_records_agree_with_themselves(folder: str) -> None:
    kept = ledger.load(PUBLISHED / folder)
    assert kept
    assert {found.name: consistency.findings(found) for found in kept} == {found.name: [] for found in kept}


def test_a_made_up_record_agrees_with_itself() -> None:
    assert consistency.findings(record()) == []


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a leakage that is no headline": (
        {"measure": LEAK.model_copy(update={"headline": False})},
        "expected a headline of leakage",
    ),
    "a leakage of which more is better": (
        {"measure": LEAK.model_copy(update={"better": "higher"})},
        "expected a headline of leakage",
    ),
    "a value beside its interval": ({"value": 0.25}, "expected a value in its wilson interval"),
    "a value a hit away": ({"value": 41 / 400}, f"expected the wilson interval {wilson(41, 400).low:.6g} to"),
    "another n": ({"n": 410}, "expected the wilson interval"),
    "part of a hit": ({"value": 0.1001}, "expected hits of 400 probes, got 0.1001 of them, which is 40.04"),
    "another Wilson interval": ({"intervals": (Interval(low=0.07, high=0.13, kind="wilson"),)}, "expected the wilson"),
    "no trials": ({"n": 0}, "expected trials for a value"),
    "a chance above 1": ({"chance": 1.5}, "expected a chance from 0 to 1, got 1.5"),
    "no share": ({"value": 1.25, "intervals": ()}, "expected a share, got 1.25"),
    "no value and no reason": ({"value": None, "note": ""}, "expected a note"),
    "a strange level": ({"intervals": (Interval(low=0, high=1, level=2, kind="wilson"),)}, "between 0 and 1, got 2"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_score_that_does_not_agree_with_itself_is_found(bad: str) -> None:
    change, says = BAD[bad]
    found = consistency.findings(_with(**change))
    assert any(says in text for text in found), found
    assert all(text.startswith("leak@1 on ignorant: ") for text in found)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_no_count_of_any_number_of_trials_is_blamed(counted: tuple[int, int]) -> None:
    hits, n = counted
    assert consistency.findings(_with(value=hits / n, n=n, intervals=(wilson(hits, n),))) == []


def test_a_rate_over_both_kinds_of_pairs_has_twice_the_rarer_kind_as_trials() -> None:
    error = record().scores[0].model_copy(update={
        "value": 0.2, "n": 1000, "intervals": (wilson(160, 800),),
        "detail": {"n_genuine": 400.0, "n_impostor": 600.0},
    })  # fmt: skip
    assert consistency.findings(record(scores=(error,))) == []
    assert consistency.findings(record(scores=(error.model_copy(update={"detail": {}}),)))


def test_what_comes_twice_is_found() -> None:
    scores, (curve,), stage = record().scores, record().curves, StageTrace(name="fit", key="0", seconds=1, cached=True)
    twice = record(scores=(*scores, scores[0]), curves=(curve, curve), stages=(stage, stage))
    assert consistency.findings(twice) == [
        "score accuracy, lfw: expected once, got 2 times",
        "curve roc, lfw: expected once, got 2 times",
        "stage fit, 0: expected once, got 2 times",
    ]


def test_a_curve_has_as_many_x_as_y() -> None:
    (curve,) = record().curves
    (found,) = consistency.findings(record(curves=(curve.model_copy(update={"y": (1.0,)}),)))
    assert found == "curve roc on lfw: expected as many x as y, got 3 and 1"


def test_roles_share_nobody_except_where_the_method_was_fitted_on_what_it_releases() -> None:
    same = {name: Role(identities=10, images=40, digest="cc") for name in ("G", "P")}
    assert consistency.findings(record(roles=same)) == [
        "roles G and P: expected people of their own, got the same ones"
    ]
    assert consistency.findings(record(roles=same, config={"protocol": "in-sample"})) == []
    few = {"P": Role(identities=10, images=4, digest="cc")}
    assert "at least, got 4 of 10 people" in consistency.findings(record(roles=few))[0]
