"""IResNet: the residual network that ArcFace made the field's standard recognizer.

Source: Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019, section 3.1
(BN-Conv-BN-PReLU-Conv-BN units, BN-Dropout-FC-BN output). Parameters are named as in insightface's
`arcface_torch/backbones/iresnet.py`, so that its state dicts load as they are.
"""

from __future__ import annotations

from torch import Tensor, nn

from .prelu import PReLU

DEPTHS = {
    "iresnet18": (2, 2, 2, 2),
    "iresnet50": (3, 4, 14, 3),
    "iresnet100": (3, 13, 30, 3),
}
"""Units in each of the four stages."""

_CHANNELS = (64, 128, 256, 512)


class _Unit(nn.Module):
    """BN-Conv-BN-PReLU-Conv-BN with a shortcut; the second convolution takes the stride."""

    def __init__(self, inside: int, out: int, *, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv1 = nn.Conv2d(inside, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.prelu = PReLU(out)
        self.conv2 = nn.Conv2d(out, out, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample: nn.Module | None = None
        if stride != 1 or inside != out:
            self.downsample = nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        y = y + (x if self.downsample is None else self.downsample(x))
        return y


class IResNet(nn.Module):
    """float [B, 3, 112, 112] in [-1, 1] to [B, dim], not normalised."""

    def __init__(self, depths: tuple[int, int, int, int], *, dim: int = 512, dropout: float = 0.0) -> None:
        super().__init__()
        self.dim = dim
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.prelu = PReLU(64)
        self.layer1 = _stage(64, _CHANNELS[0], depths[0])
        self.layer2 = _stage(_CHANNELS[0], _CHANNELS[1], depths[1])
        self.layer3 = _stage(_CHANNELS[1], _CHANNELS[2], depths[2])
        self.layer4 = _stage(_CHANNELS[2], _CHANNELS[3], depths[3])
        self.bn2 = nn.BatchNorm2d(_CHANNELS[3])
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(_CHANNELS[3] * 7 * 7, dim)
        self.features = nn.BatchNorm1d(dim)
        self.features.weight.requires_grad = False  # a free scale would only undo the later normalisation
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.prelu(self.bn1(self.conv1(x)))  # 112 x 112
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # 7 x 7
        y: Tensor = self.features(self.fc(self.dropout(self.bn2(x).flatten(1))))
        return y


def _stage(inside: int, out: int, units: int) -> nn.Sequential:
    first = _Unit(inside, out, stride=2)
    return nn.Sequential(first, *(_Unit(out, out, stride=1) for _ in range(units - 1)))
