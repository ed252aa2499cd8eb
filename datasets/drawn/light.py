"""Light and textures of drawn faces."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from ..base import SIZE
from .features import aged
from .latents import Shots
from .shape import SHIFT, Sketches

Pixels: TypeAlias = NDArray[np.uint8]

_BANK = 160  # side of a texture; a picture takes a window of it
_HALF = SHIFT + 1  # relief is soft: it is painted at half the size
_COARSE = SIZE // 4  # light is smooth: it is computed at a quarter
_AXIS = (np.arange(_COARSE) + 0.5) * 4 - 0.5


class Banks(NamedTuple):
    """Textures made once, always the same."""

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
    """Make the textures."""
    rng = np.random.Generator(np.random.Philox(key=[1, 1]))
    scenes = np.empty((64, _BANK, _BANK, 3), np.uint8)
    for scene in scenes:
        n = int(rng.integers(2, 9))
        base = rng.uniform(30, 225) + rng.normal(0, 22, 3)
        coarse = base + rng.normal(0, rng.uniform(8, 45), (n, n, 1)) + rng.normal(0, 9, (n, n, 3))
        scene[:] = cv2.resize(np.clip(coarse, 0, 255).astype(np.uint8), (_BANK, _BANK), interpolation=cv2.INTER_CUBIC)
    grain = np.clip(128 + 100 * rng.standard_normal((_BANK, _BANK, 3)), 0, 255).astype(np.uint8)
    noise = rng.standard_normal((_BANK, _BANK)).astype(np.float32)
    strands = cv2.GaussianBlur(noise, (0, 0), sigmaX=0.8, sigmaY=6)
    skin = cv2.GaussianBlur(noise[::-1], (0, 0), 1.2)
    return Banks(
        scenes,
        grain,
        np.clip(128 + 22 * strands / strands.std(), 0, 255).astype(np.uint8),
        np.clip(128 + 4 * skin / skin.std(), 0, 255).astype(np.uint8),
    )


def window(texture: Pixels, right: float, down: float) -> Pixels:
    """The SIZE x SIZE piece of a texture at these shares of its spare room."""
    x, y = int(right * (_BANK - SIZE)), int(down * (_BANK - SIZE))
    return texture[y : y + SIZE, x : x + SIZE]


def light(now: Shots, sketches: Sketches, i: int, part: dict[str, NDArray[np.int32]]) -> Pixels:
    """uint8 [SIZE, SIZE, 3], what multiplies the colours, 128 being one: relief, texture and the shaded head."""
    bank, u = banks(), now.u[i]
    layer = cv2.resize(_relief(now, i, part), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    layer = cv2.multiply(layer, window(bank.skin, u[5], u[6]), scale=1 / 128)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(mask, [part["hair"]], 255, cv2.LINE_8, SHIFT)
    cv2.fillPoly(mask, [part["brow_r"], part["brow_l"]], 255, cv2.LINE_8, SHIFT)
    cv2.copyTo(window(bank.strands, u[5], u[6]), mask, layer)

    # the visible head as half an ellipsoid under one distant light
    x = (_AXIS - sketches.centre[i, 0]) / (1.08 * sketches.radii[i, 0])
    y = ((_AXIS - sketches.centre[i, 1]) / (1.12 * sketches.radii[i, 1]))[:, None]
    z = np.sqrt(np.maximum(1 - x * x - y * y, 0))
    toward = now.light[i, 0] * x + now.light[i, 1] * y + now.light[i, 2] * z
    ambient = now.ambient[i]
    shade = ambient + (1.05 - 0.6 * ambient) * np.maximum(toward, 0)
    smooth = cv2.resize(np.minimum(128 * shade, 255).astype(np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(cv2.multiply(layer, smooth, scale=1 / 128), cv2.COLOR_GRAY2BGR))


def _relief(now: Shots, i: int, part: dict[str, NDArray[np.int32]]) -> Pixels:
    """uint8 [SIZE / 2, SIZE / 2], about 128: the darks and lights of nose, cheeks, folds and wrinkles."""
    canvas = np.full((SIZE // 2, SIZE // 2), 128, np.uint8)
    across, down = float(now.light[i, 0]), float(now.light[i, 1])
    deep = 1.35 - float(now.ambient[i])
    old, grin = float(aged(now.age[i])), max(float(now.smile[i]), 0.0)

    def stroke(amount: float, *names: str) -> None:
        cv2.polylines(canvas, [part[name] for name in names], False, 128 - amount, 2, cv2.LINE_AA, _HALF)

    for side, sign in (("_r", 1), ("_l", -1)):
        cv2.fillPoly(canvas, [part["side" + side]], 128 - deep * (18 - 30 * sign * across), cv2.LINE_AA, _HALF)
        cv2.fillPoly(canvas, [part["cheek" + side]], 135 + 6 * sign * across, cv2.LINE_AA, _HALF)
    stroke(16 + 10 * old, "crease_r", "crease_l")
    stroke(9 + 26 * old, "bag_r", "bag_l")
    stroke(6 + 14 * grin + 26 * old, "fold_r", "fold_l")
    if old > 0.3:
        stroke(20 * old, "jowl_r", "jowl_l")
    stroke(-26 - 10 * down, "ridge")
    stroke(22 * deep, "under_lip")
    stroke(8, "philtrum")
    for _ in range(2):
        cv2.blur(canvas, (3, 3), dst=canvas)
    if old > 0.05:
        lines = [*part["frown"].reshape(3, -1, 2), *part["crow_r"].reshape(3, 2, 2), *part["crow_l"].reshape(3, 2, 2)]
        cv2.polylines(canvas, lines, False, 128 - 38 * min(old, 1), 1, cv2.LINE_AA, _HALF)
    return np.asarray(canvas)
