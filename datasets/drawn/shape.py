"""The geometry of drawn faces: a head in three dimensions, turned, projected and aligned as face crops are.

Axes: x to the right of the picture, y down, z towards the camera; the origin lies between the eyes at the depth of the
ears; one unit is one pixel of the aligned crop. A head is a stack of rings (half an ellipse in front, another behind);
every feature is a contour on that surface. The projected five points (eyes, tip of the nose, corners of the mouth) are
brought onto the template of ArcFace by the least-squares similarity (Umeyama, PAMI 1991), so that all the faces are
aligned like real ones: a turned head loses its symmetry and its distances, not its place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .features import FLOATING, Contours, features
from .head import Head, heads
from .latents import Floats, People, Shots
from .outline import outlines

ARCFACE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
"""[5, 2], where aligned 112 x 112 crops have the eyes, the tip of the nose and the corners of the mouth (x, y)."""

SHIFT = 4
"""Fractional bits of the integer coordinates in `Sketches`, as OpenCV's drawing takes them."""

_CAMERA = 420.0  # distance, about 0.75 m at the size of a face


class Sketches(NamedTuple):
    """Faces ready to be painted."""

    points: NDArray[np.int32]
    """[B, M, 2], all contours in the crop, x and y with SHIFT fractional bits."""
    spans: dict[str, slice]
    """Where in M each contour is; `_r`, `_l`: right and left in the picture."""
    five: Floats
    """[B, 5, 2], the five points after alignment, in pixels."""
    scale: Floats
    """[B], pixels a unit of the head."""
    centre: Floats
    radii: Floats
    """[B, 2] each: the ellipse of the visible head, in pixels."""


def sketch(who: People, now: Shots) -> Sketches:
    """Build the heads, put the features on them, turn, project and align them."""
    head = heads(who, now)
    halves, middle = features(who, now)
    right = np.concatenate(list(halves.values()), axis=1)
    flat = np.concatenate((right, right * (-1, 1, 1), *middle.values()), axis=1)
    rings = head.at(flat[..., 1])
    surface = rings.front * np.sqrt(np.maximum(1 - (flat[..., 0] / rings.width) ** 2, 0.02))
    flat[..., 2] = np.where(flat[..., 2] == FLOATING, 0.9 * head.depth, surface + flat[..., 2])
    solid = outlines(who, now, head)
    parts: Contours = {f"{k}_r": v for k, v in halves.items()} | {f"{k}_l": v for k, v in halves.items()}
    return _project(np.concatenate((flat, *solid.values()), axis=1), parts | middle | solid, now, head)


def _project(flat: Floats, parts: Contours, now: Shots, head: Head) -> Sketches:
    """Turn by yaw and pitch, project with a camera nearby, align by the five points."""
    x, y, z = flat[..., 0], flat[..., 1], flat[..., 2]
    across, depth = x * head.cosine + z * head.sine, z * head.cosine - x * head.sine
    up, level = np.sin(now.pitch)[:, None], np.cos(now.pitch)[:, None]
    zoom = _CAMERA / (_CAMERA - (y * up + depth * level))
    plane = (across + 1j * (y * level - depth * up)) * zoom

    sizes = [part.shape[1] for part in parts.values()]
    ends = np.cumsum(sizes).tolist()
    spans = {name: slice(end - size, end) for name, end, size in zip(parts, ends, sizes, strict=True)}
    goal = ARCFACE[:, 0] + 1j * ARCFACE[:, 1]
    five = plane[:, spans["five"]]
    middle = five.mean(axis=1, keepdims=True)
    five = five - middle
    turn = (five.conj() @ (goal - goal.mean()) / (abs(five) ** 2).sum(axis=1))[:, None]
    turn *= np.exp(now.align[:, :1] + 1j * now.align[:, 1:2])
    plane = turn * (plane - middle) + (goal.mean() + now.align[:, 2:3] + 1j * now.align[:, 3:4])

    pixels = plane.view(np.float64).reshape(*plane.shape, 2)
    box = pixels[:, spans["head"]]
    low, high = box.min(axis=1), box.max(axis=1)
    return Sketches(
        points=np.rint(pixels * (1 << SHIFT)).astype(np.int32),
        spans=spans,
        five=pixels[:, spans["five"]],
        scale=abs(turn[:, 0]),
        centre=(low + high) / 2,
        radii=(high - low) / 2,
    )
