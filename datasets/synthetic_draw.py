"""The painter of drawn faces: from the latents of a person and of a picture to 112 x 112 pixels.

Colours are flat; light is a layer of its own (a shaded ellipsoid for the head, painted darks and lights for its relief)
that multiplies them, then the camera's exposure, colour cast, blur and noise follow. Everything is OpenCV drawing on
small canvases and a few vectorized operations, about a millisecond a face on one core.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from .base import SIZE
from .synthetic_features import aged
from .synthetic_people import Floats, Person, Series, Shot, hair_colour, person, shot
from .synthetic_shape import SHIFT, Sketch, sketch

Pixels: TypeAlias = NDArray[np.uint8]
Points: TypeAlias = NDArray[np.int32]

_HALF = SIZE // 2  # relief is soft: it is painted at half the size
_COARSE = SIZE // 4  # light is smooth: it is computed at a quarter
_AXIS = (np.arange(_COARSE, dtype=np.float32) + 0.5) * 4 - 0.5
_LEVELS = np.arange(256, dtype=np.float32) / 255


class Banks(NamedTuple):
    """Textures made once; a picture takes a piece of each."""

    scenes: Pixels
    """[64, 160, 160, 3], blurred backgrounds of many colours."""
    grain: Pixels
    """[160, 160, 3], camera noise about 128."""
    strands: Pixels
    """[160, 160], streaks of hair about 128."""
    skin: Pixels
    """[160, 160], unevenness of skin about 128."""


@cache
def banks() -> Banks:
    """Make the textures, always the same."""
    rng = np.random.Generator(np.random.Philox(key=[1, 1]))
    scenes = np.empty((64, 160, 160, 3), np.uint8)
    for scene in scenes:
        n = int(rng.integers(2, 9))
        base = rng.uniform(20, 235) + rng.normal(0, 30, 3)
        coarse = base + rng.normal(0, rng.uniform(8, 45), (n, n, 1)) + rng.normal(0, 14, (n, n, 3))
        scene[:] = cv2.resize(np.clip(coarse, 0, 255).astype(np.uint8), (160, 160), interpolation=cv2.INTER_CUBIC)
    grain = np.clip(128 + 100 * rng.standard_normal((160, 160, 3)), 0, 255).astype(np.uint8)
    noise = rng.standard_normal((160, 160)).astype(np.float32)
    strands = cv2.GaussianBlur(noise, (0, 0), sigmaX=0.8, sigmaY=6)
    skin = cv2.GaussianBlur(noise[::-1], (0, 0), 1.2)
    return Banks(
        scenes,
        grain,
        np.clip(128 + 34 * strands / strands.std(), 0, 255).astype(np.uint8),
        np.clip(128 + 4 * skin / skin.std(), 0, 255).astype(np.uint8),
    )


def draw(*, seed: int, identity: int, image: int, series: Series = "ordinary") -> Pixels:
    """uint8 [SIZE, SIZE, 3], RGB: picture `image` of one person."""
    who = person(seed=seed, identity=identity)
    return paint(who, shot(who, seed=seed, identity=identity, image=image, series=series))


def paint(who: Person, now: Shot) -> Pixels:
    """uint8 [SIZE, SIZE, 3], RGB: this person under these circumstances."""
    drawn = sketch(who, now)
    bank = banks()
    x, y = int(now.u[0] * 48), int(now.u[1] * 48)
    canvas = bank.scenes[now.background, y : y + SIZE, x : x + SIZE].copy()
    _flat_colours(canvas, who, now, drawn, bank)
    cv2.multiply(canvas, _light(who, now, drawn), dst=canvas, scale=1 / 128)
    _in_front(canvas, now, drawn)
    return _camera(canvas, now, bank)


def _fill(canvas: Pixels, points: Points, colour: Floats | tuple[float, ...]) -> None:
    cv2.fillPoly(canvas, [points], tuple(colour), cv2.LINE_AA, SHIFT)


def _line(canvas: Pixels, points: Points, colour: Floats | tuple[float, ...], thickness: int = 1) -> None:
    cv2.polylines(canvas, [points], False, tuple(colour), thickness, cv2.LINE_AA, SHIFT)


def _flat_colours(canvas: Pixels, who: Person, now: Shot, drawn: Sketch, bank: Banks) -> None:
    """Paint skin, hair and features, from the back to the front."""
    part, old = drawn.parts, aged(now.age)
    skin = who.skin * (1 - 0.04 * old)
    hair = hair_colour(who, now.age)
    near, far = ("l", "r") if now.yaw > 0 else ("r", "l")
    _fill(canvas, part["bald"], 0.72 * hair)
    _fill(canvas, part["neck"], 0.82 * skin)
    _fill(canvas, part["shirt"], 255 * now.u[2:5])
    _fill(canvas, part["ear_" + far], 0.88 * skin)
    _fill(canvas, part["head"], skin)
    _fill(canvas, part["ear_" + near], 0.9 * skin)
    if who.beard:
        _beard(canvas, who, now, part, 0.9 * hair, skin)
    nose = np.concatenate((part["side_r"], part["side_l"], part["ridge"]))
    _fill(canvas, cv2.convexHull(nose)[:, 0], skin)
    for side in ("r", "l"):
        _fill(canvas, part["nostril_" + side], 0.42 * skin)

    red = skin * (1 - who.lips * np.array([0.12, 0.36, 0.3]))
    _fill(canvas, part["mouth"], (70, 24, 26) if now.open > 0.1 else 0.5 * red)
    if now.open > 0.1 or now.smile > 0.6:
        _fill(canvas, ((part["mouth"][2:5] + part["upper_lip"][[9, 10, 11][::-1]]) // 2)[:, :], (235, 230, 220))
        teeth = part["mouth"][1:6]
        _fill(canvas, np.concatenate((teeth, (0.55 * teeth + 0.45 * part["mouth"][12:7:-1]).astype(np.int32)[::-1])), (228, 222, 210))
    _fill(canvas, part["upper_lip"], 0.9 * red)
    _fill(canvas, part["lower_lip"], red)
    dark = 0.5 * skin * np.array([1.0, 0.85, 0.85])
    for side in ("r", "l"):
        _fill(canvas, part["eye_" + side], (226, 220, 214))
        _fill(canvas, part["iris_" + side], who.iris)
        _fill(canvas, part["pupil_" + side], (16, 12, 12))
        _line(canvas, part["lid_" + side], 0.35 * dark, 1)
        _fill(canvas, part["brow_" + side], 0.62 * hair + 0.12 * skin)
    for place, size in zip(part["moles"], who.moles[:, 2], strict=True):
        if size:
            cv2.circle(canvas, place.tolist(), int(size * drawn.scale * 16), tuple(0.4 * skin), -1, cv2.LINE_AA, SHIFT)
    _fill(canvas, part["hair"], hair)


def _beard(canvas: Pixels, who: Person, now: Shot, part: dict[str, Points], hair: Floats, skin: Floats) -> None:
    """Stubble, moustache, goatee or full beard: skin and hair mixed by how much is there."""
    thick = (0.0, 0.35, 0.85, 0.85, 0.85)[who.beard] * now.shaven
    colour = skin + thick * (hair - skin)
    if who.beard in (1, 4):
        _fill(canvas, part["beard"], colour)
    if who.beard in (2, 3):
        _fill(canvas, part["moustache" if who.beard == 2 else "goatee"], colour)


def _light(who: Person, now: Shot, drawn: Sketch) -> Pixels:
    """uint8 [SIZE, SIZE, 3], what multiplies the colours, 128 being one: relief and the shaded head."""
    relief = np.full((_HALF, _HALF), 128, np.uint8)
    part, old = drawn.parts, aged(now.age)
    lx, ly = float(now.light[0]), float(now.light[1])
    deep = 1.35 - now.ambient

    def dark(name: str, amount: float) -> None:
        cv2.fillPoly(relief, [part[name]], 128 - amount, cv2.LINE_AA, SHIFT + 1)

    def stroke(name: str, amount: float, thickness: int = 2) -> None:
        cv2.polylines(relief, [part[name]], False, 128 - amount, thickness, cv2.LINE_AA, SHIFT + 1)

    for side, sign in (("r", 1), ("l", -1)):
        dark("side_" + side, deep * (18 - 30 * sign * lx))
        dark("cheek_" + side, -7 - 6 * sign * lx)
        stroke("crease_" + side, 16 + 10 * old)
        stroke("bag_" + side, 9 + 26 * old)
        stroke("fold_" + side, 6 + 14 * max(now.smile, 0) + 26 * old)
        if old > 0.3:
            stroke("jowl_" + side, 20 * old)
    stroke("ridge", -26 - 10 * ly, 2)
    stroke("under_lip", 22 * deep)
    stroke("philtrum", 8)
    relief = cv2.blur(cv2.blur(relief, (3, 3)), (3, 3))
    if old > 0.05:
        lines = part["frown"].reshape(3, -1, 2)
        cv2.polylines(relief, list(lines), False, 128 - 42 * min(old, 1), 1, cv2.LINE_AA, SHIFT + 1)
        crow = np.concatenate((part["crow_r"].reshape(3, 2, 2), part["crow_l"].reshape(3, 2, 2)))
        cv2.polylines(relief, list(crow), False, 128 - 36 * min(old, 1), 1, cv2.LINE_AA, SHIFT + 1)
    bank = banks()
    x, y = int(now.u[5] * 48), int(now.u[6] * 48)
    full = cv2.resize(relief, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    full = cv2.multiply(full, bank.skin[y : y + SIZE, x : x + SIZE], scale=1 / 128)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(mask, [part["hair"], part["brow_l"], part["brow_r"]], 255, cv2.LINE_8, SHIFT)
    cv2.copyTo(bank.strands[y : y + SIZE, x : x + SIZE], mask, full)

    nx = (_AXIS - drawn.centre[0]) / (1.08 * drawn.radii[0])
    ny = (_AXIS - drawn.centre[1]) / (1.12 * drawn.radii[1])
    flat = nx * nx + (ny * ny)[:, None]
    toward = np.sqrt(np.maximum(1 - flat, 0)) * now.light[2] + (nx * lx + (ny * ly)[:, None])
    shade = now.ambient + (1.05 - 0.6 * now.ambient) * np.maximum(toward, 0)
    smooth = cv2.resize(np.minimum(128 * shade, 255).astype(np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return cv2.cvtColor(cv2.multiply(full, smooth, scale=1 / 128), cv2.COLOR_GRAY2BGR)


def _in_front(canvas: Pixels, now: Shot, drawn: Sketch) -> None:
    """Glasses, and things between the face and the camera."""
    part = drawn.parts
    tint = tuple(255 * now.u[7:10])
    if now.occlusion == 4:
        for side in ("r", "l"):
            _fill(canvas, part["rim_" + side], 0.18 * 255 * now.u[7:10])
    if now.glasses or now.occlusion == 4:
        frame = (30 + 60 * now.u[10], 26 + 40 * now.u[10], 26)
        for side in ("r", "l"):
            cv2.polylines(canvas, [part["rim_" + side]], True, frame, 1, cv2.LINE_AA, SHIFT)
        _line(canvas, np.stack((part["rim_r"][8], part["rim_l"][8])), frame, 2)
    a, b = now.u[10:12]
    if now.occlusion == 1:
        cv2.ellipse(canvas, (int(30 + 52 * a), int(100 + 10 * b)), (int(12 + 16 * b), int(12 + 8 * a)), 30 * (a - b), 0, 360, tint, -1)
    elif now.occlusion == 2:
        edge = int(8 + 20 * a)
        left, right = (0, edge) if b < 0.5 else (SIZE - edge, SIZE)
        cv2.rectangle(canvas, (left, 0), (right, SIZE), tint, -1)
    elif now.occlusion == 3:
        cv2.circle(canvas, (int(SIZE * round(a)), int(SIZE * b)), int(18 + 18 * abs(a - 0.5)), tint, -1)


def _camera(canvas: Pixels, now: Shot, bank: Banks) -> Pixels:
    """Focus, exposure and colour cast, noise."""
    if now.blur > 0.35:
        canvas = cv2.GaussianBlur(canvas, (5, 5), now.blur)
    curve = (_LEVELS**now.gamma)[:, None] * (255 * now.gain)
    table = np.minimum(curve, 255).astype(np.uint8)
    canvas = cv2.LUT(canvas, table.reshape(256, 1, 3))
    x, y = int(now.u[11] * 48), int(now.u[10] * 48)
    grain = bank.grain[y : y + SIZE, x : x + SIZE]
    return np.asarray(cv2.addWeighted(canvas, 1.0, grain, now.noise, -128 * now.noise))
