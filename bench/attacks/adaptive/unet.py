"""A small U-shaped network from images to images of the same size, for those who try to undo what was done to them.

Source: the layout is U-Net's (Ronneberger et al., MICCAI 2015); images enter as blocks of 4 x 4 pixels (Shi et al.,
CVPR 2016), which makes it light enough for a processor.
"""

from __future__ import annotations

from torch import Tensor, nn

_BLOCK = 4


class UNet(nn.Module):
    """Float [B, 3, H, W] to the same; H and W are multiples of 16. It learns what to add to its input.

    Args:
        width: channels at a quarter of the size; two and four times as many at an eighth and a sixteenth.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.PixelUnshuffle(_BLOCK), nn.Conv2d(3 * _BLOCK**2, width, 3, padding=1))
        self.top, self.middle, self.bottom = (_Residual(width << level) for level in range(3))
        self.down1, self.down2 = (nn.Conv2d(width << n, width << n + 1, 2, stride=2) for n in range(2))
        self.up1, self.up2 = (nn.ConvTranspose2d(width << n + 1, width << n, 2, stride=2) for n in range(2))
        self.again1, self.again2 = (_Residual(width << n) for n in range(2))
        self.leave = nn.Sequential(nn.Conv2d(width, 3 * _BLOCK**2, 3, padding=1), nn.PixelShuffle(_BLOCK))
        last = self.leave[0]
        assert isinstance(last, nn.Conv2d) and last.bias is not None  # noqa: S101 - it was just made
        nn.init.zeros_(last.weight)  # it begins by leaving images as they are
        nn.init.zeros_(last.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Images like `images`, restored."""
        top = self.top(self.enter(images))
        middle = self.middle(self.down1(top))
        bottom = self.bottom(self.down2(middle))
        middle = self.again2(self.up2(bottom) + middle)
        top = self.again1(self.up1(middle) + top)
        restored: Tensor = images + self.leave(top)
        return restored


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(8, width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(8, width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.layers(x)
        return added
