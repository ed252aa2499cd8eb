"""Bytes to network input and back: the one place that converts."""

from __future__ import annotations

import torch
from torch import Tensor


def to_float(images: Tensor) -> Tensor:
    """Pixels as networks take them.

    Args:
        images: uint8 [..., H, W], 0..255.

    Returns:
        float32 of the same shape in [-1, 1]; 0 becomes -1 and 255 becomes 1 (ArcFace, Deng et al. 2019).

    Raises:
        TypeError: the images are not uint8; scaling floats a second time would go unnoticed.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"to_float: expected images as uint8 0..255, got {images.dtype}; convert with to_uint8 first")
    return images.to(torch.float32).div_(127.5).sub_(1)


def to_uint8(images: Tensor) -> Tensor:
    """Network output as pixels.

    Args:
        images: float [..., H, W]; what lies outside [-1, 1] is cut off.

    Returns:
        uint8 of the same shape, rounded to the nearest value, so that it undoes `to_float` exactly.

    Raises:
        TypeError: the images are not float.
    """
    if not images.is_floating_point():
        raise TypeError(f"to_uint8: expected float images in [-1, 1], got {images.dtype}; use to_float first")
    return images.float().add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
