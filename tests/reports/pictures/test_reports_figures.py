"""Pictures: one a curve name, one for the losses, one for the board; names on the plane can be read."""

from __future__ import annotations

import json
import math
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from facebench.reports.board.leaderboard import board
from facebench.reports.board.plane import bar
from facebench.reports.pictures import figures
from facebench.reports.pictures import plane as planes
from facebench.reports.pictures.drawing import blank
from facebench.reports.pictures.figures import draw
from facebench.reports.pictures.plane import WIDTHS, draw_plane, plane
from facebench.reports.result.record import Curve
from made_up import record


def curve(name: str, on: str, x: tuple[float, ...], y: tuple[float, ...]) -> Curve:
    return Curve(name=name, on=on, x_label="x", y_label="y", x=x, y=y)


def picture(path: Path) -> np.ndarray:
    assert path.read_bytes().startswith(b"\x89PNG")
    image = cv2.imread(str(path))
    assert image is not None
    height, width = image.shape[:2]
    assert 500 <= width <= 3000 and 400 <= height <= 2000
    assert image.std() > 5, "nothing is drawn"
    return image


def write_log(path: Path, steps: int) -> Path:
    path.write_text("".join(json.dumps({"step": n, "loss": 3 * math.exp(-n / 50)}) + "\n" for n in range(steps)))
    return path


def test_curves_of_one_name_share_a_picture_and_losses_have_their_own(tmp_path: Path) -> None:
    ramp = tuple(10.0**-n for n in range(5, -1, -1))
    curves = (
        curve("roc", "lfw", ramp, (0.1, 0.3, 0.5, 0.8, 0.9, 1.0)),
        curve("roc", "agedb", ramp, (0.0, 0.1, 0.3, 0.5, 0.9, 1.0)),
        curve("cmc", "ignorant", (1, 2, 5, 10), (0.2, 0.3, 0.4, 0.6)),
        curve("leak@1 by gallery", "ignorant", (10, 100, 1000), (0.9, 0.5, 0.3)),
        curve("empty", "ignorant", (), ()),
    )
    logs = {"train": write_log(tmp_path / "a.jsonl", 5000), "fit": write_log(tmp_path / "b.jsonl", 3)}
    made = draw(record(curves=curves), tmp_path / "out", logs)
    assert [path.name for path in made] == ["roc.png", "cmc.png", "leak_at_1_by_gallery.png", "losses.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in made)
    for path in made:
        picture(path)


def test_one_more_line_changes_the_picture(tmp_path: Path) -> None:
    one = curve("roc", "lfw", (0.0, 0.5, 1.0), (0.0, 0.8, 1.0))
    two = curve("roc", "agedb", (0.0, 0.5, 1.0), (0.0, 0.6, 1.0))
    (first,) = draw(record(curves=(one,)), tmp_path / "1", {})
    (again,) = draw(record(curves=(one,)), tmp_path / "2", {})
    (both,) = draw(record(curves=(one, two)), tmp_path / "3", {})
    assert first.read_bytes() == again.read_bytes() != both.read_bytes()


def test_wide_axes_are_logarithmic_and_narrow_ones_are_not() -> None:
    wide = figures._curves([curve("roc", "lfw", (0.0, 1e-4, 1.0), (0.0, 0.5, 1.0))], "t")
    narrow = figures._curves([curve("cmc", "t0", (1, 5, 10), (0.1, 0.5, 1.0))], "t")
    assert (wide.axes[0].get_xscale(), narrow.axes[0].get_xscale()) == ("log", "linear")


def test_half_a_log_line_and_infinite_losses_are_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        '{"step": 1, "loss": 2.0}\n{"step": 2, "loss": Infinity}\n[1]\n{"step": 3, "loss": 1.0}\n{"step": 4, "lo'
    )
    (losses,) = figures._losses({"train": log})
    assert (losses.x, losses.y) == ((1.0, 3.0), (2.0, 1.0))


def test_a_run_without_curves_has_no_pictures(tmp_path: Path) -> None:
    assert draw(record(curves=()), tmp_path / "out", {}) == []


def test_names_on_the_plane_do_not_overlap_even_for_close_rows(tmp_path: Path) -> None:
    rows = [record(f"method_{n}", accuracy=0.8 + 0.001 * n, leak=0.2) for n in range(12)]
    rows += [record("original", accuracy=0.95, leak=1.0), record("noise", accuracy=0.5, leak=0.01)]
    picture(plane(board(rows), tmp_path / "plane.png"))
    figure = blank(6.4, 4.8)
    axes = figure.add_subplot()
    points = planes.points_of(axes, board(rows)[0])
    figure.canvas.draw()
    figure.set_layout_engine("none")
    planes._name(axes, points)
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
    assert len(boxes) == 14
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def test_a_plane_has_a_panel_a_group_and_survives_rows_without_numbers(tmp_path: Path) -> None:
    rows = [record("a"), record("b", leak=None), record("c", accuracy=None), record("a", dataset="celeba")]
    wide = picture(plane(board(rows), tmp_path / "plane.png"))
    assert wide.shape[1] > 1.5 * picture(plane(board(rows[:1]), tmp_path / "one.png")).shape[1]
    picture(plane(board([]), tmp_path / "none.png"))


def test_bars_on_the_plane_are_those_of_the_numbers() -> None:
    """Of one set its own interval; of several sets, errors are added as independent ones; dotted lines are chance."""
    axes = blank(6.4, 4.8).add_subplot()
    (group,) = board([record(accuracy=0.8, leak=0.1)])
    planes.points_of(axes, group)
    (row,) = group.rows
    cell, worst = row.cells["lfw", "accuracy"], row.worst
    assert worst is not None
    (across, down) = (line.get_segments()[0] for line in axes.containers[0][2])
    assert np.allclose(across[:, 0], [100 * cell.interval.low, 100 * cell.interval.high])
    assert np.allclose(down[:, 1], [100 * worst.interval.low, 100 * worst.interval.high])
    assert bar([cell] * 4, 0.8)[1] == pytest.approx(0.8 + (cell.interval.high - cell.mean) / 2)
    dotted = [line.get_xydata().tolist() for line in axes.lines if line.get_linestyle() == ":"]
    assert [[50.0, 0.0], [50.0, 1.0]] in dotted
    assert [[0.0, 1.0], [1.0, 1.0]] in dotted


def test_a_name_with_dollars_is_no_formula(tmp_path: Path) -> None:
    odd = record("m", dataset=r"$\frac$ 10$ {", curves=(curve("roc", r"$\frac$", (0.0, 1.0), (0.0, 1.0)),))
    log = {r"$\frac$": write_log(tmp_path / "log.jsonl", 3)}
    for path in [plane(board([odd]), tmp_path / "plane.png"), *draw(odd, tmp_path / "out", log)]:
        picture(path)


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("pdf", b"%PDF-"), ("svg", b"<?xml")])
def test_a_picture_is_what_its_name_says_and_equal_boards_give_equal_bytes(
    tmp_path: Path, ending: str, begins: bytes
) -> None:
    made = [plane(board([record()]), tmp_path / f"{n}.{ending}").read_bytes() for n in range(2)]
    assert made[0].startswith(begins)
    assert made[0] == made[1]
    assert not list(tmp_path.glob("*.part"))


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ends in \.png, \.pdf, \.svg"):
        plane(board([record()]), tmp_path / "plane.gif")
    assert not list(tmp_path.iterdir())


def test_a_column_of_a_paper_has_its_width_and_panels_below_each_other() -> None:
    two = board([record("a"), record("a", dataset="celeba")])
    narrow, wide = draw_plane(two, width=WIDTHS["column"]), draw_plane(two, width=WIDTHS["page"])
    assert (narrow.get_figwidth(), wide.get_figwidth()) == (3.4, 7.0)
    places = [[axes.get_position() for axes in figure.axes] for figure in (narrow, wide)]
    assert places[0][0].x0 == pytest.approx(places[0][1].x0)
    assert places[1][0].y0 == pytest.approx(places[1][1].y0)
