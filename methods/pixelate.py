"""Blocks of one colour."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ..datasets.base import SIZE
from .base import Method, Privatizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Pixelate(Method):
    """Square blocks of their mean colour.

    Source: Hill et al., "On the (In)effectiveness of Mosaicing and Blurring as Tools for Document Redaction",
    PoPETs 2016; McPherson et al., "Defeating Image Obfuscation with Deep Learning" (arXiv 1609.00408).
    """

    random: ClassVar[bool] = False

    block: Annotated[int, Field(ge=2, le=SIZE)] = 16
    """Side of a block in pixels; where it does not divide 112 the last blocks are smaller."""

    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        import torch
        from torch.nn.functional import avg_pool2d

        def privatize(images: Tensor, keys: Tensor) -> Tensor:
            # sums of whole numbers below 2**24 are exact in float32, so the order of summing changes nothing
            means = avg_pool2d(images.float(), self.block, ceil_mode=True, count_include_pad=False)
            colours = means.round().to(torch.uint8)
            blocks = colours.repeat_interleave(self.block, 2).repeat_interleave(self.block, 3)
            return blocks[:, :, :SIZE, :SIZE].contiguous()

        return privatize
