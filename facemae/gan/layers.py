"""Layers of the generator and the discriminator: scaled at run time, modulated by a style, and what is between them.

Sources: Karras et al., "Progressive Growing of GANs" (arXiv 1710.10196), sections 3 and 4.1, for weights that are
scaled when they are used and for the spread over a batch; Karras et al. (arXiv 1912.04958), section 2.2, for
modulation.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, linear, pad


def activate(x: Tensor) -> Tensor:
    """Leaky rectifier that keeps the size of what goes in."""
    return leaky_relu(x, 0.2) * sqrt(2)


def smooth(x: Tensor) -> Tensor:
    """Weigh each pixel with its neighbours, 1 2 1 both ways: a chequered pattern, which folded pixels tend to, is gone.

    Source: Zhang, "Making Convolutional Networks Shift-Invariant Again" (arXiv 1904.11486), section 3.2.
    """
    row = x.new_tensor([0.25, 0.5, 0.25])
    kernel = (row[:, None] * row).expand(x.shape[1], 1, 3, 3)
    return conv2d(pad(x, (1, 1, 1, 1), mode="replicate"), kernel, groups=x.shape[1])


def spread(x: Tensor) -> Tensor:
    """[B, 1, H, W], how much the images of a batch differ, one number everywhere: equal faces give themselves away."""
    values = x.float()
    deviation = ((values - values.mean(0)).square().mean(0) + 1e-8).sqrt().mean()
    return deviation.to(x.dtype).expand(len(x), 1, *x.shape[2:])


class Linear(nn.Module):
    """A linear layer whose weights are drawn with deviation 1 and scaled when used, so that all learn at one pace."""

    def __init__(self, inside: int, out: int, *, bias: bool = True, start: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, inside))
        self.bias = nn.Parameter(torch.full((out,), start)) if bias else None
        self._scale = 1 / sqrt(inside)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight * self._scale, self.bias)


class Conv(nn.Module):
    """The same as a convolution."""

    def __init__(
        self, inside: int, out: int, *, kernel: int = 3, stride: int = 1, padding: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, inside, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out)) if bias else None
        self._scale = 1 / sqrt(inside * kernel**2)
        self._stride, self._padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight * self._scale, self.bias, self._stride, self._padding)


class Modulated(nn.Module):
    """A convolution whose input channels a style makes louder or softer, and whose output keeps its size.

    Louder inputs and outputs divided by the norm of the weights so changed are the paper's convolution with a
    kernel for each image, at the price of one kernel for all.

    Args:
        inside: features that come in.
        out: features that go out.
        styles: numbers of a style.
        kernel: side of the kernel; odd.
        last: colours come out: no division, no rectifier, and small at first.
    """

    def __init__(self, inside: int, out: int, *, styles: int, kernel: int = 3, last: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, inside, kernel, kernel) * (0.1 if last else 1.0))
        self.bias = nn.Parameter(torch.zeros(out))
        self.style = Linear(styles, inside, start=1.0)
        self._scale = 1 / sqrt(inside * kernel**2)
        self._padding, self._last = kernel // 2, last

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """[B, inside, H, W] and [B, styles] to [B, out, H, W]."""
        gains = self.style(style)
        weight = self.weight * self._scale
        y = conv2d(x * gains[:, :, None, None].to(x.dtype), weight, padding=self._padding)
        if not self._last:
            with torch.autocast(x.device.type, enabled=False):  # a norm wants more digits than bfloat16 has
                norm = linear(gains.float().square(), weight.square().sum((2, 3)))
                keep = (norm + 1e-8).rsqrt()
            y = y * keep[:, :, None, None].to(y.dtype)
        y = y + self.bias[:, None, None].to(y.dtype)
        return y if self._last else activate(y)
