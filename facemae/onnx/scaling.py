"""How pixels are scaled for a foreign recognizer, and whether a file's own first nodes fit what was declared of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..runtime.checkpoint import WeightsError
from .first_nodes import Inside

Preset: TypeAlias = Literal["arcface", "arcface128", "imagenet", "raw", "unit"]
"""(x - 127.5) / 127.5; (x - 127.5) / 128; ImageNet's mean and deviation; 0..255; 0..1; of RGB, x in 0..255."""

_IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # mean and deviation in 0..255, as in torchvision
SCALES: Final[dict[str, tuple[Any, Any]]] = {
    "arcface": (127.5, 127.5),
    "arcface128": (127.5, 128.0),
    "imagenet": _IMAGENET,
    "raw": (0.0, 1.0),
    "unit": (0.0, 255.0),
}
_WORDS: Final = {
    "arcface": "(x - 127.5) / 127.5", "arcface128": "(x - 127.5) / 128", "imagenet": "ImageNet's mean and deviation",
    "raw": "0..255", "unit": "0..1",
}  # fmt: skip
_MIDDLE = 0.75
"""Of grey behind a normalisation: at most so far from 0 (ImageNet's is 0.4, x / 255 has 0.5)."""
_SPAN = (0.8, 20.0)
"""From black to white behind a normalisation: x / 255 has 1, ImageNet's 4.5; bytes have 255."""
_MOVED = 1e-3
"""A sum of less is what rounding left."""
_SHRINKS = 0.1
"""A product by more, without a mean that is taken off, says nothing of what comes in."""
_OFF = 0.35
"""Of the way from black to white: so far from 0 may grey be where only a mean is taken off."""


def compared(path: Path, declared: str, inside: Inside | None) -> str:
    """Compare a file's own normalisation with the declared preprocessing.

    A file is refused where its first nodes bring pixels near -1..1 from what another preprocessing gives, and far from
    it from what was declared.

    Args:
        path: of the model, for messages.
        declared: one of `SCALES`.
        inside: what the file does to its pixels.

    Returns:
        What errors say of the preprocessing besides; empty where the file says nothing against it.

    Raises:
        WeightsError: another preprocessing fits, and the declared one does not.
    """
    moved = inside is not None and bool((np.abs(inside.shift) > _MOVED).any())
    if inside is None or (not moved and np.allclose(inside.scale, 1, atol=0.05)):
        return ""
    tells = bool(moved or (inside.scale <= _SHRINKS).all())
    for fit in (_normal, _centred):
        if fit(declared, inside):
            return ""
        fits = [name for name in SCALES if fit(name, inside)]
        if fits and tells:
            raise other(path, declared, fits, f"its first nodes normalise pixels themselves ({inside})")
    return f", but the file's first nodes change pixels themselves ({inside}): look up what it expects"


def other(path: Path, declared: str, fits: Sequence[str], why: str) -> WeightsError:
    """The error of a file that expects another preprocessing.

    Args:
        path: of the model.
        declared: what was said of it.
        fits: what it may expect, at least one.
        why: what in the file says so.
    """
    words = " or ".join(f"{name} ({_WORDS[name]})" for name in fits)
    return WeightsError(
        f"judge {path}: preprocessing: declared {declared} ({_WORDS[declared]}), but {why}, which fits {words}; "
        f"declare that: --set attack.preprocessing={fits[0]}, or in `judges` preprocessing: {fits[0]}"
    )


def _normal(preset: str, inside: Inside) -> bool:
    """Whether black and white end where networks like them."""
    middles, spans = _ends(preset, inside)
    return bool((middles <= _MIDDLE).all() and (spans >= _SPAN[0]).all() and (spans <= _SPAN[1]).all())


def _centred(preset: str, inside: Inside) -> bool:
    """Whether grey ends near zero, as where only a mean is taken off and the first convolution does the rest."""
    middles, spans = _ends(preset, inside)
    return bool((np.abs(inside.shift) > _MOVED).any() and (middles <= _OFF * spans).all())


def _ends(preset: str, inside: Inside) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far grey is from 0, and black from white, behind both normalisations, one number a channel."""
    mean, deviation = (np.broadcast_to(np.asarray(number, np.float64), 3) for number in SCALES[preset])
    black, white = (inside.of((np.full(3, x) - mean) / deviation) for x in (0.0, 255.0))
    return np.abs(black + white) / 2, np.abs(white - black)
