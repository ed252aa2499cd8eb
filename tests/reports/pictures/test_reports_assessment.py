"""The page for whoever decides about a release: what was found, what was not tried, and no claim of safety."""

from __future__ import annotations

import re
from typing import Any

import pytest
from facebench.reports.pictures.assessment import Limit, assessment
from facebench.reports.result.record import RunRecord, Score
from made_up import record


def page(made: RunRecord, **more: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", assessment(made, title="mine", **more)).split())


def test_the_strongest_attacker_is_the_answer_and_no_safety_is_claimed() -> None:
    made = record(leak=0.0425)
    found = page(made)
    (score,) = [s for s in made.scores if (s.measure.name, s.on) == ("leak@1", "ignorant")]
    best = max((s for s in made.scores if s.measure.name == "leak@1"), key=lambda s: s.value or 0)
    assert f"Found: {100 * (best.value or 0):.1f} %" in found
    assert f"{round((best.value or 0) * best.n):,} of {best.n:,}" in found
    assert "This is no proof of safety." in found
    assert re.search(r"\bis safe\b", found) is None
    assert score.value is not None and f"{100 * score.value:.1f} %" in found


def test_who_did_not_try_is_named() -> None:
    found = page(record(leak=0.01))
    after = found.split("Who did not try")[1].split("For a single person")[0]
    assert "alignment: not asked for" in after
    assert "Every attacker" not in after


@pytest.mark.parametrize(("kept", "says"), [(True, "kept"), (False, "NOT kept"), (None, "cannot be told")])
def test_a_limit_is_answered(kept: bool | None, says: str) -> None:
    found = page(record(leak=0.01), limits=(Limit("leak@1 of ignorant", kept, "its interval ends at 2 %"),))
    assert f"leak@1 of ignorant: {says} (its interval ends at 2 %)" in found


def test_numbers_that_are_not_to_be_relied_on_are_no_answer() -> None:
    found = page(record(leak=0.0, failed=True))
    assert "These numbers are not to be relied on." in found
    assert "Found:" not in found


def test_without_an_attacker_nothing_is_known() -> None:
    made = record()
    bare = made.model_copy(update={"scores": tuple(s for s in made.scores if s.measure.side != "privacy")})
    assert "No attacker could be run, so nothing is known." in page(bare)
    assert "Not measured. Whether age" in page(bare)


def test_what_a_record_says_is_text() -> None:
    evil = '<script>alert(1)</script>"&'
    made = record(evil)
    scores: list[Score] = [s.model_copy(update={"on": evil}) for s in made.scores]
    told = assessment(made.model_copy(update={"scores": tuple(scores), "dataset": evil}), title=evil)
    assert "<script" not in told
    assert "default-src &#39;none&#39;" in told or "default-src 'none'" in told
