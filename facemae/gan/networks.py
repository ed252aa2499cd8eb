"""A conditional generative adversarial network of faces: who is shown is one code, how is another.

The generator is style-based (Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", arXiv
1912.04958: modulated convolutions, a sum of pictures of rising size). The discriminator is residual and looks at
the code by projection (Miyato and Koyama, "cGANs with Projection Discriminator", arXiv 1802.05637). The encoder
finds the nuisance of a real face (Bao et al., "CVAE-GAN", arXiv 1703.10155). Written from the papers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, normalize, pixel_shuffle

from .layers import Conv, Linear, Modulated, activate, smooth, spread

START = 7
"""Side of the smallest picture inside the networks; sides double from there."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """All that decides the shapes of the networks' weights."""

    code: int
    """D, numbers of an identity code: those of the recognizer's features."""
    resolution: int = 112
    """Side in pixels of what is generated: 28, 56 or 112."""
    nuisance: int = 64
    """Z, numbers of a nuisance code: pose, light, expression and what else changes from picture to picture."""
    width: int = 256
    """Features of the smallest pictures; from 14 pixels on they halve as sides double."""

    def __post_init__(self) -> None:
        if self.resolution not in (28, 56, 112):
            raise ValueError(f"resolution: expected 28, 56 or 112, got {self.resolution}")
        if min(self.code, self.nuisance) < 1 or self.width < 8:
            raise ValueError(
                f"shape: expected code and nuisance of at least 1 and width of at least 8, got {self.code}, "
                f"{self.nuisance} and {self.width}"
            )

    @property
    def sides(self) -> list[int]:
        """From `START` to half of the resolution; the last doubling is done by folding pixels into channels."""
        return [START * 2**n for n in range((self.resolution // START).bit_length() - 1)]

    def features(self, side: int) -> int:
        """Features of a picture of `side` pixels."""
        return max(8, min(self.width, self.width * 2 * START // side))


class Generator(nn.Module):
    """Identity code and nuisance code to a face."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.identity = Linear(shape.code, shape.width)
        self.nuisance = Linear(shape.nuisance, shape.width)
        self.mapping = nn.ModuleList([Linear(2 * shape.width, shape.width), Linear(shape.width, shape.width)])
        self.constant = nn.Parameter(torch.randn(1, shape.features(START), START, START))
        # a constant alone would have to be bent into each layout by loudness of features, which takes long to learn
        self.layout = Linear(shape.width, shape.features(START) * START**2)
        self.register_buffer("average", torch.zeros(1, 3, shape.resolution, shape.resolution))
        first, second, pictures, before = [], [], [], shape.features(START)
        for side in shape.sides:
            features = shape.features(side)
            first.append(Modulated(before, features, styles=shape.width))
            second.append(Modulated(features, features, styles=shape.width))
            # four pixels of each colour in the end: half the side costs a quarter of the time
            colours = 12 if side == shape.sides[-1] else 3
            pictures.append(Modulated(features, colours, styles=shape.width, kernel=1, last=True))
            before = features
        self.first, self.second = nn.ModuleList(first), nn.ModuleList(second)
        self.pictures = nn.ModuleList(pictures)

    average: Tensor
    """The training faces' average, to which everything else is added: the first faces are faces already."""

    def styles(self, code: Tensor, nuisance: Tensor) -> Tensor:
        """[B, width], what both codes together ask of every layer."""
        # both inputs and the style have one length, so that none, however rare, can blow a face up
        joined = torch.cat([self.identity(_even(code)), self.nuisance(_even(nuisance))], dim=1)
        style = activate(joined)
        for layer in self.mapping:
            style = activate(layer(style))
        return _even(style)

    def forward(self, code: Tensor, nuisance: Tensor) -> Tensor:
        """Generate faces.

        Args:
            code: [B, D], unit length: who is shown.
            nuisance: [B, Z], standard normal: how; its direction alone counts.

        Returns:
            [B, 3, resolution, resolution]; meant to be in [-1, 1], not forced to be.
        """
        style = self.styles(code, nuisance)
        x = self.constant + self.layout(style).view(-1, *self.constant.shape[1:])
        picture = x.new_zeros(())
        for side, first, second, colours in zip(self.shape.sides, self.first, self.second, self.pictures, strict=True):
            x = second(first(_sized(x, side), style), style)
            added = colours(x, style)
            if side == self.shape.sides[-1]:
                added = smooth(pixel_shuffle(added, 2))
            picture = added if side == START else added + _sized(picture, added.shape[2])
        faces: Tensor = picture.float() + self.average
        return faces


class Discriminator(nn.Module):
    """Faces and the codes they are said to show, to a number: real above, generated below zero."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        sides, convs, shortcuts = shape.sides[::-1], [], []
        self.stem = Conv(3, shape.features(sides[0]), kernel=4, stride=2, padding=1)
        for side in sides[:-1]:
            inside, out = shape.features(side), shape.features(side // 2)
            convs.append(Conv(inside, out))
            shortcuts.append(Conv(inside, out, kernel=1, padding=0, bias=False))
        self.convs, self.shortcuts = nn.ModuleList(convs), nn.ModuleList(shortcuts)
        last = shape.features(START)
        self.last = Conv(last + 1, last)
        self.dense = Linear(last * START**2, shape.width)
        self.score = Linear(shape.width, 1)
        self.project = Linear(shape.code, shape.width, bias=False)
        self._scale = sqrt(shape.code)

    def forward(self, images: Tensor, code: Tensor) -> Tensor:
        """Judge faces.

        Args:
            images: [B, 3, resolution, resolution] in [-1, 1].
            code: [B, D], unit length; a row of zeros asks whether this is a face at all, whoever it is.

        Returns:
            [B].
        """
        x = activate(self.stem(images))
        for conv, shortcut in zip(self.convs, self.shortcuts, strict=True):
            x = (avg_pool2d(activate(conv(x)), 2) + shortcut(avg_pool2d(x, 2))) * sqrt(0.5)
        x = activate(self.last(torch.cat([x, spread(x)], dim=1)))
        h = activate(self.dense(x.flatten(1)))
        projected = (self.project(code * self._scale) * h).sum(dim=1) / sqrt(h.shape[1])
        judged: Tensor = self.score(h)[:, 0] + projected
        return judged.float()


class Encoder(nn.Module):
    """Real faces to their nuisance codes: mean and logarithm of the variance of each number."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        half, whole = max(8, shape.width // 2), shape.width
        self.factor = shape.resolution // 28  # what changes between pictures of one person is seen at 28 pixels
        self.convs = nn.ModuleList(
            [Conv(3, half, kernel=4, stride=2, padding=1), Conv(half, whole, kernel=4, stride=2, padding=1)]
        )
        self.dense = Linear(whole * START**2, whole)
        # little noise at first, so that there is something to learn from
        self.mean, self.log_variance = Linear(whole, shape.nuisance), Linear(whole, shape.nuisance, start=-4.0)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """[B, Z] twice, of float [B, 3, resolution, resolution]."""
        x = avg_pool2d(images, self.factor) if self.factor > 1 else images
        for conv in self.convs:
            x = activate(conv(x))
        h = activate(self.dense(x.flatten(1)))
        return self.mean(h).float(), self.log_variance(h).float().clamp(-8, 4)


def mix_codes(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    """New people between two: the normalised mix `weight * one + (1 - weight) * other`.

    Source: Qiu et al., "SynFace" (arXiv 2108.07960), section 3.2, identity mixup.

    Args:
        one: [B, D], unit length.
        other: [B, D], unit length.
        weight: [B], 0..1.
    """
    share = weight[:, None]
    return normalize(share * one + (1 - share) * other, dim=1)


def _even(x: Tensor) -> Tensor:
    """[B, N], scaled so that the mean square of each row is 1."""
    return normalize(x.float(), dim=1) * sqrt(x.shape[1])


def _sized(x: Tensor, side: int) -> Tensor:
    """[B, C, side, side], bilinear."""
    return x if x.shape[2] == side else interpolate(x, size=(side, side), mode="bilinear", align_corners=False)
