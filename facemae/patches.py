"""Images to patches and back, which patches to hide, and what of the original the published face keeps.

Source: He et al., "Masked Autoencoders Are Scalable Vision Learners" (arXiv 2111.06377), section 3. Written
from the paper; patches and masks are laid out as in `transformers`' ViTMAE, so that weights can be exchanged.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from .runtime.randomness import numbers

Compose: TypeAlias = Literal["rebuilt", "pasted"]
"""What a published face is made of: the decoder's patches alone, or the visible ones of the original kept."""


class Mask(NamedTuple):
    """Which patches of each image are hidden; every image of a batch has equally many visible ones."""

    keep: Tensor
    """int64 [B, V], the visible patches' indices, in the order in which the encoder sees them."""
    restore: Tensor
    """int64 [B, N], where each patch stands in the row of V visible and N - V hidden ones."""
    hidden: Tensor
    """bool [B, N], True where a patch is hidden."""


def patchify(images: Tensor, patch: int) -> Tensor:
    """Cut [B, 3, H, W] into [B, N, patch * patch * 3]: patches row by row, in each rows, columns, channels.

    Raises:
        ValueError: the patch does not divide height and width.
    """
    batch, channels, height, width = images.shape
    if height % patch or width % patch:
        raise ValueError(
            f"patch {patch} does not divide an image of {height} x {width} pixels; expected a divisor of both"
        )
    rows, columns = height // patch, width // patch
    cut = images.reshape(batch, channels, rows, patch, columns, patch)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(batch, rows * columns, patch * patch * channels)


def unpatchify(patches: Tensor, patch: int, *, height: int, width: int) -> Tensor:
    """Put [B, N, patch * patch * 3] together again: [B, 3, height, width]. The inverse of `patchify`.

    Raises:
        ValueError: there are not as many patches, or not as many numbers in one, as the size asks for.
    """
    rows, columns = height // patch, width // patch
    batch, count, numbers = patches.shape
    if (count, numbers) != (rows * columns, patch * patch * 3) or height % patch or width % patch:
        raise ValueError(
            f"{count} patches of {numbers} numbers make no image of {height} x {width} pixels; "
            f"expected {rows * columns} of {patch * patch * 3}"
        )
    cut = patches.reshape(batch, rows, columns, patch, patch, 3)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(batch, 3, height, width)


def visible_patches(patches: int, ratio: float) -> int:
    """How many of an image's patches stay visible: round(patches * (1 - ratio)), at least one."""
    return max(1, round(patches * (1 - ratio)))


def random_mask(own: Tensor, patches: int, ratio: float) -> Mask:
    """Hide patches at random, each image's from its own key or seed.

    There is no state: an image's mask is the same alone, in any batch, on any device and in any order, and it grows
    with falling ratio (what is visible at 0.9 is at 0.5).

    Args:
        own: uint8 [B, 32] or int64 [B], see `randomness.numbers`.
        patches: N, patches in an image.
        ratio: share of the patches to hide, 0 <= ratio < 1.

    Raises:
        ValueError: keys or seeds of another type or shape, or a ratio out of range.
    """
    return mask_from(numbers(own, patches), ratio)


def mask_from(drawn: Tensor, ratio: float) -> Mask:
    """The patches with the smallest of an image's random numbers stay visible, the others are hidden.

    Args:
        drawn: int64 [B, N], a random number a patch.
        ratio: share of the patches to hide, 0 <= ratio < 1.

    Raises:
        ValueError: a ratio out of range.
    """
    if not 0 <= ratio < 1:
        raise ValueError(f"ratio: expected 0 <= ratio < 1, got {ratio}")
    return split(drawn.argsort(dim=1, stable=True), visible_patches(drawn.shape[1], ratio))


def split(order: Tensor, visible: int) -> Mask:
    """The mask that shows the first `visible` patches of each image's own order (int64 [B, N], permutations)."""
    restore = order.argsort(dim=1)
    return Mask(keep=order[:, :visible], restore=restore, hidden=restore >= visible)


def compose_faces(images: Tensor, rebuilt: Tensor, hidden: Tensor, *, patch: int, compose: Compose) -> Tensor:
    """The faces as they are published: float [B, 3, H, W] in [-1, 1].

    The decoder's values are clamped to what a pixel can be. The gradient passes the clamp as if it were not
    there: else a value once out of range would never come back.

    Args:
        images: float [B, 3, H, W] in [-1, 1], the originals.
        rebuilt: float [B, N, patch * patch * 3], the decoder's patches.
        hidden: bool [B, N], True where the encoder did not see the patch.
        patch: side of a patch in pixels.
        compose: `rebuilt`, or `pasted` to keep the visible patches of the original: real pixels are published.
    """
    patches = rebuilt + (rebuilt.clamp(-1, 1) - rebuilt).detach()
    if compose == "pasted":
        patches = torch.where(hidden[..., None], patches, patchify(images, patch).to(patches.dtype))
    return unpatchify(patches, patch, height=images.shape[2], width=images.shape[3])
