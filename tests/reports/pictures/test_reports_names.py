"""Names in scripts that the font does not have: numbers instead of boxes, and no warning."""

from __future__ import annotations

import warnings
from pathlib import Path

from facebench.reports.board import leaderboard
from facebench.reports.pictures.drawing import spelled
from facebench.reports.pictures.figures import draw
from facebench.reports.pictures.plane import plane
from facebench.reports.result.record import Curve
from made_up import record


def test_characters_without_a_picture_are_spelled_as_numbers() -> None:
    assert spelled("faces \u4eba\u8138") == "faces \\u4eba\\u8138"
    assert spelled("\U0001faf6") == "\\U0001faf6"
    assert spelled("Gesichter, äöü, лица, ≥") == "Gesichter, äöü, лица, ≥"


def test_pictures_of_chinese_names_are_drawn_without_a_warning(tmp_path: Path) -> None:
    of = record("m").model_copy(update={"dataset": "\u4eba\u8138", "method": "\u906e\u76d6", "recipe": "\u5feb"})
    curve = Curve(name="roc", on="\u6d4b\u8bd5", x_label="x", y_label="y", x=(0.0, 1.0), y=(0.0, 1.0))
    of = of.model_copy(update={"curves": (curve,)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = draw(of, tmp_path, {})
        plane(leaderboard.board([of]), tmp_path / "plane.png")
    assert made
