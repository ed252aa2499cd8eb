"""The heads of drawn faces: stacks of rings, half an ellipse in front, another behind. Axes: see `synthetic_shape`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .features import aged
from .latents import Floats, People, Shots

TOP = -67.0
"""Where the head ends above the eyes."""

_FINE = 128  # a head's profile is a table of so many steps from the top to the chin
_GRID = np.linspace(0, 1, _FINE + 1)
_T = np.array([0, 0.02, 0.05, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.68, 0.76, 0.83, 0.89, 0.94, 0.98, 1])


def _table(*values: float) -> Floats:
    return np.interp(_GRID, _T, values)


def _bump(at: float, wide: float) -> Floats:
    return np.asarray(np.exp(-(((_GRID - at) / wide) ** 2)))


_WIDTH = np.stack(
    (
        _table(0.1, 0.28, 0.45, 0.68, 0.83, 0.94, 0.985, 1, 0.985, 0.95, 0.885, 0.8, 0.68, 0.53, 0.33, 0.12),
        0.075 * _bump(0.83, 0.12),  # jaw
        0.09 * _bump(0.96, 0.06),  # chin
        0.05 * _bump(0.36, 0.14),  # temples
        0.035 * _bump(0.62, 0.08),  # cheekbones
    )
)
_FRONT = _table(0.1, 0.28, 0.45, 0.68, 0.84, 0.95, 0.99, 0.96, 1, 1.02, 1.04, 1.05, 1.04, 1.03, 0.95, 0.78)
_BACK = 48 * _table(0.1, 0.3, 0.5, 0.8, 1.0, 1.12, 1.18, 1.15, 1.0, 0.75, 0.4, 0.2, 0.15, 0.12, 0.1, 0.1)


class Rings(NamedTuple):
    """Half-widths and depths of heads at some heights, [B, K] each."""

    y: Floats
    width: Floats
    front: Floats
    back: Floats


class Head(NamedTuple):
    """Heads and how they are turned; [B, 1] unless told."""

    chin: Floats
    widths: Floats
    """[B, 129], half-width from the top to the chin."""
    depth: Floats
    sine: Floats
    cosine: Floats

    def at(self, y: Floats) -> Rings:
        """The rings at heights [B, K]."""
        place = np.clip((y - TOP) / (self.chin - TOP), 0, 1) * _FINE
        low = np.minimum(place.astype(np.int64), _FINE - 1)
        share = place - low
        width = np.take_along_axis(self.widths, low, 1)
        width += share * (np.take_along_axis(self.widths, low + 1, 1) - width)
        front = self.depth * (_FRONT[low] + share * (_FRONT[low + 1] - _FRONT[low]))
        return Rings(y, width, front, _BACK[low] + share * (_BACK[low + 1] - _BACK[low]))

    def limits(self, rings: Rings) -> tuple[Floats, Floats]:
        """[B, K] twice: the angles around the rings at which the turned head has its left and its right outline."""
        near = np.arctan2(rings.width * self.cosine, rings.front * abs(self.sine))
        far = np.pi - np.arctan2(rings.width * self.cosine, rings.back * abs(self.sine))
        return np.where(self.sine >= 0, -far, -near), np.where(self.sine >= 0, near, far)


def around(angle: Floats, rings: Rings) -> Floats:
    """[B, K, 3], points at these angles around the rings; 0 is the front, positive is right."""
    cosine = np.cos(angle)
    depth = np.where(cosine > 0, rings.front, rings.back) * cosine
    return np.stack(np.broadcast_arrays(rings.width * np.sin(angle), rings.y, depth), axis=2)


def heads(who: People, now: Shots) -> Head:
    """Heads of these proportions; age widens the jaw, an open mouth lowers the chin."""
    p, male, old = who.shape, who.masculine - 0.5, aged(now.age)
    jaw, chin = p[:, 1] + 1.2 * male + 0.7 * old, p[:, 2] + 1.2 * male + 0.4 * old
    mix = np.stack((np.ones_like(old), jaw, chin, p[:, 5], p[:, 26]), axis=1)
    return Head(
        chin=(58 + 3.4 * p[:, 3] + 3 * male + 5 * now.open)[:, None],
        widths=(40.5 + 2.2 * p[:, 0] + 1.5 * male)[:, None] * (mix @ _WIDTH),
        depth=(51 + 1.5 * p[:, 6])[:, None],
        sine=np.sin(now.yaw)[:, None],
        cosine=np.cos(now.yaw)[:, None],
    )
