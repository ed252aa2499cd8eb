"""MobileFaceNet: a face embedder of one million parameters.

Source: Chen et al., "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile
Devices", CCBR 2018, table 1. Parameters are named as in a PyTorch port that published weights come from, so
that those state dicts load as they are.
"""

from __future__ import annotations

from torch import Tensor, nn

from .prelu import PReLU


class _Unit(nn.Module):
    """Convolution, batch norm and PReLU."""

    def __init__(self, inside: int, out: int, *, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out)
        self.prelu = PReLU(out)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.prelu(self.bn(self.conv(x)))
        return y


class _Linear(nn.Module):
    """1x1 convolution and batch norm without activation: the linear end of a bottleneck."""

    def __init__(self, inside: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, out, 1, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(x))
        return y


class _Bottleneck(nn.Module):
    """Expand, filter each channel by itself, project; with a shortcut where nothing shrinks."""

    def __init__(self, inside: int, out: int, *, groups: int, stride: int) -> None:
        super().__init__()
        self.conv = _Unit(inside, groups, kernel=1)
        self.conv_dw = _Unit(groups, groups, kernel=3, stride=stride, groups=groups)
        self.project = _Linear(groups, out)
        self.shortcut = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.conv_dw(self.conv(x)))
        return x + y if self.shortcut else y


class _Stack(nn.Module):
    """Bottlenecks in a row that keep the shape."""

    def __init__(self, channels: int, *, groups: int, blocks: int) -> None:
        super().__init__()
        self.model = nn.Sequential(*(_Bottleneck(channels, channels, groups=groups, stride=1) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


class MobileFaceNet(nn.Module):
    """float [B, 3, 112, 112] in [-1, 1] to [B, dim], not normalised."""

    def __init__(self, *, dim: int = 128) -> None:
        super().__init__()
        self.dim = dim
        self.conv1 = _Unit(3, 64, kernel=3, stride=2)
        self.conv2_dw = _Unit(64, 64, kernel=3, groups=64)
        self.conv_23 = _Bottleneck(64, 64, groups=128, stride=2)
        self.conv_3 = _Stack(64, groups=128, blocks=4)
        self.conv_34 = _Bottleneck(64, 128, groups=256, stride=2)
        self.conv_4 = _Stack(128, groups=256, blocks=6)
        self.conv_45 = _Bottleneck(128, 128, groups=512, stride=2)
        self.conv_5 = _Stack(128, groups=256, blocks=2)
        self.sep = nn.Conv2d(128, 512, 1, bias=False)
        self.sep_bn = nn.BatchNorm2d(512)
        self.prelu = PReLU(512)
        # global depthwise convolution: each of the 7x7 places has a weight of its own
        self.GDC_dw = nn.Conv2d(512, 512, 7, groups=512, bias=False)
        self.GDC_bn = nn.BatchNorm2d(512)
        self.features = nn.Conv2d(512, dim, 1, bias=False)
        self.last_bn = nn.BatchNorm2d(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_23(self.conv2_dw(self.conv1(x)))  # 28 x 28
        x = self.conv_34(self.conv_3(x))  # 14 x 14
        x = self.conv_45(self.conv_4(x))  # 7 x 7
        x = self.prelu(self.sep_bn(self.sep(self.conv_5(x))))
        x = self.GDC_bn(self.GDC_dw(x))  # 1 x 1
        y: Tensor = self.last_bn(self.features(x)).flatten(1)
        return y
