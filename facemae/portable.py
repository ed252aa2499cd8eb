"""Fitted networks with bytes in and bytes out, so that they can be traced and used without the code around them.

A traced network takes any number of faces at once. How a processor adds up a product depends on its shape, so a face
may come out a grey level lighter or darker here and there than from the method itself, which works in equal batches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .gan import Generator
from .gan_step import enlarge
from .masks import MaskKind, chosen_by, needed
from .model import MaskedAutoencoder
from .objective import Objective, published
from .pixels import to_float, to_uint8
from .randomness import numbers


class Rebuild(nn.Module):
    """(faces, random) to rebuilt faces: uint8 [B, 3, 112, 112] and int64 [B, K] to uint8 [B, 3, 112, 112].

    The K random numbers of a face choose what is hidden. For faces that are shown to anybody they have to be secret:
    draw them from the operating system, and forget them.
    """

    def __init__(self, model: MaskedAutoencoder, how: Objective, *, ratio: float, mask: MaskKind) -> None:
        super().__init__()
        self.model, self.how, self.ratio, self.mask = model, how, ratio, mask

    def forward(self, faces: Tensor, random: Tensor) -> Tensor:
        seen = to_float(faces)
        mask = chosen_by(random, self.model.architecture, self.ratio, kind=self.mask)
        rebuilt = published(self.model(seen, mask), seen, mask, self.model.architecture.patch, self.how)
        return to_uint8(rebuilt)

    def example(self) -> dict[str, Tensor]:
        """Two of each input, by name."""
        drawn = numbers(torch.arange(2), needed(self.model.architecture, self.mask))
        return {"faces": torch.zeros(2, 3, 112, 112, dtype=torch.uint8), "random": drawn}


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


class Embed(nn.Module):
    """Faces to embeddings as `embedder.embed` makes them: uint8 [B, 3, 112, 112] to float [B, D] of unit length."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, faces: Tensor) -> Tensor:
        seen = to_float(faces).contiguous(memory_format=torch.channels_last)
        both: Tensor = self.network(seen) + self.network(seen.flip(3))
        lengths: Tensor = both.norm(dim=1, keepdim=True)
        return both.div(lengths)

    def example(self) -> dict[str, Tensor]:
        """Two faces, by the input's name."""
        return {"faces": torch.zeros(2, 3, 112, 112, dtype=torch.uint8)}
