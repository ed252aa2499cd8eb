"""The masked autoencoder with bytes in and bytes out, so that it can be traced and used without the code around it.

A traced network takes any number of faces at once. How a processor adds up a product depends on its shape, so a face
may come out a grey level lighter or darker here and there than from the method itself, which works in equal batches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .masks import MaskKind, chosen_by, needed
from .model import MaskedAutoencoder
from .objective import Objective, published
from .runtime.pixels import to_float, to_uint8
from .runtime.randomness import numbers


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
