"""The measuring stick: train a recognizer on labelled faces, the same way for every dataset."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...datasets.base import Faces, Progress, silent
from ...facemae.runtime.errors import TrainingError

if TYPE_CHECKING:
    import torch
    from torch import nn

WEIGHTS = "recognizer.pt"
LOG = "log.jsonl"


class Recognizer(BaseModel):
    """A recipe for a recognizer. Its length is counted in optimizer steps, never in passes over the data."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    architecture: Literal["small", "mobilefacenet", "iresnet18", "iresnet50", "iresnet100"] = "iresnet50"
    """`small` suits two cores; the others are InsightFace's."""
    dim: Annotated[int, Field(ge=16, le=1024)] = 512
    """Of an embedding."""
    steps: Annotated[int, Field(ge=1, le=10**9)] = 40_000
    """Of the optimizer, one batch each."""
    batch: Annotated[int, Field(ge=2, le=10**6)] = 256
    """Faces a step."""
    lr: Annotated[float, Field(ge=0, le=100)] = 0.1
    """Peak rate: reached after the warm-up, and brought to zero by a half cosine."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the steps."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """SGD's."""
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 5e-4
    """SGD's."""
    margin: Annotated[float, Field(ge=0, lt=1.5)] = 0.5
    """Radians."""
    scale: Annotated[float, Field(gt=0, le=10_000)] = 64.0
    """Of the cosines before the softmax: ArcFace's s."""
    clip: Annotated[float, Field(gt=0, le=1e6)] = 5.0
    """Greatest norm of a step's gradient."""


def train(
    faces: Faces,
    out: Path,
    how: Recognizer,
    *,
    seed: int,
    device: torch.device,
    progress: Progress = silent,
) -> None:
    """Train a recognizer and write its weights and its log into the folder `out`.

    Equal seeds give equal weights on a CPU with an equal number of threads.

    Raises:
        TrainingError: fewer than two people, or a loss that is not finite.
        DataError: a face cannot be read.
    """
    import torch

    from ...datasets.views.loader import Batches
    from ...facemae.recognition import embedder
    from ...facemae.recognition.margin import ArcMargin
    from ...facemae.runtime.allocator import keep_freed_memory
    from ...facemae.runtime.precision import autocast, layout

    if faces.identities < 2:
        raise TrainingError(
            f"recognizer: expected faces of 2 or more people to tell apart, got {faces.identities}; bring more people"
        )
    if device.type == "cpu":
        keep_freed_memory()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        network = layout(embedder.build(how.architecture, dim=how.dim), device)
        head = ArcMargin(faces.identities, how.dim, margin=how.margin, scale=how.scale).to(device)
    network.train()
    optimizer = torch.optim.SGD(
        [*_decayed(network, how.weight_decay), {"params": head.weight, "weight_decay": how.weight_decay}],
        lr=how.lr,
        momentum=how.momentum,
        nesterov=how.momentum > 0,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, how))
    weights = [*network.parameters(), head.weight]
    flips = torch.Generator().manual_seed(seed)
    batch = min(how.batch, len(faces))
    stream = Batches(faces, batch, seed=seed, shuffle=True, drop_last=True)
    step = 0
    with (out / LOG).open("w", encoding="utf-8") as log:
        while step < how.steps:
            for images, labels in stream:
                x = _floats(images, flips, device)
                with autocast(device):
                    embeddings = network(x)
                loss = head(embeddings, labels.to(device))
                value = float(loss.detach())
                if not math.isfinite(value):
                    raise TrainingError(
                        f"recognizer: the loss became {value} at step {step + 1} of {how.steps} "
                        f"(rate {schedule.get_last_lr()[0]:g}); lower the rate (--set recognizer.lr=...) or "
                        "lengthen the warm-up"
                    )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(weights, how.clip)
                log.write(json.dumps({"step": step, "loss": value, "lr": schedule.get_last_lr()[0]}) + "\n")
                optimizer.step()
                schedule.step()
                step += 1
                progress(step, how.steps)
                if step == how.steps:
                    break
    embedder.save(network, out / WEIGHTS, architecture=how.architecture, dim=how.dim)


def _floats(images: torch.Tensor, flips: torch.Generator, device: torch.device) -> torch.Tensor:
    """Training images as the network sees them: every other one mirrored, by chance."""
    import torch

    from ...facemae.runtime.pixels import to_float

    mirrored = torch.rand(len(images), generator=flips) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    return to_float(images.to(device)).contiguous(memory_format=torch.channels_last)


def _decayed(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices and kernels; none for biases, norms and slopes, which it only disturbs."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _rate(step: int, how: Recognizer) -> float:
    """The learning rate at a step, as a share of the peak."""
    warm = how.warmup * how.steps
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1.0, how.steps - warm)))
