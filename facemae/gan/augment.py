"""Augmentation that gradients pass through: a discriminator of few faces cannot learn them by heart.

Source: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training" (arXiv 2006.10738), section 3.2 and
appendix A: colour, translation by up to an eighth, a hole of half the side. Written from the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Augmentation: TypeAlias = Literal["colour", "translation", "cutout"]


def augment(images: Tensor, kinds: Sequence[Augmentation], generator: torch.Generator) -> Tensor:
    """Augment real or generated faces, each in its own way.

    Args:
        images: float [B, 3, H, W] in [-1, 1].
        kinds: what to do, in the order colour, translation, cutout whatever order they come in.
        generator: on the CPU, so that every device draws the same.

    Returns:
        The same shape; colours may leave [-1, 1].
    """
    if "colour" in kinds:
        images = _colour(images, torch.rand(3, len(images), 1, 1, 1, generator=generator).to(images.device))
    side = images.shape[2]
    if "translation" in kinds:
        reach = side // 8
        images = _translate(images, torch.randint(-reach, reach + 1, (2, len(images)), generator=generator))
    if "cutout" in kinds:
        images = _cut(images, torch.randint(0, side + 1, (2, len(images)), generator=generator), side // 2)
    return images


def _colour(images: Tensor, draw: Tensor) -> Tensor:
    """Brightness by up to a half either way, saturation times 0 to 2, contrast times 0.5 to 1.5."""
    bright, saturate, contrast = draw
    images = images + (bright - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * (2 * saturate) + grey
    level = images.mean(dim=(1, 2, 3), keepdim=True)
    coloured: Tensor = (images - level) * (contrast + 0.5) + level
    return coloured


def _translate(images: Tensor, by: Tensor) -> Tensor:
    """Move each image by whole pixels, [2, B] down and right; what comes in is 0."""
    batch, _, height, width = images.shape
    down, right = by.to(images.device)
    rows = torch.arange(height, device=images.device) - down[:, None]  # [B, H], where each row comes from
    columns = torch.arange(width, device=images.device) - right[:, None]
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[:, None, None]
    one = torch.arange(batch, device=images.device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[one, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None]]
    kept: Tensor = moved.permute(0, 3, 1, 2) * inside
    return kept


def _cut(images: Tensor, centre: Tensor, side: int) -> Tensor:
    """Make a square around each centre ([2, B], row and column) 0; it may reach over the edge."""
    height, width = images.shape[2:]
    row, column = centre.to(images.device)
    low = side // 2
    rows = torch.arange(height, device=images.device) - row[:, None] + low  # [B, H], 0..side - 1 inside
    columns = torch.arange(width, device=images.device) - column[:, None] + low
    hole = ((rows >= 0) & (rows < side))[:, None, :, None] & ((columns >= 0) & (columns < side))[:, None, None]
    kept: Tensor = images * ~hole
    return kept
