"""No privacy at all: the upper bound of what a method can be worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from .base import Method, Privatizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Original(Method):
    """The faces as they are; what is lost is what the encoding of the release loses.

    Source: the unprotected baseline of Wang et al., "FaceMAE: Privacy-Preserving Face Recognition via Masked
    Autoencoders" (arXiv 2205.11090), section 4.
    """

    random: ClassVar[bool] = False

    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        def privatize(images: Tensor, keys: Tensor) -> Tensor:
            return images.clone()  # a caller may write into what it got

        return privatize
