"""The features of drawn faces as contours on the face, before the head is turned.

Axes as in `synthetic_shape`. A contour is [B, K, 3]: x, y and its height above the surface of the head.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from .synthetic_people import Floats, People, Shots

FLOATING = -200.0
"""As height above the surface: this contour keeps a plane in front of the eyes (the rims of glasses)."""

Contours: TypeAlias = dict[str, Floats]

_X = np.array([-1, -0.72, -0.38, 0, 0.38, 0.72, 1])
_LID = 1 - _X**2
_LIP = _LID**0.7
_BOW = np.array([0.0, 0.52, 0.95, 0.78, 0.95, 0.52, 0.0])
_CIRCLE = np.exp(2j * np.pi * np.arange(12) / 12)
_COS, _SIN = _CIRCLE.real, _CIRCLE.imag
_RIM = np.exp(2j * np.pi * np.arange(16) / 16)
_RUN = np.linspace(0, 1, 6)
_BEND = np.sin(np.pi * _RUN**1.2)
_BOTH = np.append(_X, _X[::-1])


class Features(NamedTuple):
    """The contours of faces, mirrored ones once."""

    halves: Contours
    """Contours of the right half of the picture; those of the left are their mirror images."""
    middle: Contours


def aged(now: Shots) -> Floats:
    """[B, 1], how far the signs of age have come: 0 up to 30 years, 1 at 70."""
    return np.clip((now.age[:, None] - 30) / 40, 0.0, 1.2)


def features(who: People, now: Shots) -> Features:
    """Where everything on these faces is, under this expression, at this age."""
    halves, middle = _eyes(who, now)
    nose, ridge, tip_y, proud = _nose(who)
    mouth, lips, five = _mouth(who, now, tip_y)
    five = np.concatenate((_curve((_COS[:1] * 0, -0.0), 0.0)[:0], five)) if False else five
    ex = 17.6 + 1.1 * who.shape[:, 7:8]
    zero = np.zeros_like(ex)
    middle |= ridge | lips
    middle["five"] = np.concatenate(
        (_curve(-ex, zero), _curve(ex, zero), _curve(zero, tip_y, proud), five), axis=1
    )
    return Features(halves | nose | mouth, middle)
