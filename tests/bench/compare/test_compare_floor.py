"""`bench compare` says which methods are not shown to be worth more than noise."""

from __future__ import annotations

from pathlib import Path

from facebench.bench.compare import output
from facebench.bench.compare.compare import compare
from facebench.reports.board.leaderboard import board
from facebench.reports.pictures.drawing import blank
from facebench.reports.pictures.plane import points_of
from made_up import record


def notes(tmp_path: Path, **accuracy: float) -> list[str]:
    (table,) = compare([record(name, accuracy=value) for name, value in accuracy.items()], tmp_path)
    return [note for note in table.notes if "no utility shown" in note]


def test_a_row_whose_interval_holds_noise_is_told_with_its_lead(tmp_path: Path) -> None:
    (note,) = notes(tmp_path, masking=0.61, facemae=0.8, noise=0.6)
    assert note.startswith("masking: no utility shown: +1.0 points over `noise` in mean accuracy [-")
    (note,) = notes(tmp_path, masking=0.5, facemae=0.8, noise=0.6)
    assert note.startswith("masking: no utility shown: -10.0 points")


def test_above_noise_and_without_noise_nothing_is_said(tmp_path: Path) -> None:
    assert notes(tmp_path, masking=0.7, facemae=0.8, noise=0.6) == []
    assert notes(tmp_path, masking=0.5, facemae=0.8) == []


def test_it_stands_in_every_format(tmp_path: Path) -> None:
    found = compare([record("masking", accuracy=0.61), record("noise", accuracy=0.6)], tmp_path)
    for shown in (output.table, output.markdown, output.json):
        assert "no utility shown" in shown(found)


def test_the_plane_has_a_line_where_noise_is() -> None:
    (group,) = board([record("masking", accuracy=0.7), record("noise", accuracy=0.6)])
    axes = blank(6.4, 4.8).add_subplot()
    points_of(axes, group)
    dashed = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    assert dashed == [60.0]
    (group,) = board([record("masking", accuracy=0.7)])
    axes = blank(6.4, 4.8).add_subplot()
    points_of(axes, group)
    assert not [line for line in axes.lines if line.get_linestyle() == "--"]
