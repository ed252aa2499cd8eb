"""The features of drawn faces as contours on the face, before the head is turned.

Axes as in `synthetic_shape`. A contour is [K, 3]: x, y and its height above the surface of the head.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .synthetic_people import Floats, Person, Shot

FLOATING = -200.0
"""As height above the surface: this contour keeps a plane in front of the eyes (the rims of glasses)."""

_X = np.array([-1, -0.72, -0.38, 0, 0.38, 0.72, 1])
_LID = 1 - _X**2
_LIP = _LID**0.7
_BOW = np.array([0.0, 0.52, 0.95, 0.78, 0.95, 0.52, 0.0])
_CIRCLE = np.exp(2j * np.pi * np.arange(12) / 12)
_COS, _SIN = _CIRCLE.real, _CIRCLE.imag
_RIM = np.exp(2j * np.pi * np.arange(16) / 16)
_RUN = np.linspace(0, 1, 6)
_BEND = np.sin(np.pi * _RUN**1.2)


class Features(NamedTuple):
    """The contours of one face, mirrored ones once."""

    halves: dict[str, Floats]
    """Contours of the right half of the picture; those of the left are their mirror images."""
    middle: dict[str, Floats]


def aged(age: float) -> float:
    """How far the signs of age have come: 0 up to 30 years, 1 at 70."""
    return min(max((age - 30) / 40, 0.0), 1.2)


def _curve(x: Floats, y: Floats | float, lift: Floats | float = 0.0) -> Floats:
    out = np.empty((len(x), 3))
    out[:, 0], out[:, 1], out[:, 2] = x, y, lift
    return out


def _ring(upper: Floats, lower: Floats) -> Floats:
    """Close a contour: along `upper`, back along `lower`."""
    return np.concatenate((upper, lower[::-1]))


_BOTH = _ring(_X, _X)


def features(who: Person, now: Shot) -> Features:
    """Where everything on this face is, under this expression, at this age."""
    halves, middle = _eyes(who, now)
    p, m, old = who.shape, who.masculine - 0.5, aged(now.age)
    grin, gape = now.smile, now.open

    tip_y, wide, proud = 20.2 + 2.1 * p[16], 9.4 + 1.5 * p[17] + 0.8 * m, 14 + 2.4 * p[19]
    bridge = 3.6 + 0.9 * p[18]
    my = 40.7 + 1.9 * p[21] + 1.2 * gape
    mw = (14.4 + 1.7 * p[22]) * (1 + 0.13 * grin - 0.12 * gape)
    corner = my - 2.2 * grin
    halves["side"] = _curve(
        np.array([bridge, bridge * 1.15, wide * 0.6, wide * 1.02, wide * 0.98, wide * 0.55]),
        np.array([-6, 4, tip_y - 7, tip_y - 2, tip_y + 4.5, tip_y + 5]),
        np.array([1.5, 2, 3, 1, 0, 3]),
    )
    halves["nostril"] = _curve(wide * 0.5 + 2.3 * _COS[::2], tip_y + 4.8 + 0.9 * _SIN[::2], 3.0)
    halves["cheek"] = _curve(25 + 8 * _COS, 22 - 3 * grin + 6.5 * _SIN)
    halves["fold"] = _curve(
        np.array([wide + 1.0, wide + 4.2, mw + 4.2 + 1.5 * grin, mw + 4.5]),
        np.array([tip_y + 2, tip_y + 8, corner - 2, corner + 4 + 3 * old]),
    )
    halves["jowl"] = _curve(np.array([mw + 2, mw + 5, mw + 4]), np.array([corner + 7, corner + 12, corner + 16]))

    up, low = max(1.2, 3.6 + 1.1 * p[23] - 0.9 * old), max(1.8, 4.7 + 1.2 * p[24] - 0.8 * old)
    gap = (7.5 * gape + 1.6 * max(0.0, grin - 0.35)) * _LID
    line = my + (corner - my) * _X**2
    rise = line - 0.15 * gap
    drop = line + 0.9 * gap
    middle["upper_lip"] = _curve(mw * _BOTH, _ring(rise - up * _BOW, rise + 0.35))
    middle["lower_lip"] = _curve(mw * _BOTH, _ring(drop + 0.1, drop + low * _LIP))
    middle["mouth"] = _curve(0.94 * mw * _BOTH, _ring(rise - 0.3, drop + 0.3))
    middle["under_lip"] = _curve(mw * 0.5 * _X, my + low + gap[3] + 3.6)
    middle["ridge"] = _curve(
        np.zeros(5), np.array([-8, 0, tip_y * 0.5, tip_y, tip_y + 5.5]), np.array([1.5, 4, proud * 0.62, proud, 4])
    )
    middle["philtrum"] = _curve(np.zeros(2), np.array([tip_y + 7, my - up - 0.5]))
    middle["moustache"] = _curve(
        np.concatenate((mw * 1.1 * _X, mw * 0.8 * _X[::-1])),
        _ring(tip_y + 7.5 + (corner + 1 - tip_y - 7.5) * abs(_X) ** 1.5, rise - 0.6 * up * _BOW + 4 * _X**4),
    )
    below = my + low + gap[3]
    middle["goatee"] = _curve(
        (mw + 2.5) * _COS, np.where(_SIN < 0, tip_y + 9 + (corner - tip_y - 9) * (1 + _SIN), corner + (below + 11 - corner) * _SIN)
    )
    middle["frown"] = np.concatenate(
        [_curve(18 * _X[1:-1], -24 - 5.5 * k + 1.5 * _LID[1:-1] - now.brows) for k in range(3)]
    )
    middle["moles"] = _curve(who.moles[:, 0], np.minimum(who.moles[:, 1], 50))
    middle["five"] = _curve(
        np.array([-17.6 - 1.1 * p[7], 17.6 + 1.1 * p[7], 0, -mw, mw]),
        np.array([0, 0, tip_y, corner, corner]),
        np.array([0, 0, proud, 0, 0]),
    )
    return Features(halves, middle)


def _eyes(who: Person, now: Shot) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Eyes, brows, the lines around them, and glasses."""
    p, m, old, grin = who.shape, who.masculine - 0.5, aged(now.age), max(now.smile, 0.0)
    ex, ew = 17.6 + 1.1 * p[7], 8.0 + 0.95 * p[8]
    eh = (3.5 + 0.8 * p[9]) * now.lids * (1 - 0.18 * grin) * (1 - 0.22 * old)
    el = 2.1 + 0.35 * p[9] - 0.5 * grin
    tilt = -0.06 - 0.1 * p[10] + 0.1 * old
    along = ew * _X
    slant = tilt * along
    upper, lower = slant - eh * _LID, slant + el * _LID
    bx = (5.9 - 0.6 * p[12]) + (22.5 + 2.4 * p[12]) * _RUN
    by = -9.6 - 1.7 * p[11] - now.brows - 0.6 * eh + 1.4 * old
    arch = by - (2.4 + 1.7 * p[14]) * _BEND + (2.2 * p[15] + 0.5) * (_RUN - 0.5)
    thick = (2.0 + 0.75 * p[13] + 1.3 * m) * (1 - 0.75 * _RUN**2)
    power = 1 - 0.6 * who.frame
    rx, ry = _RIM.real, _RIM.imag
    halves = {
        "eye": _curve(ex + ew * _BOTH, _ring(upper, lower)),
        "lid": _curve(ex + along, upper),
        "crease": _curve(ex + along * 1.05, slant - (eh + 1.4 + 0.5 * p[13] - old) * (0.25 + 0.75 * _LID)),
        "bag": _curve(ex + along * 0.95, slant + (el + 3.6) * (0.3 + 0.7 * _LID)),
        "brow": _curve(_ring(bx, bx), _ring(arch - thick, arch + thick)),
        "crow": np.concatenate(
            [_curve(ex + ew + np.array([2.5, 8.0]), tilt * ew + np.array([a * 0.4, a])) for a in (-5.0, 0.0, 4.5)]
        ),
        "rim": _curve(
            ex + 0.6 + (12.0 + 1.5 * who.frame) * np.sign(rx) * abs(rx) ** power,
            1.2 + (10.0 - 2.5 * who.frame) * np.sign(ry) * abs(ry) ** power,
            FLOATING,
        ),
        "temple": _curve(np.array([ex + 12, 0.0]), -1.0, np.array([FLOATING, FLOATING])),
    }
    middle = {}
    for side, name in ((1, "r"), (-1, "l")):
        for radius, part in ((3.45, "iris_"), (1.5, "pupil_")):
            ix = np.minimum(np.maximum(now.gaze[0] + radius * _COS, -ew), ew)
            over, tilted = 1 - (ix / ew) ** 2, side * tilt * ix
            iy = np.minimum(np.maximum(now.gaze[1] - 0.5 + radius * _SIN, tilted - eh * over), tilted + el * over)
            middle[part + name] = _curve(side * ex + ix, iy)
    return halves, middle
