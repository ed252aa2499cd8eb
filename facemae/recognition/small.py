"""A face embedder small enough to be trained on two processor cores within a minute.

Residual units as in He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2, with
PReLU, and the global depthwise convolution of MobileFaceNet (Chen et al. 2018) as output. The first
convolution has stride 4, since most of the time of a network at 112 x 112 goes into its first stage.
"""

from __future__ import annotations

from torch import Tensor, nn

from .prelu import PReLU


class _Unit(nn.Module):
    """Conv-BN-PReLU-Conv-BN with a shortcut."""

    def __init__(self, inside: int, out: int, *, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inside, out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out),
            PReLU(out),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inside != out:
            self.shortcut = nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        self.activation = PReLU(out)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.body(x) + self.shortcut(x))
        return y


class SmallNet(nn.Module):
    """float [B, 3, 112, 112] in [-1, 1] to [B, dim], not normalised."""

    def __init__(self, *, dim: int = 128) -> None:
        super().__init__()
        self.dim = dim
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, 7, 4, padding=3, bias=False), nn.BatchNorm2d(24), PReLU(24)
        )  # 28 x 28
        self.stages = nn.Sequential(
            _Unit(24, 48, stride=2),
            _Unit(48, 96, stride=2),
        )  # 7 x 7
        self.pool = nn.Sequential(nn.Conv2d(96, 96, 7, groups=96, bias=False), nn.BatchNorm2d(96))
        self.fc = nn.Linear(96, dim, bias=False)
        self.features = nn.BatchNorm1d(dim)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.features(self.fc(self.pool(self.stages(self.stem(x))).flatten(1)))
        return y
