"""Additive angular margin: the loss that every recognizer of this suite is trained with.

Source: Deng et al., ArcFace, CVPR 2019, equation 3. The margin is part of the graph, so the gradient of the
target logit is the true derivative s * sin(theta + m) / sin(theta) of cos(theta + m); implementations that
overwrite the logit in place pass the gradient of cos(theta) through instead.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class ArcMargin(nn.Module):
    """Logits over people, harder for the right one by an angle.

    Args:
        people: number of classes.
        dim: width D of an embedding.
        margin: m in radians, 0 <= m < pi / 2.
        scale: s, by which cosines become logits.
        generator: makes the initial class centres.
    """

    def __init__(
        self, people: int, dim: int, *, margin: float, scale: float, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(people, dim).normal_(0, 0.01, generator=generator))
        self.margin, self.scale = margin, scale

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of the logits.

        Args:
            embeddings: float [B, D], of any length above zero.
            labels: int64 [B], 0 <= label < people.

        Returns:
            The mean loss, a scalar.
        """
        cosine = functional.linear(
            functional.normalize(embeddings.to(self.weight.dtype)), functional.normalize(self.weight)
        )
        target = cosine.gather(1, labels[:, None]).squeeze(1)
        logits = cosine.scatter(1, labels[:, None], with_margin(target, self.margin)[:, None].to(cosine.dtype))
        return functional.cross_entropy(self.scale * logits, labels)


def with_margin(cosine: Tensor, margin: float) -> Tensor:
    """cos(theta + m) from cos(theta), continued as a falling line where theta + m would pass pi.

    There cos(theta + m) would rise again and reward a wrong direction; cos(theta) - m sin(m) falls on.
    """
    # a slope at theta = 0 and pi is infinite: keep sine away from it
    sine = (1 - cosine.square()).clamp(min=1e-6).sqrt()
    turned = cosine * math.cos(margin) - sine * math.sin(margin)
    return torch.where(cosine > -math.cos(margin), turned, cosine - margin * math.sin(margin))
