"""Pictures of a run and of a board, as PNG: curves of one name share a figure, methods share a plane.

Drawn with matplotlib's objects, not `pyplot`: no window, no global state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..board.leaderboard import BOUNDS, Board, Group, Row
from ..board.plane import Place, chances, leakage, utility
from ..result.record import Curve, RunRecord
from ..result.training_log import MOST_POINTS, log_lines, word
from .aside import matplotlib_aside
from .shows import mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
DECADES = 20
"""A positive axis whose ends differ by more than this factor is drawn with a logarithmic scale."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Okabe and Ito's: told apart also by the colour-blind."""
STYLES = ("-", "--", "-.", ":")
TICKS = (0, 0.5, 1, 3, 10, 30, 100)
"""Of leakage, in %."""


def draw(record: RunRecord, out: Path, logs: Mapping[str, Path]) -> list[Path]:
    """Draw all curves of a record, and the training losses.

    Args:
        record: its curves are grouped by name: one figure a name, one line a set or attack.
        out: folder for the pictures, made where there is none; `CURVE.png` and `losses.png`.
        logs: training logs by stage, JSON lines with `step` and `loss`.

    Returns:
        The pictures, in the order of the record, losses last.

    Raises:
        OSError: the folder cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    named: dict[str, list[Curve]] = {}
    for curve in record.curves:
        if curve.x:
            named.setdefault(curve.name, []).append(curve)
    title = f"{record.method} on {record.dataset}, {record.recipe}, seed {record.seed}"
    made = [
        _save(_curves(curves, f"{name}: {title}"), out / f"{word(name).lower()}.png") for name, curves in named.items()
    ]
    losses = _losses(logs)
    if losses:
        made.append(_save(_panels(losses, f"Training losses: {title}"), out / "losses.png"))
    return made


def _curves(curves: Sequence[Curve], title: str) -> Figure:
    figure = _figure(6.4, 4.2 + 0.12 * max(0, len(curves) - 6))
    axes = figure.add_subplot()
    _lines(axes, curves)
    if len(curves) > 1 or curves[0].on:
        for text in axes.legend(fontsize="small", frameon=False).get_texts():
            text.set_parse_math(False)
    figure.suptitle(title, fontsize="medium", parse_math=False)
    return figure


def _lines(axes: Axes, curves: Sequence[Curve]) -> None:
    for n, curve in enumerate(curves):
        axes.plot(
            curve.x,
            curve.y,
            label=curve.on,
            color=COLOURS[n % len(COLOURS)],
            linestyle=STYLES[n // len(COLOURS) % len(STYLES)],
            marker="o" if len(curve.x) <= 30 else None,
            markersize=3,
        )
    axes.set_xlabel(curves[0].x_label, parse_math=False)
    axes.set_ylabel(curves[0].y_label, parse_math=False)
    positive = [x for curve in curves for x in curve.x if x > 0]
    if positive and max(positive) > DECADES * min(positive) and not any(x < 0 for curve in curves for x in curve.x):
        axes.set_xscale("log")  # a point at 0 stays off the picture
    values = [y for curve in curves for y in curve.y]
    if min(values) >= 0 and max(values) <= 1:
        axes.set_ylim(-0.02, 1.02)
    axes.grid(alpha=0.3)


def _losses(logs: Mapping[str, Path]) -> list[Curve]:
    found = []
    for stage, path in logs.items():
        lines = [line for line in log_lines(path) if "loss" in line]
        lines = lines[:: max(1, len(lines) // MOST_POINTS)]
        if lines:
            x, y = zip(*((line["step"], line["loss"]) for line in lines), strict=True)
            found.append(Curve(name="loss", on=stage, x_label="step", y_label="loss", x=x, y=y))
    return found


def _panels(curves: Sequence[Curve], title: str) -> Figure:
    """One panel a curve: losses of different stages have different units."""
    figure = _figure(max(5.0, 3.6 * len(curves)), 3.6)
    for n, curve in enumerate(curves):
        axes = figure.add_subplot(1, len(curves), n + 1)
        axes.plot(curve.x, curve.y, color=COLOURS[0], linewidth=1)
        axes.set(xlabel=curve.x_label, ylabel=curve.y_label)
        axes.set_title(curve.on, fontsize="medium", parse_math=False)
        axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize="medium", parse_math=False)
    return figure


def plane(board: Board, out: Path) -> Path:
    """Draw the privacy-utility plane: utility to the right, worst leakage downwards, so the best is at the top right.

    Leakage has a logarithmic scale above 1 %: there the methods differ. Dotted lines are chance.

    Args:
        board: one panel a group; rows that lack one of the two numbers, or whose faces have no
            source, are not drawn, and are counted in the title.
        out: the PNG file.

    Returns:
        `out`.

    Raises:
        OSError: the file cannot be written.
    """
    figure = _figure(max(6.4, 5.4 * len(board)), 4.8)
    if not board:
        figure.text(0.5, 0.5, "no records", ha="center")
    panels = []
    for n, group in enumerate(board):
        axes = figure.add_subplot(1, len(board), n + 1)
        panels.append((axes, _points(axes, group)))
    figure.canvas.draw()  # places of labels are known only when the layout is
    figure.set_layout_engine("none")
    for axes, points in panels:
        _name(axes, points)
    return _save(figure, out)


def _points(axes: Axes, group: Group) -> list[tuple[float, float, str]]:
    """Rows of a group as points, and where their names belong."""
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
        points.append((x, y, row.label))
        if row.front:
            front.append((x, y))
    front.sort()
    axes.plot([x for x, _ in front], [y for _, y in front], color=COLOURS[0], linewidth=1, alpha=0.5, zorder=0)
    _chance(axes, group)
    missing = len(group.rows) - len(points)
    axes.set_title(
        f"{group.dataset}, {group.recipe}" + (f" ({missing} rows not drawn)" if missing else ""),
        fontsize="medium",
        parse_math=False,
    )
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
    """What guessing gives, on both sides, as thin lines."""
    style: dict[str, Any] = {"color": "0.6", "linestyle": ":", "linewidth": 1, "zorder": 0}
    for value in chances(group, None, "utility"):
        axes.axvline(100 * value, **style)
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


def _figure(width: float, height: float) -> Figure:
    with matplotlib_aside():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> Path:
    """Write a picture whole or not at all."""
    partial = path.with_name(path.name + ".part")
    try:
        figure.savefig(partial, format="png", metadata={"Software": None})
        mark(partial, "numbers")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
