"""The card of a release says what its numbers are not about: other people, drawn faces, attackers who did not try."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from facebench.bench.plugins import spell
from facebench.bench.release.dataset_card import About, text
from facebench.bench.release.fitted_method import Chosen
from facebench.methods.masking import Masking
from facebench.reports.result.record import Measure, Score
from made_up import record


@pytest.fixture
def about() -> About:
    method = Masking()
    return About("mine", Chosen(method, "masking", spell(method)), 18, 6, 0, 3, "png", "recordio", None, None)


def boxes(card: str) -> list[str]:
    return [line for line in card.splitlines() if line.startswith("> ")]


def test_nothing_apart_has_no_box(about: About) -> None:
    assert boxes(text(about)) == []
    assert boxes(text(replace(about, record=record(dataset="lfw")))) == []


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"same_people": True}, "holds people whom the method was fitted on"),
        ({"fitted_on_drawn": True}, "learned from drawn faces alone; these are photos"),
        ({"record": record(dataset="synthetic")}, "Measured on drawn faces; these are others"),
    ],
)
def test_what_was_measured_is_something_else(about: About, told: dict[str, Any], says: str) -> None:
    (box,) = boxes(text(replace(about, **told)))
    assert says in box


def test_drawn_faces_may_be_measured_on_drawn_faces(about: About) -> None:
    assert boxes(text(replace(about, drawn=True, record=record(dataset="synthetic")))) == []


def test_gallery_worse_conditions_and_judge_stand_below_the_numbers(about: About) -> None:
    made = record(leak=0.1)
    fused = Measure(name="leak@1 fused", side="privacy", better="lower", unit="share", says="all faces together")
    (headline,) = [s for s in made.scores if (s.measure.name, s.on) == ("leak@1", "ignorant")]
    scores = (
        *(s.model_copy(update={"detail": {"gallery": 3614.0}}) if s is headline else s for s in made.scores),
        Score(measure=fused, on="ignorant", value=0.25, n=40),
    )
    made = made.model_copy(update={"scores": scores, "judge": {"kind": "file", "clear": {"lfw": 0.996}}})
    card = text(replace(about, record=made))
    assert "Searched among 3,614 originals" in card
    assert "by people, all private faces of one taken together: 25.00 % (ignorant)" in card
    assert "verifies 99.6 % of lfw" in card
