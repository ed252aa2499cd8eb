"""Gaussian blur."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ..datasets.base import SIZE
from .base import Method, Privatizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Blur(Method):
    """Gaussian blur, mirrored at the border.

    Source: McPherson et al., "Defeating Image Obfuscation with Deep Learning" (arXiv 1609.00408); the
    kernel ends at four standard deviations, as in `scipy.ndimage.gaussian_filter`.
    """

    random: ClassVar[bool] = False

    sigma: Annotated[float, Field(gt=0, le=27)] = 4.0
    """Standard deviation in pixels; at 27 the kernel is as wide as the mirrored face."""

    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        import torch

        kernel = _kernel(self.sigma).to(device)

        def privatize(images: Tensor, keys: Tensor) -> Tensor:
            # float64: another batch size may sum in another order, which shall not show after rounding
            return (kernel @ images.double() @ kernel.T).round().clamp(0, 255).to(torch.uint8)

        return privatize


def _kernel(sigma: float) -> Tensor:
    """float64 [SIZE, SIZE], whose product with a column of pixels is the blurred column."""
    import torch

    radius = int(4 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.softmax(-0.5 * (offsets.double() / sigma) ** 2, dim=0)
    sources = (torch.arange(SIZE)[:, None] + offsets).abs()  # mirrored without repeating the border pixel
    sources = SIZE - 1 - (SIZE - 1 - sources).abs()
    return torch.zeros(SIZE, SIZE, dtype=torch.float64).scatter_add_(1, sources, weights.expand(SIZE, -1))
