"""The picture of a first run: where each method stands, above the same faces as each of them releases them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..board.leaderboard import Group
from .drawing import blank, save
from .plane import name_points, points_of

WIDTH, PLANE, FACE = 7.0, 4.4, 0.78
"""Inches: of the picture, of the plane's height, and of a row of faces."""


def story(group: Group, faces: Mapping[str, NDArray[np.uint8]], out: Path) -> Path:
    """Draw the plane above a strip of drawn faces.

    Args:
        group: the rows.
        faces: drawn ones, uint8 [B, H, W, 3], by what they are called: a row of the strip each, the same people in one
            column.
        out: a PNG.

    Returns:
        `out`.

    Raises:
        OSError: the file cannot be written.
    """
    figure = blank(WIDTH, PLANE + FACE * len(faces))
    panels = figure.add_gridspec(2, 1, height_ratios=[PLANE, max(FACE, FACE * len(faces))])
    plane = figure.add_subplot(panels[0])
    points = points_of(plane, group)
    strip = figure.add_subplot(panels[1])
    strip.set_axis_off()
    if faces:
        rows = [np.concatenate(list(row), axis=1) for row in faces.values()]
        side = rows[0].shape[0]
        strip.imshow(np.concatenate(rows))
        for number, name in enumerate(faces):
            strip.text(
                -side / 8, side * (number + 0.5), name, ha="right", va="center", fontsize="small", parse_math=False
            )
    name_points(figure, [(plane, points)])
    return save(figure, out, of="drawn faces")
