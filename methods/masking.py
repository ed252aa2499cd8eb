"""Parts of the face hidden: random patches, as FaceMAE's encoder is given them, or eyes, nose, mouth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, cast

from pydantic import Field, field_validator, model_validator

from ..datasets.base import SIZE
from .base import Method, Privatizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..facemae.regions import Region

Where = Literal["patches", "eyes", "nose", "mouth", "lower", "eyes+nose+mouth", "eyes+lower"]


class Masking(Method):
    """Random square patches or whole regions of the face hidden, the rest kept as it is.

    Random patches are those that `facemae` hides with the same key, ratio and patch. Regions are boxes around the
    points that the faces are aligned to (`facemae/regions.py`), the same pixels in every face. What is visible is the
    original, pixel by pixel: whoever holds the original finds it by comparing that, whatever a recognizer says.

    Source: He et al., "Masked Autoencoders Are Scalable Vision Learners" (arXiv 2111.06377), section 3; as
    a way to make faces private, the masked baseline of FaceMAE (arXiv 2205.11090), section 4. Covered regions:
    Newton et al., "Preserving privacy by de-identifying face images", IEEE TKDE 17(2), 2005, where covering the eyes
    does not stop recognition.
    """

    version: ClassVar[int] = 2

    region: Where = "patches"
    """What is hidden; `lower` is everything from the tip of the nose down."""
    ratio: Annotated[float, Field(gt=0, lt=1)] = 0.75
    """Share of the patches that is hidden; only where the region is `patches`."""
    patch: Annotated[int, Field(ge=1, le=SIZE // 2)] = 16
    """Side of a patch in pixels; it divides 112. Only where the region is `patches`."""
    fill: Literal["black", "mean", "noise"] | Annotated[int, Field(strict=True, ge=0, le=255)] = "black"
    """What hidden pixels show: black; the mean of the visible ones of the face, so that nothing hidden gets out; a
    number from 0 to 255, a level of grey; or uniform noise from the face's key."""

    @property
    def draws(self) -> bool:
        return self.region == "patches" or self.fill == "noise"

    @field_validator("patch")
    @classmethod
    def _divides(cls, patch: int) -> int:
        if SIZE % patch:
            sides = ", ".join(str(side) for side in range(1, SIZE // 2 + 1) if SIZE % side == 0)
            raise ValueError(f"expected a divisor of {SIZE} ({sides}), got {patch}")
        return patch

    @model_validator(mode="after")
    def _means_something(self) -> Masking:
        for name in ("ratio", "patch"):
            value, default = getattr(self, name), type(self).model_fields[name].default
            if self.region != "patches" and value != default:
                raise ValueError(
                    f"{name}: has no effect where region is {self.region}, whose pixels are fixed; expected it "
                    f"left out, got {value}; leave it out, or set region to patches"
                )
        return self

    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        import torch

        from ..facemae.runtime.randomness import noise_bytes

        def privatize(images: Tensor, keys: Tensor) -> Tensor:
            covered = self._covered(keys.to(images.device))
            if self.fill == "black":
                return images.masked_fill(covered, 0)
            if self.fill == "noise":
                noise = noise_bytes(keys.to(images.device), images[0].numel(), purpose=1)
                return torch.where(covered, noise.reshape(images.shape), images)
            if isinstance(self.fill, int):
                return images.masked_fill(covered, self.fill)
            sums = images.masked_fill(covered, 0).sum((2, 3), keepdim=True)  # whole numbers: no order of summing
            colour = (sums / (~covered).sum((2, 3), keepdim=True)).round().to(torch.uint8)
            return torch.where(covered, colour, images)

        return privatize

    def _covered(self, keys: Tensor) -> Tensor:
        """Which pixels are hidden: bool [B or 1, 1, SIZE, SIZE]."""
        from ..facemae.patches import random_mask
        from ..facemae.regions import region_pixels

        if self.region != "patches":
            return region_pixels(cast("list[Region]", self.region.split("+"))).to(keys.device)[None, None]
        side = SIZE // self.patch
        hidden = random_mask(keys, side * side, self.ratio).hidden
        return hidden.reshape(-1, 1, side, side).repeat_interleave(self.patch, 2).repeat_interleave(self.patch, 3)
