"""Pictures of a run, as PNG: curves of one name share a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..result.record import Curve, RunRecord
from ..result.training_log import MOST_POINTS, log_lines, word
from .drawing import COLOURS, blank, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DECADES = 20
"""A positive axis whose ends differ by more than this factor is drawn with a logarithmic scale."""
STYLES = ("-", "--", "-.", ":")


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
        save(_curves(curves, f"{name}: {title}"), out / f"{word(name).lower()}.png") for name, curves in named.items()
    ]
    losses = _losses(logs)
    if losses:
        made.append(save(_panels(losses, f"Training losses: {title}"), out / "losses.png"))
    return made


def _curves(curves: Sequence[Curve], title: str) -> Figure:
    figure = blank(6.4, 4.2 + 0.12 * max(0, len(curves) - 6))
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
    figure = blank(max(5.0, 3.6 * len(curves)), 3.6)
    for n, curve in enumerate(curves):
        axes = figure.add_subplot(1, len(curves), n + 1)
        axes.plot(curve.x, curve.y, color=COLOURS[0], linewidth=1)
        axes.set(xlabel=curve.x_label, ylabel=curve.y_label)
        axes.set_title(curve.on, fontsize="medium", parse_math=False)
        axes.grid(alpha=0.3)
    figure.suptitle(title, fontsize="medium", parse_math=False)
    return figure
