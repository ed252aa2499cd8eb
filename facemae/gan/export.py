"""The generator with codes in and bytes out, so that it can be traced and used without the code around it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..runtime.pixels import to_uint8
from .networks import Generator
from .step import enlarge


class Generate(nn.Module):
    """(codes, nuisance) to faces: float [B, D] of unit length and float [B, K] to uint8 [B, 3, 112, 112]."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, codes: Tensor, nuisance: Tensor) -> Tensor:
        return to_uint8(enlarge(self.generator(codes, nuisance)))

    def example(self) -> dict[str, Tensor]:
        """Two of each input, by name."""
        shape = self.generator.shape
        codes = torch.eye(shape.code)[:2]
        return {"codes": codes, "nuisance": torch.ones(2, shape.nuisance)}
