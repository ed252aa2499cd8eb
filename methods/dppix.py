"""Blocks of one colour with discrete Laplace noise: pixelation that is differentially private in a few pixels."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from ..datasets.base import SIZE
from .base import Method, Privatizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_CHANNELS = 3
_AT_ONCE = 1 << 24
"""Most random words that are held at once: 128 MiB."""


class DPPix(Method):
    """DP-Pix: the mean colour of each square block, with discrete Laplace noise on the sum that it is the mean of.

    Two images are neighbours if they differ in at most `m` pixels, each by anything in all three channels. One
    released image is `epsilon`-differentially private in that sense, all its blocks and channels together: `m` pixels
    move the sums of one channel by at most 255 m, those of three channels by three times that, all whole numbers, so
    every sum gets a whole number with P(z) proportional to exp(-|z| epsilon / (3 * 255 m)). Dividing by the pixels of
    a block, rounding, and cutting to 0..255 come after the noise and cost nothing. The paper has grey images and no
    factor 3, and adds real numbers of the same scale to the means.

    Noise in whole numbers has no lowest bits that tell values apart (Mironov 2012 on noise in floating point). It
    follows from a face's own key, which for a release is secret: whoever has the key takes the noise away, and the
    guarantee is against those who cannot tell ChaCha20 from chance.

    What it does not protect: the unit is **m pixels of one image, not a person**; `promise` says what is left for a
    person. Small numbers of `m` hide a detail, not who it is. The images of one person, and another release of the
    same image, add up.

    Source: Fan, "Image Pixelization with Differential Privacy", DBSec 2018: its m-neighbourhood, its sensitivity of
    pixelization, and its Laplace mechanism. The discrete one: Ghosh et al., STOC 2009 (`discrete_laplace.py`).
    """

    version: ClassVar[int] = 2

    block: Annotated[int, Field(ge=1, le=SIZE)] = 16
    """Side of a block in pixels; it divides 112."""
    m: Annotated[int, Field(ge=1, le=SIZE * SIZE)] = 16
    """By how many pixels neighbouring images may differ."""
    epsilon: Annotated[float, Field(ge=1e-6, le=1e9)] = 0.5
    """Of one released image, all blocks and channels together."""
    mechanism: Literal["discrete laplace"] = "discrete laplace"
    """Told so that records carry it beside epsilon."""
    unit: Literal["m pixels of one image"] = "m pixels of one image"
    """What epsilon is about; told so that records carry it."""

    @field_validator("block")
    @classmethod
    def _divides(cls, block: int) -> int:
        if SIZE % block:  # smaller blocks at the border would be more sensitive than the others
            sides = ", ".join(str(side) for side in range(1, SIZE + 1) if SIZE % side == 0)
            raise ValueError(f"expected a divisor of {SIZE} ({sides}), got {block}")
        return block

    @property
    def scale(self) -> float:
        """Of the noise on a block's mean, in levels of grey."""
        return float(self._sum_scale) / self.block**2

    @property
    def _sum_scale(self) -> Fraction:
        """Of the noise on a block's sum: sensitivity by epsilon, where epsilon is what the float is, exactly."""
        return Fraction(_CHANNELS * 255 * self.m) / Fraction(self.epsilon)

    def promise(self, photos: int) -> str:
        """Group privacy: k changes of m pixels cost k epsilon."""
        changes = -(-SIZE * SIZE // self.m)
        face = changes * self.epsilon
        return (
            f"{self.epsilon:g}-differential privacy (discrete Laplace; but for a chance below 2^-100, and against who "
            f"cannot tell ChaCha20 from chance) for {self.m} pixels of one image, of this release alone. A whole image "
            f"is {changes:,} times as many pixels, so for a photo it is {face:,.6g}, and for a person with {photos:,} "
            f"photos {photos * face:,.6g}: "
            + ("no protection of who it is" if face > 10 else "that is what counts where a person is to be hidden")
            + ". How many people and photos there are is not protected"
        )

    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        import torch

        from ..facemae.runtime.randomness import numbers
        from .parts.discrete_laplace import discrete_laplace, words_needed

        side, block, pixels = SIZE // self.block, self.block, self.block**2
        scale, count = self._sum_scale, _CHANNELS * side * side
        each = words_needed(scale)
        most = max(1, _AT_ONCE // (count * each))

        def privatize(images: Tensor, keys: Tensor) -> Tensor:
            parts = [noisy(some, own) for some, own in zip(images.split(most), keys.split(most), strict=True)]
            return torch.cat(parts) if parts else images.clone()

        def noisy(images: Tensor, keys: Tensor) -> Tensor:
            def words(purpose: int) -> NDArray[np.uint64]:
                drawn = numbers(keys.cpu(), count * each, purpose=purpose).numpy()
                return drawn.view(np.uint64).reshape(-1, each, count)

            cut = images.reshape(-1, _CHANNELS, side, block, side, block)
            # whole numbers below 2 ** 24: float32 holds them exactly, and adds them twice as fast as int64
            sums = cut.float().sum((3, 5)).cpu().numpy().astype(np.int64)  # [B, 3, side, side]
            loud = sums + discrete_laplace(words(0), scale, lambda: words(1)).reshape(sums.shape)
            # rounded half up, in whole numbers; cut first, so that nothing overflows
            means = (2 * loud.clip(0, 255 * pixels) + pixels) // (2 * pixels)
            colours = torch.from_numpy(means.clip(0, 255).astype(np.uint8)).to(images.device)
            return colours.repeat_interleave(block, 2).repeat_interleave(block, 3)

        return privatize
