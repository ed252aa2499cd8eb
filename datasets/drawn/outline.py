"""What of a drawn head depends on how it is turned: its outline, ears, beard and hair; and the neck under it."""

from __future__ import annotations

import numpy as np

from .features import Contours, aged
from .head import TOP, Head, Rings, around
from .latents import Floats, People, Shots

_HEIGHTS = np.array([0, 0.01, 0.03, 0.07, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.68, 0.76, 0.83, 0.89, 0.94, 0.98, 1])
_CHEEKS = 9  # from this height on, a full beard may grow
_BEARD_Y = np.array([12.0, 26, 36, 30, 29, 30, 36, 26, 12])
_BEARD_AT = np.array([-1.25, -1.0, -0.62, -0.3, 0, 0.3, 0.62, 1.0, 1.25])
_EAR = np.exp(2j * np.pi * np.arange(10) / 10)
_OUTER = np.linspace(0, 1, 14) ** 1.3
_INNER = np.linspace(0, 1, 11) ** 1.8
# by style: cropped, parted, fringe, chin-long, long, swept back
_VOLUME = np.array([2.0, 5.0, 5.0, 7.0, 6.0, 3.5])
_END = np.array([5.0, 8.0, 14.0, 60.0, 130.0, 4.0])
_SWEEP = np.array([0.1, 0.9, 0.1, 0.9, 0.9, 0.1])


def outlines(who: People, now: Shots, head: Head) -> Contours:
    """The contours [B, K, 3], from the back of the picture to the front."""
    count, one = len(who.tone), np.ones((len(who.tone), 1))
    rings = head.at(TOP + _HEIGHTS * (head.chin - TOP))
    left, right = (around(angle, rings) for angle in head.limits(rings))
    edge = head.at(_BEARD_Y * one)
    low, high = head.limits(edge)
    cheeks = around(np.clip(_BEARD_AT, low, high), edge)

    size = 1 + 0.13 * who.shape[:, 25:26]
    ear = np.empty((count, len(_EAR), 3))
    ear[..., 0] = head.at(4.0 * one).width - 2 + (3.2 + 1.6 * size) * (1 - _EAR.real)
    ear[..., 1] = 5 + 13.5 * size * _EAR.imag
    ear[..., 2] = -4 + 7 * _EAR.real
    neck = 25 + 4 * (who.masculine - 0.5) + 1.2 * who.shape[:, 0]
    wide = np.array([-1.0, 1, 1, 0, 0, 0, 0, -1]) * neck[:, None] + np.array([0, 0, 0, 70, 70, -70, -70, 0])
    collar = np.array([0.0, -1, 0, 1, 0, 0, 0]) * neck[:, None] + np.array([-75, 0, 0, 0, 75, 75, -75])
    back, front = _hair(who, now, head)
    return {
        "behind": back,
        "neck": np.stack(np.broadcast_arrays(wide, np.array([30, 30, 74, 98, 160, 160, 98, 74]), -8.0), axis=2),
        "shirt": np.stack(np.broadcast_arrays(collar, np.array([94, 76, 92, 76, 94, 170, 170]), -8.0), axis=2),
        "ear_r": ear,
        "ear_l": ear * (-1, 1, 1),
        "head": np.concatenate((left[:, ::-1], right), axis=1),
        "beard": np.concatenate((cheeks, right[:, _CHEEKS:], left[:, : _CHEEKS - 1 : -1]), axis=1),
        "hair": front,
    }


def _hair(who: People, now: Shots, head: Head) -> tuple[Floats, Floats]:
    """The hair behind the head, and the hair before it: from its outline to the hairline."""
    p, one = who.shape, np.ones((len(who.tone), 1))
    thin = (who.balding * aged(now.age))[:, None]
    curl, parting = who.curl[:, None], who.parting[:, None]
    volume = np.maximum(0.8, (_VOLUME[who.style] + 0.8 * now.hair[:, 0] + 2 * who.curl)[:, None] * (1 - 0.6 * thin))
    end = (_END[who.style] * (1 + 0.12 * now.hair[:, 1]))[:, None]
    fringe, long = (who.style == 2)[:, None], end > 20
    line = (-35 - 3.2 * p[:, 4] + now.hair[:, 2])[:, None] - 16 * thin + np.where(fringe, 15, 0)
    span = np.where(fringe, 5.0, 15 + 14 * thin)
    side = 1.12 - 0.06 * p[:, 5:6]
    sweep = _SWEEP[who.style][:, None] * parting
    middle = 0.55 * sweep * (1 - thin)

    def edge(y: Floats, sign: int) -> Floats:
        """The angle of the hairline at a height, on one side."""
        share = np.clip((y - line) / (span * (1 + 0.9 * np.maximum(0.0, -sign * sweep))), 0, 1) ** 0.6
        return np.asarray(middle + (sign * side - middle) * share)

    skin = head.at(TOP - 0.8 * volume + _OUTER * (end - TOP + 0.8 * volume))
    y = skin.y
    ears = head.at(0 * one).width
    hang = np.where(long & (y > -10), np.maximum(skin.width, 0.97 * ears), skin.width)
    wave = volume * (1 + 0.4 * curl * np.sin(2.4 * np.arange(len(_OUTER)) + 3 * parting))
    wave = wave * np.clip(skin.width / (0.6 * ears), 0.1, 1)  # a head of hair is round on top
    front = skin.front + wave * np.where(y < line, 1.0, 0.3)
    puff = Rings(y, hang + wave, front, np.maximum(skin.back, np.where(long, 20, 0)) + wave)
    low, high = head.limits(puff)
    # past the hairline there is skin on the outline: the hair behind it starts at the hairline
    starts = [np.where(y > line, edge(y, sign), 0) for sign in (-1, 1)]
    behind = np.concatenate(
        (around(np.minimum(low, starts[0]), puff)[:, ::-1], around(np.maximum(high, starts[1]), puff)), axis=1
    )
    rings = head.at(line + _INNER * (np.maximum(end, line + 1) - line))
    hanging = rings._replace(width=np.where(rings.y > 0, np.maximum(rings.width, 0.8 * ears), rings.width))
    outer, inner = [], []
    for sign, wide, close, strand in zip((-1, 1), (low, high), head.limits(skin), head.limits(rings), strict=True):
        # and the strip of hair before it closes on that side
        bare = (sign * wide < sign * edge(y, sign)) & (y > line)
        outer.append(np.where(bare[..., None], around(close, skin), around(wide, puff)))
        at = edge(rings.y, sign)
        bare = sign * strand < sign * at
        inner.append(np.where(bare[..., None], around(strand, rings), around(at, hanging)))
    return behind, np.concatenate((outer[0][:, ::-1], outer[1], inner[1][:, ::-1], inner[0]), axis=1)
