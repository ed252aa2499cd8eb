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

from .synthetic_features import FLOATING, aged, features
from .synthetic_people import Floats, Person, Shot

ARCFACE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
"""[5, 2], where aligned 112 x 112 crops have the eyes, the tip of the nose and the corners of the mouth (x, y)."""

SHIFT = 4
"""Fractional bits of the integer coordinates in `Sketch`, as OpenCV's drawing takes them."""

_TEMPLATE = ARCFACE[:, 0] + 1j * ARCFACE[:, 1]
_CAMERA = 420.0  # distance, about 0.75 m at the size of a face
_T = np.array([0, 0.02, 0.05, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.68, 0.76, 0.83, 0.89, 0.94, 0.98, 1])


def _bump(at: float, wide: float) -> Floats:
    return np.asarray(np.exp(-(((_T - at) / wide) ** 2)))


_WIDTH = np.stack(
    (
        np.array([0.1, 0.28, 0.45, 0.68, 0.83, 0.94, 0.985, 1, 0.985, 0.95, 0.885, 0.8, 0.68, 0.53, 0.33, 0.12]),
        0.075 * _bump(0.83, 0.12),
        0.09 * _bump(0.96, 0.06),
        0.05 * _bump(0.36, 0.14),
        0.035 * _bump(0.62, 0.08),
    )
)
_FRONT = np.array([0.1, 0.28, 0.45, 0.68, 0.84, 0.95, 0.99, 0.96, 1, 1.02, 1.04, 1.05, 1.04, 1.03, 0.95, 0.78])
_BACK = np.array([0.1, 0.3, 0.5, 0.8, 1.0, 1.12, 1.18, 1.15, 1.0, 0.75, 0.4, 0.2, 0.15, 0.12, 0.1, 0.1])
_HAIR_OUT = np.linspace(0, 1, 14) ** 1.3
_HAIR_IN = np.linspace(0, 1, 11) ** 1.8
_EAR = np.exp(2j * np.pi * np.arange(10) / 10)
_VOLUME = (2.0, 5.0, 5.0, 7.0, 6.0, 3.5)
_ENDS = (5.0, 8.0, 14.0, 60.0, 130.0, 4.0)


class Sketch(NamedTuple):
    """A face ready to be painted."""

    parts: dict[str, NDArray[np.int32]]
    """Contours [K, 2] in the crop, x and y with SHIFT fractional bits; `_r`, `_l`: right and left in the picture."""
    five: Floats
    """[5, 2], the five points after alignment, in pixels."""
    scale: float
    """Pixels a unit of the head."""
    centre: tuple[float, float]
    radii: tuple[float, float]
    """The ellipse of the visible head, in pixels."""


class _Head(NamedTuple):
    """The rings of a head and how it is turned."""

    y: Floats
    width: Floats
    front: Floats
    back: Floats
    sine: float
    cosine: float

    def limits(self, width: Floats, front: Floats, back: Floats) -> tuple[Floats, Floats]:
        """The angles around the rings at which the turned head has its left and its right outline."""
        near = np.arctan2(width * self.cosine, front * abs(self.sine))
        far = np.pi - np.arctan2(width * self.cosine, back * abs(self.sine))
        return (-far, near) if self.sine >= 0 else (-near, far)

    def at(self, y: Floats) -> tuple[Floats, Floats, Floats]:
        return np.interp(y, self.y, self.width), np.interp(y, self.y, self.front), np.interp(y, self.y, self.back)


def _around(angle: Floats, y: Floats, width: Floats, front: Floats, back: Floats) -> Floats:
    """[K, 3], points at these angles around the rings; 0 is the front, positive is right."""
    cosine = np.cos(angle)
    return np.stack((width * np.sin(angle), y, np.where(cosine > 0, front, back) * cosine), axis=1)


def sketch(who: Person, now: Shot) -> Sketch:
    """Build the head, put the features on it, turn, project and align it."""
    p, m, old = who.shape, who.masculine - 0.5, aged(now.age)
    top, chin = -67.0, 58 + 3.4 * p[3] + 3 * m + 5 * now.open
    mix = np.array([1.0, p[1] + 1.2 * m + 0.7 * old, p[2] + 1.2 * m + 0.4 * old, p[5], p[26]])
    head = _Head(
        y=top + _T * (chin - top),
        width=(40.5 + 2.2 * p[0] + 1.5 * m) * (mix @ _WIDTH),
        front=(51 + 1.5 * p[6]) * _FRONT,
        back=48 * _BACK,
        sine=float(np.sin(now.yaw)),
        cosine=float(np.cos(now.yaw)),
    )
    halves, middle = features(who, now)
    right = np.concatenate(list(halves.values()))
    flat = np.concatenate((right, right * (-1, 1, 1), *middle.values()))
    width, front, _ = head.at(flat[:, 1])
    curve = front * np.sqrt(np.maximum(1 - (flat[:, 0] / width) ** 2, 0.02))
    flat[:, 2] = np.where(flat[:, 2] == FLOATING, 0.9 * head.front[8], curve + flat[:, 2])

    solid = _outlines(who, now, head)
    names = [f"{k}_r" for k in halves] + [f"{k}_l" for k in halves] + list(middle) + list(solid)
    sizes = [len(v) for v in (*halves.values(), *halves.values(), *middle.values(), *solid.values())]
    return _project(np.concatenate((flat, *solid.values())), names, sizes, now, head)


def _outlines(who: Person, now: Shot, head: _Head) -> dict[str, Floats]:
    """Everything whose form depends on how the head is turned: its outline, hair, beard, ears; and the neck."""
    left, right = head.limits(head.width, head.front, head.back)
    out = {
        "left": _around(left, head.y, head.width, head.front, head.back),
        "right": _around(right, head.y, head.width, head.front, head.back),
    }
    out["head"] = np.concatenate((out["left"][::-1], out["right"]))

    beard_y = np.array([12.0, 26, 36, 30, 29, 30, 36, 26, 12])
    beard_at = np.array([-1.25, -1.0, -0.62, -0.3, 0, 0.3, 0.62, 1.0, 1.25])
    w, f, b = head.at(beard_y)
    lo, hi = head.limits(w, f, b)
    edge = _around(np.minimum(np.maximum(beard_at, lo), hi), beard_y, w, f, b)
    out["beard"] = np.concatenate((edge, out["right"][9:], out["left"][:8:-1]))

    size = 1 + 0.13 * who.shape[25]
    side = float(np.interp(4.0, head.y, head.width))
    ear = np.stack((side - 2 + (3.2 + 1.6 * size) * (1 - _EAR.real), 5 + 13.5 * size * _EAR.imag, -4 + 7 * _EAR.real), 1)
    out["ear_r"], out["ear_l"] = ear, ear * (-1, 1, 1)
    neck = 25 + 4 * (who.masculine - 0.5) + 1.2 * who.shape[0]
    out["neck"] = np.array([[-neck, 30, -8], [neck, 30, -8], [neck, 74, -8], [70, 98, -8], [70, 160, -8], [-70, 160, -8], [-70, 98, -8], [-neck, 74, -8]], dtype=float)
    out["shirt"] = np.array([[-75, 94, -8], [-neck, 76, -8], [0, 92, 10], [neck, 76, -8], [75, 94, -8], [75, 170, -8], [-75, 170, -8]], dtype=float)
    out["bald"], out["hair"] = _hair(who, now, head)
    return out


def _hair(who: Person, now: Shot, head: _Head) -> tuple[Floats, Floats]:
    """The hair behind the head, and the hair before it: from its outline to the hairline."""
    p, thin = who.shape, who.balding * aged(now.age)
    volume = max(0.8, (_VOLUME[who.style] + 0.8 * now.hair[0] + 2 * who.curl) * (1 - 0.6 * thin))
    end = _ENDS[who.style] * (1 + 0.12 * now.hair[1])
    line = -35 - 3.2 * p[4] + 1.0 * now.hair[2] - 16 * thin
    span = 15 + 14 * thin
    side = 1.12 - 0.06 * p[5]
    if who.style == 2:
        line, span = line + 15, 5.0
    sweep = 0.9 * who.parting if who.style in (1, 3, 4) else 0.1 * who.parting
    middle = 0.55 * sweep * (1 - thin)

    def edge(y: Floats, sign: int) -> Floats:
        """The angle of the hairline at a height, on one side."""
        far = sign * side
        share = np.minimum(np.maximum((y - line) / (span * (1 + 0.9 * max(0.0, -sign * sweep))), 0), 1) ** 0.6
        return np.asarray(middle + (far - middle) * share)

    y = head.y[0] - volume + _HAIR_OUT * (end - head.y[0] + volume)
    w, f, b = head.at(y)
    hang = np.maximum(w, np.where(y > -10, 0.97 * head.width[7], 0)) if end > 20 else w
    wave = volume * (1 + 0.5 * who.curl * np.sin(2.4 * np.arange(len(y)) + 3 * who.parting))
    ww, ff, bb = hang + wave, f + np.where(y < line, wave, 0.3 * wave), np.maximum(b, 20 if end > 20 else 0) + wave
    lo, hi = head.limits(ww, ff, bb)
    back = np.concatenate((_around(lo, y, ww, ff, bb)[::-1], _around(hi, y, ww, ff, bb)))
    outer = []
    for sign, turn in ((-1, lo), (1, hi)):
        hidden = sign * turn < sign * edge(y, sign)
        puffed, flush = _around(turn, y, ww, ff, bb), _around(turn, y, w, f, b)
        outer.append(np.where((hidden & (y > line))[:, None], flush, puffed))
    y = line + _HAIR_IN * (max(end, line + 1) - line)
    w, f, b = head.at(y)
    w = np.maximum(w, np.where(y > 0, 0.8 * head.width[7], 0))
    lo, hi = head.limits(w, f, b)
    inner = [_around(np.minimum(np.maximum(edge(y, s), lo), hi), y, w, f, b) for s in (-1, 1)]
    return back, np.concatenate((outer[0][::-1], outer[1], inner[1][::-1], inner[0]))


def _project(flat: Floats, names: list[str], sizes: list[int], now: Shot, head: _Head) -> Sketch:
    """Turn by yaw and pitch, project with a camera nearby, align by the five points."""
    across = flat[:, 0] * head.cosine + flat[:, 2] * head.sine
    depth = flat[:, 2] * head.cosine - flat[:, 0] * head.sine
    up, level = float(np.sin(now.pitch)), float(np.cos(now.pitch))
    zoom = _CAMERA / (_CAMERA - (flat[:, 1] * up + depth * level))
    plane = (across + 1j * (flat[:, 1] * level - depth * up)) * zoom
    ends = np.cumsum(sizes)
    spans = {name: slice(end - size, end) for name, end, size in zip(names, ends.tolist(), sizes, strict=True)}
    five = plane[spans["five"]]
    middle, goal = five.mean(), _TEMPLATE.mean()
    turn = np.vdot(five - middle, _TEMPLATE - goal) / np.vdot(five - middle, five - middle).real
    turn *= np.exp(now.align[0] + 1j * now.align[1])
    plane = turn * (plane - middle) + (goal + now.align[2] + 1j * now.align[3])
    # pixel centres have whole coordinates in OpenCV's drawing as in the template
    pixels = np.stack((plane.real, plane.imag), axis=1)
    whole = np.rint(pixels * (1 << SHIFT)).astype(np.int32)
    box = pixels[spans["head"]]
    low, high = box.min(axis=0), box.max(axis=0)
    return Sketch(
        parts={name: whole[span] for name, span in spans.items()},
        five=pixels[spans["five"]],
        scale=float(abs(turn)),
        centre=(float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2),
        radii=(float(high[0] - low[0]) / 2, float(high[1] - low[1]) / 2),
    )
