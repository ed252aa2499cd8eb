"""No face at all: the lower bound of what a method can leak."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from .base import Method, Privatizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Noise(Method):
    """Every pixel drawn from the face's key alone; nothing of the face is left.

    A recognizer trained on it is at 50 % and an attacker at chance, or something else gives the people away.

    Source: a sanity check of our own; for `gaussian`, Box and Muller, "A Note on the Generation of Random Normal
    Deviates", 1958.
    """

    version: ClassVar[int] = 2

    kind: Literal["uniform", "gaussian"] = "uniform"
    """`uniform` over 0..255, or `gaussian` around 127.5 with a standard deviation of 64, cut to 0..255."""

    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        import torch

        from ..facemae.runtime.randomness import noise_bytes, numbers, uniform

        def privatize(images: Tensor, keys: Tensor) -> Tensor:
            if not len(images):
                return images.clone()
            if self.kind == "uniform":
                return noise_bytes(keys.to(images.device), images[0].numel()).reshape(images.shape)
            share = uniform(numbers(keys.to(images.device), images[0].numel()))
            radius, angle = share.chunk(2, dim=1)
            radius, angle = (-2 * radius.log()).sqrt(), 2 * math.pi * angle
            normal = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)
            return (127.5 + 64 * normal).round().clamp(0, 255).to(torch.uint8).reshape(images.shape)

        return privatize
