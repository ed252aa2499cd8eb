"""A recognizer with bytes in and embeddings out, so that it can be traced and used without the code around it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..runtime.pixels import to_float


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
