"""The features of drawn faces as contours on the face, before the head is turned.

Axes as in `synthetic_shape`. A contour is [B, K, 3]: x, y and its height above the surface of the head.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from .latents import Floats, People, Shots

FLOATING = -200.0
"""As height above the surface: this contour keeps a plane in front of the eyes (the rims of glasses)."""

Contours: TypeAlias = dict[str, Floats]

_X = np.array([-1, -0.72, -0.38, 0, 0.38, 0.72, 1])
_BOTH = np.append(_X, _X[::-1])
_TEETH = [1, 2, 3, 4, 5, 8, 9, 10, 11, 12]
_JOWL = np.array([[2.0, 5, 4], [7, 12, 16]])
_LID = 1 - _X**2
_LIP = _LID**0.7
_BOW = np.array([0.0, 0.52, 0.95, 0.78, 0.95, 0.52, 0.0])
_CIRCLE = np.exp(2j * np.pi * np.arange(12) / 12)
_COS, _SIN = _CIRCLE.real, _CIRCLE.imag
_RIM = np.exp(2j * np.pi * np.arange(16) / 16)
_RUN = np.linspace(0, 1, 6)
_BEND = np.sin(np.pi * _RUN**1.2)


class Features(NamedTuple):
    """The contours of faces; mirrored ones stand here once."""

    halves: Contours
    """Those of the right half of the picture; the left half has their mirror images."""
    middle: Contours


def features(who: People, now: Shots) -> Features:
    """Where everything on these faces is, under this expression, at this age."""
    eyes, irises = _eyes(who, now)
    halves, middle = _nose_and_mouth(who, now)
    return Features(eyes | halves, irises | middle)


def aged(age: Floats) -> Floats:
    """How far the signs of age have come: 0 up to 30 years, 1 at 70."""
    return np.clip((age - 30) / 40, 0.0, 1.2)


def _curve(x: Floats, y: Floats, lift: Floats | float = 0.0) -> Floats:
    """[B, K, 3] from coordinates that broadcast to [B, K]."""
    out = np.empty((*np.broadcast_shapes(np.shape(x), np.shape(y)), 3))
    out[..., 0], out[..., 1], out[..., 2] = x, y, lift
    return out


def _ring(upper: Floats, lower: Floats) -> Floats:
    """Close a contour: along `upper`, back along `lower`."""
    return np.concatenate((upper, lower[:, ::-1]), axis=1)


def _columns(who: People, now: Shots) -> tuple[Floats, Floats, Floats, Floats]:
    """The proportions [28, B, 1], and masculinity, age and smile [B, 1]."""
    male = who.masculine[:, None] - 0.5
    return who.shape.T[:, :, None], male, aged(now.age)[:, None], now.smile[:, None]


def _nose_and_mouth(who: People, now: Shots) -> tuple[Contours, Contours]:
    p, male, old, grin = _columns(who, now)
    gape = now.open[:, None]
    tip, wide, proud = 20.2 + 2.1 * p[16], 9.4 + 1.5 * p[17] + 0.8 * male, 14 + 2.4 * p[19]
    bridge, zero = 3.6 + 0.9 * p[18], np.zeros_like(grin)
    my = 40.7 + 1.9 * p[21] + 1.2 * gape
    mw = (14.4 + 1.7 * p[22]) * (1 + 0.13 * grin - 0.12 * gape)
    corner = my - 2.2 * grin
    up, low = np.maximum(1.2, 3.6 + 1.1 * p[23] - 0.9 * old), np.maximum(1.8, 4.7 + 1.2 * p[24] - 0.8 * old)
    gap = (7.5 * gape + 1.6 * np.maximum(0.0, grin - 0.35)) * _LID
    line = my + (corner - my) * _X**2
    rise, drop = line - 0.15 * gap, line + 0.9 * gap
    below = my + low + gap[:, 3:4]
    halves = {
        "side": _curve(
            np.concatenate((bridge, bridge * 1.15, wide * 0.6, wide * 1.02, wide * 0.98, wide * 0.55), axis=1),
            np.concatenate((zero - 6, zero + 4, tip - 7, tip - 2, tip + 4.5, tip + 5), axis=1),
            np.array([1.5, 2, 3, 1, 0, 3]),
        ),
        "nostril": _curve(wide * 0.5 + 2.3 * _COS[::2], tip + 4.8 + 0.9 * _SIN[::2], 3.0),
        "cheek": _curve(25 + 8 * _COS, 22 - 3 * grin + 6.5 * _SIN),
        "fold": _curve(
            np.concatenate((wide + 1.0, wide + 4.2, mw + 4.2 + 1.5 * grin, mw + 4.5), axis=1),
            np.concatenate((tip + 2, tip + 8, corner - 2, corner + 4 + 3 * old), axis=1),
        ),
        "jowl": _curve(mw + _JOWL[0], corner + _JOWL[1]),
    }
    lip_top = tip + 7.5 + (corner - 6.5 - tip) * abs(_X) ** 1.5
    middle = {
        "upper_lip": _curve(mw * _BOTH, _ring(rise - up * _BOW, rise + 0.35)),
        "lower_lip": _curve(mw * _BOTH, _ring(drop + 0.1, drop + low * _LIP)),
        "mouth": _curve(0.94 * mw * _BOTH, _ring(rise - 0.3, drop + 0.3)),
        "teeth": _curve(0.94 * mw * np.append(_X[1:6], _X[5:0:-1]), _ring(rise, (rise + drop) / 2)[:, _TEETH]),
        "under_lip": _curve(mw * 0.5 * _X, below + 3.6),
        "ridge": _curve(
            np.zeros(5),
            np.concatenate((zero - 8, zero, tip * 0.5, tip, tip + 5.5), axis=1),
            np.concatenate((zero + 1.5, zero + 4, proud * 0.62, proud, zero + 4), axis=1),
        ),
        "philtrum": _curve(np.zeros(2), np.concatenate((tip + 7, my - up - 0.5), axis=1)),
        "moustache": _curve(
            mw * np.append(1.1 * _X, 0.8 * _X[::-1]), _ring(lip_top, rise - 0.6 * up * _BOW + 4 * _X**4)
        ),
        "goatee": _curve(
            (mw + 2.5) * _COS,
            np.where(_SIN < 0, tip + 9 + (corner - tip - 9) * (1 + _SIN), corner + (below + 11 - corner) * _SIN),
        ),
        "frown": np.concatenate(
            [_curve(18 * _X[1:-1], -24 - 5.5 * k + 1.5 * _LID[1:-1] - now.brows[:, None]) for k in range(3)], axis=1
        ),
        "moles": _curve(who.moles[:, :, 0], np.minimum(who.moles[:, :, 1], 50)),
    }
    ex = 17.6 + 1.1 * p[7]
    middle["five"] = _curve(
        np.concatenate((-ex, ex, zero, -mw, mw), axis=1),
        np.concatenate((zero, zero, tip, corner, corner), axis=1),
        np.concatenate((zero, zero, proud, zero, zero), axis=1),
    )
    return halves, middle


def _eyes(who: People, now: Shots) -> tuple[Contours, Contours]:
    """Eyes, brows, the lines around them, and glasses."""
    p, male, old, grin = _columns(who, now)
    grin = np.maximum(grin, 0.0)
    ex, ew = 17.6 + 1.1 * p[7], 8.0 + 0.95 * p[8]
    eh = (3.5 + 0.8 * p[9]) * now.lids[:, None] * (1 - 0.18 * grin) * (1 - 0.22 * old)
    el = 2.1 + 0.35 * p[9] - 0.5 * grin
    tilt = -0.06 - 0.1 * p[10] + 0.1 * old
    along = ew * _X
    slant = tilt * along
    upper, lower = slant - eh * _LID, slant + el * _LID
    bx = (5.9 - 0.6 * p[12]) + (22.5 + 2.4 * p[12]) * _RUN
    by = -9.6 - 1.7 * p[11] - now.brows[:, None] - 0.6 * eh + 1.4 * old
    arch = by - (2.4 + 1.7 * p[14]) * _BEND + (2.2 * p[15] + 0.5) * (_RUN - 0.5)
    thick = (2.0 + 0.75 * p[13] + 1.3 * male) * (1 - 0.75 * _RUN**2)
    frame = who.frame[:, None]
    power = 1 - 0.6 * frame
    rx, ry = _RIM.real, _RIM.imag
    halves = {
        "eye": _curve(ex + ew * _BOTH, _ring(upper, lower)),
        "lid": _curve(ex + along, upper),
        "crease": _curve(ex + along * 1.05, slant - (eh + 1.4 + 0.5 * p[13] - old) * (0.25 + 0.75 * _LID)),
        "bag": _curve(ex + along * 0.95, slant + (el + 3.6) * (0.3 + 0.7 * _LID)),
        "brow": _curve(_ring(bx, bx), _ring(arch - thick, arch + thick)),
        "crow": np.concatenate(
            [_curve(ex + ew + (2.5, 8.0), tilt * ew + (0.4 * end, end)) for end in (-5.0, 0.0, 4.5)], axis=1
        ),
        "rim": _curve(
            ex + 0.6 + (12.0 + 1.5 * frame) * np.sign(rx) * abs(rx) ** power,
            1.2 + (10.0 - 2.5 * frame) * np.sign(ry) * abs(ry) ** power,
            FLOATING,
        ),
    }
    middle = {}
    for side, name in ((1, "r"), (-1, "l")):
        for radius, part in ((3.45, "iris_"), (1.5, "pupil_")):
            ix = np.clip(now.gaze[:, :1] + radius * _COS, -ew, ew)
            over, tilted = 1 - (ix / ew) ** 2, side * tilt * ix
            iy = np.clip(now.gaze[:, 1:] - 0.5 + radius * _SIN, tilted - eh * over, tilted + el * over)
            middle[part + name] = _curve(side * ex + ix, iy)
    return halves, middle
