"""Most patches hidden: what FaceMAE's encoder is given, published as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from ..datasets.base import SIZE
from .base import Method, Privatizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Masking(Method):
    """Random square patches hidden, the others kept as they are.

    The mask is the one that `facemae` draws from the same seed, ratio and patch.

    Source: He et al., "Masked Autoencoders Are Scalable Vision Learners" (arXiv 2111.06377), section 3; as
    a way to make faces private, the masked baseline of FaceMAE (arXiv 2205.11090), section 4.
    """

    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.75
    """Share of the patches that is hidden."""
    patch: Annotated[int, Field(ge=1, le=SIZE // 2)] = 16
    """Side of a patch in pixels; it divides 112."""
    fill: Literal["black", "mean"] = "black"
    """Colour of hidden patches; `mean` is the mean of the visible ones, so that nothing hidden gets out."""

    @field_validator("patch")
    @classmethod
    def _divides(cls, patch: int) -> int:
        if SIZE % patch:
            sides = ", ".join(str(side) for side in range(1, SIZE // 2 + 1) if SIZE % side == 0)
            raise ValueError(f"expected a divisor of {SIZE} ({sides}), got {patch}")
        return patch

    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        import torch

        from ..facemae.masking import random_mask

        def privatize(images: Tensor, seeds: Tensor) -> Tensor:
            side = SIZE // self.patch
            hidden = random_mask(seeds.to(images.device), side * side, self.ratio).hidden
            grid = hidden.reshape(-1, 1, side, side)
            covered = grid.repeat_interleave(self.patch, 2).repeat_interleave(self.patch, 3)
            if self.fill == "black":
                return images.masked_fill(covered, 0)
            sums = images.masked_fill(covered, 0).sum((2, 3), keepdim=True)  # whole numbers: no order of summing
            colour = (sums / (~covered).sum((2, 3), keepdim=True)).round().to(torch.uint8)
            return torch.where(covered, colour, images)

        return privatize
