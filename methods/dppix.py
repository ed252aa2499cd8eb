"""Blocks of one colour with Laplace noise: pixelation that is differentially private in a few pixels of an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from ..datasets.base import SIZE
from .base import Method, Privatizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_CHANNELS = 3


class DPPix(Method):
    """DP-Pix: the mean colour of each square block, plus Laplace noise.

    Two images are neighbours if they differ in at most `m` pixels, each by anything in all three channels. One
    released image is `epsilon`-differentially private in that sense, all its blocks and channels together: `m` pixels
    move the block means of one channel by at most 255 m / block^2 in sum, those of three channels by three times
    that, so every mean gets noise of scale 3 * 255 * m / (block^2 * epsilon). The paper has grey images and no factor
    3; split by sequential composition, each channel here has epsilon / 3. Rounding and cutting to 0..255 come after
    the noise and cost nothing.

    What it does not protect: the unit is **m pixels of one image, not a person**. Two aligned faces of different people
    differ in nearly all 12,544 pixels, for which the guarantee is epsilon * 12544 / m: small numbers of `m` hide a
    detail, not who it is. The images of one person, and another release of the same image, add up. The noise follows
    from the face and the seed of the run, so that runs can be repeated: whoever knows the seed takes it away again,
    and one seed used at two values of epsilon gives the means away. A release to the public wants a secret seed,
    used once. And noise in floating point is no hardened mechanism: the lowest bits of what it adds can tell
    values apart (Mironov, "On significance of the least significant bits for differential privacy", CCS 2012); here
    rounding to whole numbers hides most of them, which nobody has proved.

    Source: Fan, "Image Pixelization with Differential Privacy", DBSec 2018: its m-neighbourhood, its sensitivity of
    pixelization, and its Laplace mechanism.
    """

    block: Annotated[int, Field(ge=1, le=SIZE)] = 16
    """Side of a block in pixels; it divides 112."""
    m: Annotated[int, Field(ge=1, le=SIZE * SIZE)] = 16
    """By how many pixels neighbouring images may differ."""
    epsilon: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.5
    """Of one released image, all blocks and channels together."""
    mechanism: Literal["laplace"] = "laplace"
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
        """Of the Laplace noise on a block's mean, in levels of grey."""
        return _CHANNELS * 255 * self.m / (self.block**2 * self.epsilon)

    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        import torch

        def privatize(images: Tensor, seeds: Tensor) -> Tensor:
            side, block = SIZE // self.block, self.block
            cut = images.reshape(-1, _CHANNELS, side, block, side, block)
            means = cut.sum((3, 5)).double() / block**2  # not rounded: that would make them more sensitive
            noise = _laplace(seeds.to(images.device), _CHANNELS * side * side).reshape(means.shape)
            colours = (means + self.scale * noise).round().clamp(0, 255).to(torch.uint8)
            return colours.repeat_interleave(block, 2).repeat_interleave(block, 3)

        return privatize


def _laplace(seeds: Tensor, count: int) -> Tensor:
    """Laplace noise of scale 1, each row from its own seed: float64 [B, count].

    An exponential number by inversion, with a sign of its own; 53 bits, so that it ends at 37.4.
    """
    from ..facemae.masking import stream

    words = stream(stream(seeds, 1)[:, 0], count)  # hashed first, so that neighbouring seeds share no stream
    uniform = (((words >> 10) & (2**53 - 1)).double() + 0.5) / 2**53  # (0, 1]
    return uniform.log() * (1 - 2 * (words & 1))
