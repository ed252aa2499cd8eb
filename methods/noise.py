"""No face at all: the lower bound of what a method can leak."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .base import Method, Privatizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Noise(Method):
    """Every pixel drawn from the seed alone; nothing of the face is left.

    A recognizer trained on it is at 50 % and an attacker at chance, or something else gives the people away.

    Source: a sanity check of our own; numbers by SplitMix64 (Steele et al., OOPSLA 2014) and,
    for `gaussian`, Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958.
    """

    kind: Literal["uniform", "gaussian"] = "uniform"
    """`uniform` over 0..255, or `gaussian` around 127.5 with a standard deviation of 64, cut to 0..255."""

    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        import torch

        from ..facemae.masking import stream

        def privatize(images: Tensor, seeds: Tensor) -> Tensor:
            numbers = images[0].numel()
            hashed = stream(seeds.to(images.device), 1)[:, 0]  # so that neighbouring seeds share no stream
            if self.kind == "uniform":
                return stream(hashed, -(-numbers // 8)).view(torch.uint8)[:, :numbers].reshape(images.shape)
            words = stream(hashed, -(-numbers // 2)).view(torch.int32)[:, :numbers]
            uniform = (words.double() + (2**31 + 0.5)) / 2**32  # (0, 1): the logarithm needs it open
            radius, angle = uniform.chunk(2, dim=1)
            radius, angle = (-2 * radius.log()).sqrt(), 2 * math.pi * angle
            normal = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)
            return (127.5 + 64 * normal).round().clamp(0, 255).to(torch.uint8).reshape(images.shape)

        return privatize
