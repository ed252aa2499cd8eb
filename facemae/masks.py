"""Ways to choose the patches that are hidden: at random, in one block, or eyes, nose and mouth first.

Everything follows from each image's own key or seed, as in `masking.random_mask`: no state, no dependence on the batch.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from .model import Architecture
from .patches import Mask, mask_from, split, visible_patches
from .regions import region_patches
from .runtime.randomness import numbers, uniform

MaskKind: TypeAlias = Literal["random", "block", "face"]

_BLOCK_NUMBERS = 3
"""Row and column of the block's centre, and how it is stretched."""


def draw_mask(
    own: Tensor, architecture: Architecture, ratio: float, *, kind: MaskKind = "random", share: float = 1.0
) -> Mask:
    """Choose the hidden patches of each image.

    Args:
        own: uint8 [B, 32] or int64 [B], each image's own key or seed, see `randomness.numbers`.
        architecture: image and patch size.
        ratio: share of the patches to hide, 0 <= ratio < 1; equal for all images.
        kind: `random` patches (MAE, section 3); one `block` of patches, as BEiT (arXiv 2106.08254, section
            2.3) hides, though there of several; or `face`, random but with eyes, nose and mouth of the aligned
            template hidden first (our reading of what should not be seen of a person).
        share: of the patches that touch eyes, nose or mouth, how many `face` always hides; 0 to 1.

    Raises:
        ValueError: a ratio out of range, or one that hides fewer patches than `face` has to.
    """
    return chosen_by(numbers(own, needed(architecture, kind)), architecture, ratio, kind=kind, share=share)


def needed(architecture: Architecture, kind: MaskKind) -> int:
    """How many random numbers the mask of one image takes."""
    return {"random": architecture.patches, "block": _BLOCK_NUMBERS, "face": 2 * architecture.patches}[kind]


def chosen_by(drawn: Tensor, architecture: Architecture, ratio: float, *, kind: MaskKind, share: float = 1.0) -> Mask:
    """As `draw_mask`, from the random numbers themselves: int64 [B, `needed`]."""
    if kind == "block":
        return block_mask(drawn, architecture.grid, ratio)
    if kind == "face":
        region = region_patches(architecture.patch, architecture.height, architecture.width, ("eyes", "nose", "mouth"))
        return face_mask(drawn, region, ratio, share=share)
    return mask_from(drawn, ratio)


def block_mask(drawn: Tensor, grid: tuple[int, int], ratio: float) -> Mask:
    """Hide one rectangle of patches: those nearest to a random centre, its sides in a ratio from 0.3 to 1 / 0.3.

    Args:
        drawn: int64 [B, 3], random numbers.
        grid: rows and columns of patches.
        ratio: share of the patches to hide.

    Raises:
        ValueError: a ratio out of range.
    """
    rows, columns = grid
    patches = rows * columns
    if not 0 <= ratio < 1:
        raise ValueError(f"ratio: expected 0 <= ratio < 1, got {ratio}")
    chance = uniform(drawn)
    down = (torch.arange(patches, device=drawn.device) // columns + 0.5) / rows
    across = (torch.arange(patches, device=drawn.device) % columns + 0.5) / columns
    stretch = torch.exp((chance[:, 2:] - 0.5) * math.log(1 / 0.3))  # square root of the ratio of the sides
    distance = torch.maximum(
        (down.double() - chance[:, :1]).abs() * stretch, (across.double() - chance[:, 1:2]).abs() / stretch
    )
    return split(distance.argsort(dim=1, descending=True, stable=True), visible_patches(patches, ratio))


def face_mask(drawn: Tensor, region: Tensor, ratio: float, *, share: float = 1.0) -> Mask:
    """Hide a share of the region's patches in any case, and others at random until `ratio` is reached.

    Args:
        drawn: int64 [B, 2 N], random numbers: which of the region, and which of the others.
        region: bool [N], patches that touch the region.
        ratio: share of all patches to hide.
        share: of the region's patches; which ones is drawn anew for each image.

    Raises:
        ValueError: the ratio hides fewer patches than that.
    """
    region = region.to(drawn.device)
    patches, must = len(region), math.ceil(share * int(region.sum()))
    visible = visible_patches(patches, ratio)
    if must > patches - visible:
        raise ValueError(
            f"ratio: {ratio:g} hides {patches - visible} of {patches} patches; expected at least the {must} on "
            "eyes, nose and mouth; raise the ratio or lower the share of the face"
        )
    choice = drawn[:, :patches].masked_fill(~region, torch.iinfo(torch.int64).max)
    chosen = choice.argsort(dim=1, stable=True).argsort(dim=1) < must
    order = drawn[:, patches:].argsort(dim=1, stable=True)
    last = chosen.gather(1, order).to(torch.int8).argsort(dim=1, stable=True)
    return split(order.gather(1, last), visible)
