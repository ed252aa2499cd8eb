"""Where eyes, nose and mouth are in an aligned face.

Faces are aligned to the five-point template of ArcFace, so that the same pixels show the same part of every face.
Source of the points: insightface, `python-package/insightface/utils/face_align.py` (`arcface_dst`). How far a
part reaches around its points is our choice, in units of the distance between the eyes (35 pixels).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Region: TypeAlias = Literal["eyes", "nose", "mouth", "lower"]

TEMPLATE = 112
"""Side in pixels of the face that points and boxes are told for."""

LANDMARKS: dict[str, tuple[float, float]] = {
    "left eye": (38.2946, 51.6963),
    "right eye": (73.5318, 51.5014),
    "nose": (56.0252, 71.7366),
    "left corner of the mouth": (41.5493, 92.3655),
    "right corner of the mouth": (70.7299, 92.2041),
}
"""The template, (x, y) in pixels of TEMPLATE; left and right as the viewer sees them."""

BOXES: dict[Region, tuple[int, int, int, int]] = {
    "eyes": (16, 32, 96, 64),  # brows and lids, and 0.6 distances beyond the pupils
    "nose": (40, 48, 72, 80),  # bridge, tip and wings
    "mouth": (32, 80, 80, 104),  # lips, and 0.3 distances beyond the corners
    "lower": (0, 64, 112, 112),  # tip of the nose, mouth, cheeks and chin, up to the border
}
"""Left, top, right, bottom in pixels of TEMPLATE, half open; multiples of 8, so that patches of 8 fit all of them."""


def region_pixels(which: Sequence[Region], *, height: int = TEMPLATE, width: int = TEMPLATE) -> Tensor:
    """Which pixels have their centre in one of the regions: bool [height, width].

    Args:
        which: one region or several, such as `("eyes", "mouth")`.
        height: of the image in pixels; the template is stretched to it.
        width: likewise.

    Raises:
        ValueError: no region, or one that is not known.
    """
    unknown = sorted(set(which) - set(BOXES))
    if unknown or not which or isinstance(which, str):
        raise ValueError(f"regions: expected one or several of {', '.join(BOXES)}, got {unknown or which!r}")
    y = ((torch.arange(height) + 0.5) * TEMPLATE / height)[:, None]
    x = ((torch.arange(width) + 0.5) * TEMPLATE / width)[None]
    covered = torch.zeros(height, width, dtype=torch.bool)
    for left, top, right, bottom in (BOXES[region] for region in which):
        covered |= (x >= left) & (x < right) & (y >= top) & (y < bottom)
    return covered


def region_patches(patch: int, height: int, width: int, which: Sequence[Region]) -> Tensor:
    """Which patches touch one of the regions: bool [N], row by row, as `masking.patchify` cuts them.

    Args:
        patch: side of a patch in pixels.
        height: of the image in pixels.
        width: likewise.
        which: as for `region_pixels`.

    Raises:
        ValueError: the patch does not divide height and width, or as for `region_pixels`.
    """
    if patch < 1 or height % patch or width % patch:
        raise ValueError(
            f"patch {patch} does not divide an image of {height} x {width} pixels; expected a divisor of both"
        )
    cut = region_pixels(which, height=height, width=width).reshape(height // patch, patch, width // patch, patch)
    return cut.any(dim=3).any(dim=1).flatten()
