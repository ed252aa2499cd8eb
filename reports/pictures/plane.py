"""The privacy-utility plane of a board as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..board.floor import FLOOR, newest
from ..board.leaderboard import BOUNDS, Board, Group, Row
from ..board.plane import Place, chances, leakage, utility
from .drawing import COLOURS, blank, save, spell, spelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TICKS = (0, 0.5, 1, 3, 10, 30, 100)
"""Of leakage, in %."""
NARROW = 5.0
"""Inches below which panels stand one below the other, with short words at the axes."""
WIDTHS = {"column": 3.4, "page": 7.0, "screen": None}
"""In inches: of one column of a paper of two, of both, and what a screen has room for."""


def plane(board: Board, out: Path, *, width: float | None = None) -> Path:
    """Draw the privacy-utility plane: utility to the right, worst leakage downwards, so the best is at the top right.

    Leakage has a logarithmic scale above 1 %: there the methods differ. Dotted lines are chance, the dashed one is what
    noise is worth.

    Args:
        board: one panel a group; rows that lack one of the two numbers, or whose faces have no
            source, are not drawn, and are counted in the title.
        out: the file, in the format that its name ends in (`drawing.ENDINGS`).
        width: of the whole picture in inches; by default as a screen has room for.

    Returns:
        `out`.

    Raises:
        OSError: the file cannot be written.
        ValueError: its name has another ending.
    """
    return save(draw_plane(board, width=width), out)


def draw_plane(board: Board, *, width: float | None = None) -> Figure:
    """The picture that `plane` writes."""
    narrow = width is not None and width < NARROW
    figure = blank(width or max(6.4, 5.4 * len(board)), 0.8 * width + 0.4 if width and narrow else 4.8)
    if not board:
        figure.text(0.5, 0.5, "no records", ha="center")
    columns = 1 if narrow else max(1, len(board))
    if narrow:  # one panel below the other
        figure.set_size_inches(figure.get_figwidth(), figure.get_figheight() * max(1, len(board)))
    panels = []
    for n, group in enumerate(board):
        axes = figure.add_subplot(-(-len(board) // columns), columns, n + 1)
        panels.append((axes, points_of(axes, group)))
        if narrow:
            axes.set_ylabel("worst leakage, % (less is up)", fontsize="small")
            axes.set_xlabel("utility, %", fontsize="small")
            axes.tick_params(labelsize="small")
            axes.set_title(axes.get_title(), fontsize="x-small", parse_math=False)
    name_points(figure, panels)
    return figure


def name_points(figure: Figure, panels: Sequence[tuple[Axes, Sequence[tuple[float, float, str]]]]) -> None:
    """Write the names of points beside them, when all else is drawn.

    Args:
        figure: with its panels.
        panels: axes with what `points_of` gave of them.
    """
    spell(figure)
    figure.canvas.draw()  # places of labels are known only when the layout is
    figure.set_layout_engine("none")
    for axes, points in panels:
        _name(axes, points)


def points_of(axes: Axes, group: Group) -> list[tuple[float, float, str]]:
    """Draw rows of a group as points; gives where their names belong."""
    points = []
    front: list[tuple[float, float]] = []
    kinds: dict[str, Any] = {}
    axes.set_yscale("symlog", linthresh=1, linscale=0.5)
    for row in group.rows:
        place = _place(row, group)
        if place is None:
            continue
        x, y = (100 * side.value for side in place)
        kind = "bound" if row.method in BOUNDS else "on the front" if row.front else "not on the front"
        if row.reasons:
            kind += ", unreliable"
        drawn = axes.errorbar(
            x,
            y,
            xerr=_reach(place[0]),
            yerr=_reach(place[1]),
            fmt="s" if row.method in BOUNDS else "o",
            color="0.5" if row.method in BOUNDS else COLOURS[0] if row.front else COLOURS[1],
            markersize=6,
            fillstyle="none" if row.reasons else "full",
            elinewidth=1,
            capsize=2,
        )
        kinds.setdefault(kind, drawn)
        points.append((x, y, spelled(row.label)))
        if row.front:
            front.append((x, y))
    front.sort()
    axes.plot([x for x, _ in front], [y for _, y in front], color=COLOURS[0], linewidth=1, alpha=0.5, zorder=0)
    _chance(axes, group)
    missing = len(group.rows) - len(points)
    absent = f" ({missing} {'row' if missing == 1 else 'rows'} not drawn)" if missing else ""
    axes.set_title(f"{group.dataset}, {group.recipe}{absent}", fontsize="medium", parse_math=False)
    axes.set(xlabel="utility: mean over verification sets, %", ylabel="leakage to the worst attacker, % (less is up)")
    axes.margins(0.15)
    axes.set_ylim(140, -0.35)
    axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.set_yticks([], minor=True)
    axes.grid(alpha=0.3)
    if kinds:
        axes.legend(list(kinds.values()), list(kinds), fontsize="x-small", loc="lower left", framealpha=0.9)
    return points


def _reach(place: Place) -> list[list[float]] | None:
    """How far the bar of a number reaches down and up, in %."""
    return [[100 * (place.value - place.bar[0])], [100 * (place.bar[1] - place.value)]] if place.bar else None


def _chance(axes: Axes, group: Group) -> None:
    """What guessing gives, on both sides, and what noise is worth, as thin lines."""
    style: dict[str, Any] = {"color": "0.6", "linestyle": ":", "linewidth": 1, "zorder": 0}
    for value in chances(group, None, "utility"):
        axes.axvline(100 * value, **style)
    floor = newest(group.rows, FLOOR)
    if floor is not None and floor.utility is not None:
        axes.axvline(100 * floor.utility, **{**style, "linestyle": "--"})
    for value in chances(group, None, "privacy"):
        axes.axhline(100 * value, **style)


def _place(row: Row, group: Group) -> tuple[Place, Place] | None:
    found = utility(row, group), leakage(row)
    return (found[0], found[1]) if found[0] and found[1] else None


def _name(axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Write names beside their points, each at the first free place: near ones first, then ever farther ones."""
    from matplotlib.transforms import Bbox

    canvas: Any = axes.figure.canvas
    renderer = canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    dots = [axes.transData.transform((x, y)) for x, y, _ in points]
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in dots]
    legend = axes.get_legend()
    taken += [legend.get_window_extent(renderer)] if legend else []
    bars = [line.get_window_extent(renderer) for group in axes.containers for line in group[2]]
    for x, y, label in points:
        text = axes.annotate(
            label, (x, y), (8, 7), textcoords="offset points", fontsize="small", va="center", parse_math=False
        )
        near = [(side, up) for up in (7, -7, 0) for side in (8, -8)]
        far = [(side, up) for away in range(14, 200, 6) for up in (away, -away) for side in (8, -8)]
        for place in (*near, *far):
            if _free(text, place, [*taken, *(bars if place in near else ())], frame, renderer):
                if place in far:
                    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.6}
                    axes.annotate("", (x, y), place, textcoords="offset points", arrowprops=line)
                break
        taken.append(text.get_window_extent(renderer))


def _free(text: Any, place: tuple[int, int], taken: Sequence[Any], frame: Any, renderer: Any) -> bool:
    """Whether a name fits there; it is put there to find out."""
    text.set_position(place)
    text.set_horizontalalignment("left" if place[0] > 0 else "right")
    box = text.get_window_extent(renderer)
    inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
    return inside and not any(box.overlaps(other) for other in taken)
