"""Ways to choose the patches that are hidden: at random, in one block, or eyes, nose and mouth first.

Everything follows from each image's own seed, as in `masking.random_mask`: no state, no dependence on the batch.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from .masking import Mask, random_mask, split, stream, visible_patches
from .model import Architecture
from .regions import region_patches

MaskKind: TypeAlias = Literal["random", "block", "face"]

_FACE = 0x5FACE
"""Keeps the numbers that choose regions apart from those that choose patches."""


def draw_mask(
    seeds: Tensor, architecture: Architecture, ratio: float, *, kind: MaskKind = "random", share: float = 1.0
) -> Mask:
    """Choose the hidden patches of each image.

    Args:
        seeds: int64 [B], one an image.
        architecture: image and patch size.
        ratio: share of the patches to hide, 0 <= ratio < 1; equal for all images.
        kind: `random` patches (MAE, section 3); one `block` of patches, as BEiT (arXiv 2106.08254, section
            2.3) hides, though there of several; or `face`, random but with eyes, nose and mouth of the aligned
            template hidden first (our reading of what should not be seen of a person).
        share: of the patches that touch eyes, nose or mouth, how many `face` always hides; 0 to 1.

    Raises:
        ValueError: a ratio out of range, or one that hides fewer patches than `face` has to.
    """
    if kind == "block":
        return block_mask(seeds, architecture.grid, ratio)
    if kind == "face":
        region = region_patches(architecture.patch, architecture.height, architecture.width, ("eyes", "nose", "mouth"))
        return face_mask(seeds, region, ratio, share=share)
    return random_mask(seeds, architecture.patches, ratio)


def block_mask(seeds: Tensor, grid: tuple[int, int], ratio: float) -> Mask:
    """Hide one rectangle of patches: those nearest to a random centre, its sides in a ratio from 0.3 to 1 / 0.3."""
    rows, columns = grid
    patches = rows * columns
    if not 0 <= ratio < 1:
        raise ValueError(f"ratio: expected 0 <= ratio < 1, got {ratio}")
    chance = _uniform(stream(stream(seeds, 1)[:, 0], 3))
    down = (torch.arange(patches, device=seeds.device) // columns + 0.5) / rows
    across = (torch.arange(patches, device=seeds.device) % columns + 0.5) / columns
    stretch = torch.exp((chance[:, 2:] - 0.5) * math.log(1 / 0.3))  # square root of the ratio of the sides
    distance = torch.maximum(
        (down.double() - chance[:, :1]).abs() * stretch, (across.double() - chance[:, 1:2]).abs() / stretch
    )
    return split(distance.argsort(dim=1, descending=True, stable=True), visible_patches(patches, ratio))


def face_mask(seeds: Tensor, region: Tensor, ratio: float, *, share: float = 1.0) -> Mask:
    """Hide a share of the region's patches in any case, and others at random until `ratio` is reached.

    Args:
        seeds: int64 [B].
        region: bool [N], patches that touch the region.
        ratio: share of all patches to hide.
        share: of the region's patches; which ones is drawn anew for each image.

    Raises:
        ValueError: the ratio hides fewer patches than that.
    """
    region = region.to(seeds.device)
    patches, must = len(region), math.ceil(share * int(region.sum()))
    visible = visible_patches(patches, ratio)
    if must > patches - visible:
        raise ValueError(
            f"ratio: {ratio:g} hides {patches - visible} of {patches} patches; expected at least the {must} on "
            "eyes, nose and mouth; raise the ratio or lower the share of the face"
        )
    choice = stream(stream(seeds ^ _FACE, 1)[:, 0], patches).masked_fill(~region, torch.iinfo(torch.int64).max)
    chosen = choice.argsort(dim=1, stable=True).argsort(dim=1) < must
    order = stream(stream(seeds, 1)[:, 0], patches).argsort(dim=1, stable=True)
    last = chosen.gather(1, order).to(torch.int8).argsort(dim=1, stable=True)
    return split(order.gather(1, last), visible)


def _uniform(numbers: Tensor) -> Tensor:
    """int64 to float64 in (0, 1)."""
    return ((numbers >> 11).double() + (2**52 + 0.5)) / 2**53
