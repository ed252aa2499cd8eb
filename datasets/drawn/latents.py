"""The latents of drawn faces: who a person is, and under what circumstances one picture of them was taken.

Every number is a pure function of (seed, identity, picture): a counter-based generator (Philox: Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC 2011) is keyed by the seed and counted by identity and picture, and
only its raw words are used, so neither the order, the thread, the process nor a new NumPy changes a face.

Lengths are in pixels of the aligned 112 x 112 crop (35 px between the eyes), angles in radians, ages in years. B is the
number of pictures; a person is repeated for each of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Series: TypeAlias = Literal["ordinary", "frontal", "profile", "young", "old"]
"""Under what kind of circumstances pictures are taken; all but `ordinary` fix the pose or the age."""

_TAG = 0x66616365  # the second half of the generator's key: no other use of the same seed meets these numbers
_NORMALS, _UNIFORMS = 64, 48
_CUT = 2.2  # normals end here, so that no face is a monster

_SKIN_AT = np.array([0.0, 0.3, 0.55, 0.8, 1.0])
_SKIN = np.array([[240, 205, 186], [224, 178, 148], [192, 142, 108], [142, 98, 72], [98, 66, 50]], dtype=float)
_HAIR = np.array(
    [[34, 29, 28], [62, 45, 35], [98, 68, 46], [150, 112, 74], [200, 166, 112], [146, 74, 42]], dtype=float
)
_IRIS = np.array([[62, 40, 26], [92, 64, 36], [96, 104, 70], [92, 122, 146]], dtype=float)
_STYLES = np.array([[3, 4, 4, 2, 1, 5, 4], [0, 1, 1, 5, 0, 2, 3]])


def _draws(seed: int, identities: Sequence[int], pictures: Sequence[int]) -> tuple[Floats, Floats]:
    """Standard normals [B, 64] and uniforms [B, 48]."""
    raw = np.empty((len(identities), _NORMALS + _UNIFORMS), np.uint64)
    bits = np.random.Philox(key=[seed, _TAG])
    state = bits.state
    for row, identity, picture in zip(raw, identities, pictures, strict=True):
        # setting the counter costs a quarter of making another generator
        state["state"]["counter"] = np.array([0, picture, identity, 0], np.uint64)
        bits.state = state
        row[:] = bits.random_raw(_NORMALS + _UNIFORMS)
    unit = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    half = _NORMALS // 2
    radius = np.sqrt(-2.0 * np.log(unit[:, :half]))
    turn = 2.0 * np.pi * unit[:, half:_NORMALS]
    normal = np.concatenate((radius * np.cos(turn), radius * np.sin(turn)), axis=1)
    return np.clip(normal, -_CUT, _CUT), unit[:, _NORMALS:]


class People(NamedTuple):
    """What stays: the identity. Proportions vary more than in life, so that 112 pixels and a small network suffice."""

    shape: Floats
    """[B, 28], the proportions that `synthetic_features` and `synthetic_shape` use, each standard normal."""
    masculine: Floats
    """[B] in [0, 1], two soft clusters: moves jaw, brows and hair, and lets a beard grow."""
    tone: Floats
    """[B] in [0, 1], darkness of the skin."""
    skin: Floats
    hair: Floats
    iris: Floats
    """[B, 3] each, RGB in 0..255, in white light."""
    lips: Floats
    """[B] in [0, 1], how much redder than the skin the lips are."""
    style: Integers
    """[B], hair: 0 cropped, 1 parted, 2 fringe, 3 chin-long, 4 long, 5 swept back."""
    parting: Floats
    """[B] in [-1, 1], the side of the parting."""
    curl: Floats
    """[B] in [0, 1], waviness of the outline of the hair."""
    balding: Floats
    """[B] in [0, 1], how far the hairline goes back with age."""
    beard: Integers
    """[B], 0 none, 1 stubble, 2 moustache, 3 goatee, 4 full."""
    glasses: Flags
    """[B], whether the person usually wears glasses."""
    frame: Floats
    """[B] in [0, 1], form of the glasses from round to square."""
    moles: Floats
    """[B, 6, 3]: x, y on the face and radius; a radius of 0 is no mole."""
    age: Floats
    """[B], about which the ages in ordinary pictures lie."""


def people(*, seed: int, identities: Sequence[int]) -> People:
    """The identity latents of these people."""
    known, inverse = np.unique(np.asarray(identities, np.int64), return_inverse=True)
    normal, unit = _draws(seed, known.tolist(), [0] * len(known))
    n, u = normal[inverse], unit[inverse]
    masculine = np.clip(np.where(u[:, 0] < 0.5, 0.22, 0.78) + 0.1 * n[:, 30], 0, 1)
    male = masculine > 0.5
    tone = np.clip(0.32 + 0.22 * n[:, 31], 0, 1)
    skin = np.stack([np.interp(tone, _SKIN_AT, _SKIN[:, c]) for c in range(3)], axis=1) * (1 + 0.025 * n[:, 32:35])
    dark = (tone > 0.6) | (u[:, 1] < 0.3)
    pick = u[:, 2] * np.where(dark, 1.6, 4.0)
    low = np.minimum(pick.astype(np.int64), 3)
    hair = _HAIR[low] + (pick - low)[:, None] * (_HAIR[low + 1] - _HAIR[low])
    red = ~dark & (u[:, 3] < 0.1)
    radii = np.where(u[:, 4:10] < 0.3, 0.9 + 0.9 * u[:, 10:16], 0.0)
    return People(
        shape=n[:, :28],
        masculine=masculine,
        tone=tone,
        skin=skin,
        hair=np.where(red[:, None], _HAIR[5] + 10 * n[:, 35:38], hair),
        iris=_IRIS[np.where(dark, 0, u[:, 16] * 4).astype(np.int64)],
        lips=0.3 + 0.7 * u[:, 17],
        style=_STYLES[male.astype(np.int64), (u[:, 18] * 7).astype(np.int64)],
        parting=2 * u[:, 19] - 1,
        curl=u[:, 20] ** 2,
        balding=np.where(male & (u[:, 22] < 0.6), u[:, 21], 0.0),
        beard=np.where(male, (u[:, 23] * 5).astype(np.int64), 0),
        glasses=u[:, 24] < 0.22,
        frame=u[:, 25],
        moles=np.stack((n[:, 38:44] * 17, 14 + n[:, 44:50] * 18, radii), axis=2),
        age=22 + 38 * u[:, 27],
    )


class Shots(NamedTuple):
    """What changes from picture to picture: the nuisance."""

    yaw: Floats
    """[B], positive where the face looks towards the right edge of the picture."""
    pitch: Floats
    """[B], positive where it looks up."""
    age: Floats
    smile: Floats
    """[B] in [-0.4, 1]."""
    open: Floats
    """[B] in [0, 1], how far the mouth is open."""
    lids: Floats
    """[B], how far the eyes are open, about 1."""
    gaze: Floats
    """[B, 2]."""
    brows: Floats
    light: Floats
    """[B, 3], the unit vector towards the light: right, down, towards the camera."""
    ambient: Floats
    gain: Floats
    """[B, 3], colour and strength of the light."""
    gamma: Floats
    blur: Floats
    """[B], standard deviation in pixels."""
    noise: Floats
    align: Floats
    """[B, 4], error of the alignment: log scale, roll, x and y in pixels."""
    background: Integers
    occlusion: Integers
    """[B], 0 none, 1 something before the mouth, 2 along a side, 3 at an edge, 4 sunglasses."""
    glasses: Flags
    shaven: Floats
    """[B] in [0, 1], the share of the beard that is there."""
    hair: Floats
    """[B, 3], how the hair lies today: volume, length, hairline."""
    u: Floats
    """[B, 12], uniforms for the painter: places in the textures, colours of clothes and of what hides the face."""


def shots(who: People, *, seed: int, identities: Sequence[int], images: Sequence[int], series: Series) -> Shots:
    """The circumstances of these pictures, image number by person."""
    n, u = _draws(seed, identities, [image + 1 for image in images])
    side = np.where(u[:, 0] < 0.5, -1.0, 1.0)
    yaw = {
        "ordinary": np.where(u[:, 0] < 0.87, 0.22 * n[:, 0], 2 * u[:, 1] - 1),
        "profile": side * (0.62 + 0.42 * u[:, 1]),
    }.get(series, 0.2 * n[:, 0] if series in ("young", "old") else 0.09 * n[:, 0])
    age = {"young": 20 + 10 * u[:, 2], "old": 52 + 12 * u[:, 2]}.get(series, who.age + 7 * n[:, 1])
    azimuth, height = 0.75 * n[:, 2], 0.35 + 0.3 * n[:, 3]
    # so strong a cast that a network which has learned nothing cannot tell people by their colours either
    warmth = 0.22 * n[:, 4]
    colour = np.stack((warmth, 0.16 * n[:, 6], -warmth), axis=1)
    return Shots(
        yaw=yaw,
        pitch=0.11 * n[:, 7],
        age=np.clip(age, 16, 85),
        smile=np.clip(0.3 + 0.45 * n[:, 8], -0.4, 1),
        open=np.where(u[:, 7] < 0.3, u[:, 6], 0.0),
        lids=np.clip(1 + 0.14 * n[:, 9], 0.35, 1.3),
        gaze=n[:, 10:12] * (0.9, 0.35),
        brows=0.8 * n[:, 12],
        light=np.stack((np.sin(azimuth) * np.cos(height), -np.sin(height), np.cos(azimuth) * np.cos(height)), axis=1),
        ambient=0.42 + 0.4 * u[:, 8],
        gain=np.exp(0.3 * n[:, 5:6] + colour),
        gamma=np.exp(0.14 * n[:, 13]),
        blur=0.5 * np.maximum(0.0, n[:, 14]),
        noise=0.015 + 0.04 * abs(n[:, 15]),
        align=n[:, 16:20] * (0.015, 0.025, 0.7, 0.7),
        background=(u[:, 9] * 64).astype(np.int64),
        occlusion=np.where(u[:, 4] < 0.09, 1 + (u[:, 5] * 4).astype(np.int64), 0),
        glasses=u[:, 3] < np.where(who.glasses, 0.85, 0.03),
        shaven=np.where(u[:, 10] < 0.75, 1.0, u[:, 11]),
        hair=n[:, 20:23],
        u=u[:, 12:24],
    )
