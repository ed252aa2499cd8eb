"""The latents of drawn faces: who a person is, and under what circumstances one picture of them was taken.

Every number is a pure function of (seed, identity, picture): a counter-based generator (Philox: Salmon et al., "Parallel
random numbers: as easy as 1, 2, 3", SC 2011) is keyed by the seed and counted by identity and picture, and only its raw
words are used, so neither the order, the thread, the process nor a new NumPy changes a face.

Lengths are in pixels of the aligned 112 x 112 crop (35 px between the eyes), angles in radians, ages in years.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Series: TypeAlias = Literal["ordinary", "frontal", "profile", "young", "old"]
"""Under what kind of circumstances a picture is taken; all but `ordinary` fix the pose or the age."""

_TAG = 0x66616365  # the second half of the generator's key: no other use of the same seed meets these numbers
_NORMALS, _UNIFORMS = 64, 48

_SKIN_AT = np.array([0.0, 0.3, 0.55, 0.8, 1.0])
_SKIN = np.array([[240, 205, 186], [224, 178, 148], [192, 142, 108], [142, 98, 72], [98, 66, 50]], dtype=float)
_HAIR = np.array([[34, 29, 28], [62, 45, 35], [98, 68, 46], [150, 112, 74], [200, 166, 112], [146, 74, 42]], dtype=float)
_GREY = np.array([178.0, 176.0, 174.0])
_IRIS = np.array([[62, 40, 26], [92, 64, 36], [96, 104, 70], [92, 122, 146]], dtype=float)


def _draws(seed: int, identity: int, picture: int) -> tuple[Floats, Floats]:
    """Standard normals (cut at 2.2, so that no face is a monster) and uniforms for one person or picture."""
    bits = np.random.Philox(counter=[0, picture, identity, 0], key=[seed, _TAG])
    raw = bits.random_raw(_NORMALS + _UNIFORMS) >> np.uint64(11)
    unit = (raw + 0.5) * 2.0**-53
    half = _NORMALS // 2
    radius = np.sqrt(-2.0 * np.log(unit[:half]))
    turn = 2.0 * np.pi * unit[half:_NORMALS]
    normal = np.concatenate((radius * np.cos(turn), radius * np.sin(turn)))
    return np.minimum(np.maximum(normal, -2.2), 2.2), unit[_NORMALS:]


class Person(NamedTuple):
    """What stays: the identity. `shape` is spread wider than in life, so that 112 pixels and a small network suffice."""

    shape: Floats
    """[28], the proportions of `synthetic_shape`, each standard normal."""
    masculine: float
    """In [0, 1], two soft clusters: moves jaw, brows and hair, and lets a beard grow."""
    tone: float
    """Darkness of the skin in [0, 1]."""
    skin: Floats
    hair: Floats
    iris: Floats
    """[3] each, RGB in 0..255, in white light."""
    lips: float
    """How much redder than the skin the lips are, in [0, 1]."""
    style: int
    """Hair: 0 cropped, 1 parted, 2 fringe, 3 chin-long, 4 long, 5 swept back."""
    parting: float
    """Side of the parting in [-1, 1]."""
    curl: float
    """Waviness of the outline of the hair in [0, 1]."""
    balding: float
    """At 60, the share of the upper hair that is gone, in [0, 1]."""
    beard: int
    """0 none, 1 stubble, 2 moustache, 3 goatee, 4 full."""
    glasses: bool
    """Whether the person usually wears glasses."""
    frame: float
    """Form of the glasses in [0, 1], from round to square."""
    moles: Floats
    """[6, 3]: x, y on the face and radius; a radius of 0 is no mole."""
    freckles: float
    base_age: float


def person(*, seed: int, identity: int) -> Person:
    """The identity latents of one person."""
    n, u = _draws(seed, identity, 0)
    masculine = float(np.clip((0.22 if u[0] < 0.5 else 0.78) + 0.1 * n[30], 0, 1))
    male = masculine > 0.5
    tone = float(np.clip(0.32 + 0.22 * n[31], 0, 1))
    skin = np.array([np.interp(tone, _SKIN_AT, _SKIN[:, c]) for c in range(3)]) * (1 + 0.025 * n[32:35])
    dark = tone > 0.6 or u[1] < 0.3
    pick = float(u[2]) * (1.6 if dark else 4.0)
    low = min(int(pick), 3)
    hair = _HAIR[low] + (pick - low) * (_HAIR[low + 1] - _HAIR[low])
    if not dark and u[3] < 0.1:
        hair = _HAIR[5] + 10 * n[35:38]
    moles = np.stack((n[38:44] * 17, 14 + n[44:50] * 18, np.where(u[4:10] < 0.3, 0.9 + 0.9 * u[10:16], 0.0)), axis=1)
    styles = (0, 1, 1, 5, 0, 2, 3) if male else (3, 4, 4, 2, 1, 5, 4)
    return Person(
        shape=n[:28],
        masculine=masculine,
        tone=tone,
        skin=skin,
        hair=hair,
        iris=_IRIS[0 if dark else int(u[16] * 4)],
        lips=float(0.3 + 0.7 * u[17]),
        style=styles[int(u[18] * 7)],
        parting=float(2 * u[19] - 1),
        curl=float(u[20] ** 2),
        balding=float(u[21]) if male and u[22] < 0.6 else 0.0,
        beard=int(u[23] * 5) if male else 0,
        glasses=bool(u[24] < 0.22),
        frame=float(u[25]),
        moles=moles,
        freckles=float(max(0.0, u[26] - 0.75) * 4 * (tone < 0.4)),
        base_age=float(22 + 38 * u[27]),
    )


class Shot(NamedTuple):
    """What changes from picture to picture: the nuisance."""

    yaw: float
    """Positive where the face looks towards the right edge of the picture."""
    pitch: float
    age: float
    smile: float
    """In [-0.4, 1]."""
    open: float
    """How far the mouth is open, in [0, 1]."""
    lids: float
    """How far the eyes are open, about 1."""
    gaze: tuple[float, float]
    brows: float
    light: Floats
    """[3], the unit vector towards the light: right, down, towards the camera."""
    ambient: float
    gain: Floats
    """[3], colour and strength of the light."""
    gamma: float
    blur: float
    """Standard deviation in pixels."""
    noise: float
    align: Floats
    """[4], error of the alignment: log scale, roll, x and y in pixels."""
    background: int
    occlusion: int
    """0 none, 1 something in front of the mouth, 2 of a side, 3 of a corner, 4 sunglasses."""
    glasses: bool
    shaven: float
    """Share of the beard that is there, in [0, 1]."""
    hair: Floats
    """[3], how the hair lies today: volume, length, hairline."""
    u: Floats
    """[12], uniforms for the painter: places in the texture banks, colours of the occluder and of the shirt."""


def shot(who: Person, *, seed: int, identity: int, image: int, series: Series = "ordinary") -> Shot:
    """The circumstances of picture `image` of one person."""
    n, u = _draws(seed, identity, image + 1)
    yaw = 0.26 * n[0] if u[0] < 0.82 else 1.0 * (2 * u[1] - 1)
    age = who.base_age + 7 * n[1]
    if series == "frontal":
        yaw = 0.09 * n[0]
    elif series == "profile":
        yaw = (0.62 + 0.42 * u[1]) * (1 if u[0] < 0.5 else -1)
    elif series == "young":
        age = 20 + 10 * u[2]
    elif series == "old":
        age = 52 + 12 * u[2]
    azimuth, height = 0.75 * n[2], 0.35 + 0.3 * n[3]
    light = np.array([np.sin(azimuth) * np.cos(height), -np.sin(height), np.cos(azimuth) * np.cos(height)])
    warmth = 0.17 * n[4]
    gain = np.exp(0.3 * n[5] + np.array([warmth, 0.06 * n[6], -warmth]))
    worn = u[3] < (0.85 if who.glasses else 0.03)
    hidden = 1 + int(u[5] * 4) if u[4] < 0.12 else 0
    return Shot(
        yaw=float(yaw),
        pitch=float(0.11 * n[7]),
        age=float(np.clip(age, 16, 85)),
        smile=float(np.clip(0.3 + 0.45 * n[8], -0.4, 1)),
        open=float(u[6] if u[7] < 0.3 else 0.0),
        lids=float(np.clip(1 + 0.14 * n[9], 0.35, 1.3)),
        gaze=(float(0.9 * n[10]), float(0.35 * n[11])),
        brows=float(0.8 * n[12]),
        light=light,
        ambient=float(0.42 + 0.4 * u[8]),
        gain=gain,
        gamma=float(np.exp(0.16 * n[13])),
        blur=float(0.6 * max(0.0, n[14])),
        noise=float(0.02 + 0.05 * abs(n[15])),
        align=n[16:20] * np.array([0.015, 0.025, 0.7, 0.7]),
        background=int(u[9] * 64),
        occlusion=hidden,
        glasses=bool(worn),
        shaven=1.0 if u[10] < 0.75 else float(u[11]),
        hair=n[20:23],
        u=u[12:24],
    )


def hair_colour(who: Person, age: float) -> Floats:
    """[3], RGB of the hair at an age: it greys from 38 on, sooner for some."""
    grey = np.clip((age - 42 + 5 * who.shape[27]) / 28, 0, 0.9)
    return np.asarray(who.hair + grey * (_GREY - who.hair))
