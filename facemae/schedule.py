"""Learning rate, optimizer and randomness of training the autoencoder: what each step is, told by its number alone."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .runtime.randomness import stream


class Draw(NamedTuple):
    """The chance of one step."""

    seeds: Tensor
    """int64 [B], of the masks."""
    mirrored: Tensor
    """bool [B]."""
    share: float
    """Uniform in [0, 1): where between its bounds the step's ratio is."""


def draw(seed: int, step: int, batch: int) -> Draw:
    """The chance of a step for a batch of faces: from seed and step alone, so that training can begin anywhere."""
    # the seed is hashed first, so that neighbouring seeds share no stream
    start = stream(torch.tensor([seed]), 1)[:, 0] ^ step
    numbers = stream(stream(start, 1)[:, 0], 2 * batch + 1)[0]
    share = ((int(numbers[-1]) >> 11) + 2**52) / 2**53
    return Draw(numbers[:batch], numbers[batch:-1] < 0, share)


def learning_rate(step: int, steps: int, *, lr: float, warmup: float) -> float:
    """The rate of steps 1 to `steps`: linear warm-up to `lr` over a share of them, then half a cosine towards 0."""
    warm = max(1, round(warmup * steps))
    if step <= warm:
        return lr * step / warm
    return lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm + 1)))


def adamw(model: nn.Module, *, lr: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW with MAE's momenta (arXiv 2111.06377, table 8); biases, norms and tokens are not decayed."""
    matrices = [weight for weight in model.parameters() if weight.squeeze().ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.squeeze().ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), fused=True)
