"""How attackers who train a network do it: steps, a rate that rises and falls, and one seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ....datasets.base import Progress
from ..base import NotApplicableError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def fit(
    build: Callable[[], nn.Module],
    loss: Callable[[nn.Module, Tensor, Tensor], Tensor],
    rows: int,
    *,
    steps: int,
    batch: int,
    lr: float,
    seed: int,
    device: torch.device,
    progress: Progress,
) -> nn.Module:
    """Train a network with AdamW; equal seeds give equal weights on a CPU with an equal number of threads.

    Args:
        build: makes it, untrained.
        loss: of the network on some rows, int64 [B]; the last argument says which of them are to be mirrored, bool [B].
        rows: faces to learn from.
        steps: of the optimizer.
        batch: faces a step.
        lr: peak rate; reached after a tenth of the steps, and brought to zero by a half cosine.
        seed: of weights and batches.
        device: where to train.
        progress: told of steps done.

    Returns:
        The network, in evaluation mode.

    Raises:
        NotApplicableError: the loss is not finite.
    """
    import torch

    from ....facemae.runtime.allocator import keep_freed_memory
    from ....facemae.runtime.precision import layout

    if device.type == "cpu":
        keep_freed_memory()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        network = layout(build(), device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=1e-2)
    warm = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda n: (n + 1) / warm if n < warm else 0.5 * (1 + math.cos(math.pi * (n - warm) / (steps - warm + 1))),
    )
    drawn = torch.Generator().manual_seed(seed)
    for step in range(steps):
        chosen = torch.randint(rows, (min(batch, rows),), generator=drawn)
        mirrored = torch.rand(len(chosen), generator=drawn) < 0.5
        value = loss(network, chosen, mirrored)
        if not math.isfinite(float(value.detach())):
            raise NotApplicableError(
                f"not measured: the attacker's training diverged at step {step + 1} of {steps}; lower its rate"
            )
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress(step + 1, steps)
    return network.eval()


def mirror(images: Tensor, mirrored: Tensor) -> Tensor:
    """Some of the images [B, 3, H, W] from left to right."""
    import torch

    return torch.where(mirrored[:, None, None, None], images.flip(-1), images)
