"""Drawn faces: from (seed, identity, picture) to 112 x 112 pixels.

Latents and geometry are computed for a batch at once, which costs a tenth of doing it face by face; a face is then
painted with OpenCV on small canvases. Colours are flat; light is a layer of its own (`synthetic_light`) that
multiplies them, and the camera's focus, exposure, colour cast and noise come last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from ..base import SIZE
from .features import aged
from .latents import Floats, People, Series, Shots, people, shots
from .light import Banks, Pixels, banks, light, window
from .shape import SHIFT, Sketches, sketch

Colour: TypeAlias = Sequence[float]
Points: TypeAlias = NDArray[np.int32]

_BATCH = 64
_GREY = np.array([178.0, 176.0, 174.0])
_LEVELS = np.arange(256, dtype=np.float32) / 255
_DENSITY = np.array([0.0, 0.35, 0.85, 0.85, 0.85])  # of a beard, by kind
_NOSE = ("side_r", "side_l", "ridge")


class Plan(NamedTuple):
    """Faces that are known down to their contours and colours, and not painted yet."""

    who: People
    now: Shots
    sketches: Sketches
    colours: dict[str, list[list[float]]]
    """By what they colour: B times RGB in 0..255."""


def plan(*, seed: int, identities: Sequence[int], images: Sequence[int], series: Series = "ordinary") -> Plan:
    """Work everything out but the pixels."""
    who = people(seed=seed, identities=identities)
    now = shots(who, seed=seed, identities=identities, images=images, series=series)
    return plan_of(who, now)


def plan_of(who: People, now: Shots) -> Plan:
    """Work everything out but the pixels, for people under circumstances of one's own."""
    return Plan(who, now, sketch(who, now), _colours(who, now))


def draw(*, seed: int, identities: Sequence[int], images: Sequence[int], series: Series = "ordinary") -> Pixels:
    """uint8 [B, SIZE, SIZE, 3], RGB: pictures of people, image number by person."""
    out = np.empty((len(identities), SIZE, SIZE, 3), np.uint8)
    for start in range(0, len(identities), _BATCH):
        part = slice(start, start + _BATCH)
        planned = plan(seed=seed, identities=identities[part], images=images[part], series=series)
        for i in range(len(planned.who.tone)):
            out[start + i] = paint(planned, i)
    return out


def paint(planned: Plan, i: int) -> Pixels:
    """uint8 [SIZE, SIZE, 3], RGB: face `i` of a plan."""
    bank = banks()
    u = planned.now.u[i].tolist()
    canvas = window(bank.scenes[planned.now.background[i]], u[0], u[1]).copy()
    points = planned.sketches.points[i]
    part = {name: points[span] for name, span in planned.sketches.spans.items()}
    _flat_colours(canvas, planned, i, part)
    cv2.multiply(canvas, light(planned.now, planned.sketches, i, part), dst=canvas, scale=1 / 128)
    _in_front(canvas, planned.now, i, part, u)
    return _camera(canvas, planned.now, i, bank, u)


def _colours(who: People, now: Shots) -> dict[str, list[list[float]]]:
    skin = who.skin * (1 - 0.04 * aged(now.age)[:, None])
    # hair greys from about 42 years on, sooner for some
    grey = np.clip((now.age - 42 + 5 * who.shape[:, 27]) / 28, 0, 0.9)[:, None]
    hair = who.hair + grey * (_GREY - who.hair)
    red = skin * (1 - who.lips[:, None] * np.array([0.12, 0.36, 0.3]))
    dense = (_DENSITY[who.beard] * now.shaven)[:, None]
    every: dict[str, Floats] = {
        "behind": 0.72 * hair,
        "neck": 0.82 * skin,
        "shirt": 255 * now.u[:, 2:5],
        "ear": 0.89 * skin,
        "head": skin,
        "beard": skin + dense * (0.9 * hair - skin),
        "nostril": 0.42 * skin,
        "mouth": np.where(now.open[:, None] > 0.1, (70.0, 24.0, 26.0), 0.5 * red),
        "upper_lip": 0.9 * red,
        "lower_lip": red,
        "lid": 0.18 * skin,
        "iris": who.iris,
        "brow": 0.62 * hair + 0.12 * skin,
        "mole": 0.4 * skin,
        "hair": hair,
        "thing": 255 * now.u[:, 7:10],
    }
    return {name: colour.tolist() for name, colour in every.items()}


def _flat_colours(canvas: Pixels, planned: Plan, i: int, part: dict[str, Points]) -> None:
    """Paint skin, hair and features, from the back to the front."""
    who, now = planned.who, planned.now
    colour = {name: values[i] for name, values in planned.colours.items()}

    def fill(name: str, tint: Colour) -> None:
        cv2.fillPoly(canvas, [part[name]], tint, cv2.LINE_AA, SHIFT)

    def fill_both(name: str, tint: Colour) -> None:
        cv2.fillPoly(canvas, [part[name + "_r"], part[name + "_l"]], tint, cv2.LINE_AA, SHIFT)

    near, far = ("l", "r") if now.yaw[i] > 0 else ("r", "l")
    for name in ("behind", "neck", "shirt"):
        fill(name, colour[name])
    fill("ear_" + far, colour["ear"])
    fill("head", colour["head"])
    fill("ear_" + near, colour["ear"])
    beard = ("", "beard", "moustache", "goatee", "beard")[who.beard[i]]
    if beard:
        fill(beard, colour["beard"])
    if abs(now.yaw[i]) > 0.2:  # the nose stands out from the cheek behind it
        nose = cv2.convexHull(np.concatenate([part[name] for name in _NOSE]))
        cv2.fillConvexPoly(canvas, nose, colour["head"], cv2.LINE_AA, SHIFT)
    fill("mouth", colour["mouth"])
    if now.open[i] > 0.1 or now.smile[i] > 0.6:
        fill("teeth", (228.0, 222.0, 210.0))
    fill("upper_lip", colour["upper_lip"])
    fill("lower_lip", colour["lower_lip"])
    fill_both("nostril", colour["nostril"])
    fill_both("eye", (226.0, 220.0, 214.0))
    fill_both("iris", colour["iris"])
    fill_both("pupil", (16.0, 12.0, 12.0))
    cv2.polylines(canvas, [part["lid_r"], part["lid_l"]], False, colour["lid"], 1, cv2.LINE_AA, SHIFT)
    fill_both("brow", colour["brow"])
    sizes = who.moles[i, :, 2] * planned.sketches.scale[i] * (1 << SHIFT)
    for k in np.flatnonzero(sizes):
        cv2.circle(canvas, part["moles"][k].tolist(), int(sizes[k]), colour["mole"], -1, cv2.LINE_AA, SHIFT)
    fill("hair", colour["hair"])


def _in_front(canvas: Pixels, now: Shots, i: int, part: dict[str, Points], u: list[float]) -> None:
    """Glasses, and things between the face and the camera."""
    hidden, a, b = now.occlusion[i], u[10], u[11]
    tint = [255 * value for value in u[7:10]]
    rims = [part["rim_r"], part["rim_l"]]
    if hidden == 4:
        cv2.fillPoly(canvas, rims, [0.18 * value for value in tint], cv2.LINE_AA, SHIFT)
    if now.glasses[i] or hidden == 4:
        frame = (30 + 60 * a, 26 + 40 * a, 26.0)
        cv2.polylines(canvas, rims, True, frame, 1, cv2.LINE_AA, SHIFT)
        cv2.line(canvas, rims[0][8].tolist(), rims[1][8].tolist(), frame, 2, cv2.LINE_AA, SHIFT)
    if hidden == 1:
        place, size = (int(30 + 52 * a), int(100 + 10 * b)), (int(12 + 16 * b), int(12 + 8 * a))
        cv2.ellipse(canvas, place, size, 30 * (a - b), 0, 360, tint, -1)
    elif hidden == 2:
        edge = int(8 + 20 * a)
        canvas[:, slice(0, edge) if b < 0.5 else slice(SIZE - edge, SIZE)] = tint
    elif hidden == 3:
        cv2.circle(canvas, (SIZE * round(a), int(SIZE * b)), int(18 + 18 * abs(a - 0.5)), tint, -1)


def _camera(canvas: Pixels, now: Shots, i: int, bank: Banks, u: list[float]) -> Pixels:
    """Focus, exposure and colour cast, noise."""
    if now.blur[i] > 0.35:
        cv2.GaussianBlur(canvas, (5, 5), now.blur[i], dst=canvas)
    curve = (_LEVELS ** np.float32(now.gamma[i]))[:, None] * (255 * now.gain[i])
    exposed = cv2.LUT(canvas, np.minimum(curve, 255).astype(np.uint8)[None])
    grain = window(bank.grain, u[11], u[10])
    return np.asarray(cv2.addWeighted(exposed, 1.0, grain, now.noise[i], -128 * now.noise[i]), np.uint8)
