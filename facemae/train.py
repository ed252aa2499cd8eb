"""Train a masked autoencoder: batches of faces in, weights out. Knows no files.

The objective is FaceMAE's (arXiv 2205.11090) as we read it, see `relation`: relation matching in the space of a
frozen teacher, plus MAE's pixel loss. Weights, schedule and length are parameters, since the paper's are unknown.
One process, one device; several are for a later version.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from .masking import Compose, Mask, compose_faces, patchify, random_mask
from .model import MaskedAutoencoder, pixel_loss
from .pixels import to_float
from .precision import autocast
from .relation import Relation, relation_loss


class TrainingError(RuntimeError):
    """Training that cannot go on; the message says where, expected, got and what to do."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train. Its length is a number of optimizer steps, so that sets of any size get the same effort."""

    steps: int
    lr: float
    """The highest learning rate."""
    ratio: float = 0.75
    """Share of the patches to hide."""
    compose: Compose = "rebuilt"
    relation: Relation = "gram"
    relation_weight: float = 10.0
    pixel_weight: float = 10.0
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises from 0."""
    weight_decay: float = 0.05
    """Of matrices; biases, norms and tokens are not decayed."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    flip: bool = True
    """Mirror every other face, at random."""


class Line(NamedTuple):
    """One step of the loss curve."""

    step: int
    """From 1."""
    loss: float
    relation: float
    """Unweighted; 0 without a teacher."""
    pixel: float
    """Unweighted mean squared error on the [-1, 1] scale."""
    lr: float


def train(
    model: MaskedAutoencoder,
    batches: Callable[[int], Iterable[Tensor]],
    how: Training,
    *,
    teacher: nn.Module | None,
    seed: int,
    device: torch.device,
    record: Callable[[Line], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Train a model in place; it is on `device` and in evaluation mode afterwards.

    On a CPU, equal seeds, batches and initial weights give equal weights.

    Args:
        model: the autoencoder.
        batches: epoch (from 0) to that epoch's batches, uint8 [B, 3, H, W]; asked for as many epochs as it takes.
        how: losses, length and schedule.
        teacher: float [B, 3, H, W] in [-1, 1] to features [B, D], differentiable; it is frozen here. May be
            None where the relation loss has no weight.
        seed: decides masks and mirroring.
        device: where to compute.
        record: called with each step's losses.
        progress: called with (steps done, steps), now and then.

    Raises:
        TrainingError: a loss or gradient is not finite, there are no batches, or a teacher is needed and missing.
    """
    if how.relation_weight > 0 and teacher is None:
        raise TrainingError(
            f"relation matching (weight {how.relation_weight:g}) compares faces in a teacher's space: expected a "
            "teacher, got none; give one, or set the relation weight to 0"
        )
    model.to(device).train()
    if teacher is not None:
        teacher.to(device).eval().requires_grad_(False)
    optimizer = _optimizer(model, how)
    generator = torch.Generator().manual_seed(seed)  # on the CPU, so that every device draws the same masks
    for step, images in enumerate(_steps(batches, how.steps), start=1):
        rate = learning_rate(how, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        faces, mask = _draw(images, model, how, generator, device)
        with autocast(device):
            relation, pixel = objective(model, faces, mask, how, teacher)
        loss = how.relation_weight * relation + how.pixel_weight * pixel
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = clip_grad_norm_(model.parameters(), how.clip)
        values = torch.stack([loss.detach(), relation.detach(), pixel.detach(), norm]).tolist()
        if not all(map(math.isfinite, values)):
            raise TrainingError(
                f"training diverged at step {step} of {how.steps} with learning rate {rate:.3g}: expected finite "
                "losses, got loss {:g}, relation {:g}, pixel {:g}, gradient norm {:g}; ".format(*values)
                + "lower the learning rate, lengthen the warm-up, or look for damaged faces or teacher weights"
            )
        optimizer.step()
        record(Line(step, loss=values[0], relation=values[1], pixel=values[2], lr=rate))
        if step % 5 == 0 or step == how.steps:
            progress(step, how.steps)
    model.eval()


def objective(
    model: MaskedAutoencoder, faces: Tensor, mask: Mask, how: Training, teacher: nn.Module | None
) -> tuple[Tensor, Tensor]:
    """The two losses, unweighted: relation matching of the published faces, and the pixel loss.

    The pixel loss covers what is published: all patches where every one is rebuilt (a decoder that was never asked
    for visible patches gives noise there), the hidden ones where the visible are pasted (MAE's own loss).
    """
    patch = model.architecture.patch
    rebuilt = model(faces, mask).float()
    hidden = None if how.compose == "rebuilt" else mask.hidden
    pixel = pixel_loss(rebuilt, patchify(faces, patch), hidden)
    if teacher is None or how.relation_weight == 0:
        return pixel.new_zeros(()), pixel
    published = compose_faces(faces, rebuilt, mask.hidden, patch=patch, compose=how.compose)
    with torch.no_grad():
        wanted = teacher(faces.contiguous(memory_format=torch.channels_last))
    features = teacher(published.contiguous(memory_format=torch.channels_last))
    return relation_loss(features, wanted, kind=how.relation), pixel


def learning_rate(how: Training, step: int) -> float:
    """The rate of steps 1 to `how.steps`: linear warm-up to `how.lr`, then half a cosine towards 0."""
    warm = max(1, round(how.warmup * how.steps))
    if step <= warm:
        return how.lr * step / warm
    return how.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / (how.steps - warm + 1)))


def _draw(
    images: Tensor, model: MaskedAutoencoder, how: Training, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, Mask]:
    """A batch as the model takes it: float faces, some of them mirrored, and their masks."""
    limits = torch.iinfo(torch.int64)
    seeds = torch.randint(limits.min, limits.max, (len(images),), generator=generator)
    mirror = (torch.rand(len(images), generator=generator) < 0.5) & how.flip
    images, mirror = images.to(device), mirror.to(device)
    images = torch.where(mirror[:, None, None, None], images.flip(3), images)
    return to_float(images), random_mask(seeds.to(device), model.architecture.patches, how.ratio)


def _steps(batches: Callable[[int], Iterable[Tensor]], steps: int) -> Iterator[Tensor]:
    """As many batches as there are steps, epoch after epoch."""
    done = epoch = 0
    while done < steps:
        before = done
        for images in batches(epoch):
            yield images
            done += 1
            if done == steps:
                return
        if done == before:
            raise TrainingError(
                f"no faces to train on: epoch {epoch} had no batch, expected at least one; check the data"
            )
        epoch += 1


def _optimizer(model: nn.Module, how: Training) -> torch.optim.AdamW:
    """AdamW with MAE's momenta (arXiv 2111.06377, table 8)."""
    matrices = [weight for weight in model.parameters() if weight.squeeze().ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.squeeze().ndim <= 1]  # tokens, too
    groups = [
        {"params": matrices, "weight_decay": how.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=how.lr, betas=(0.9, 0.95), fused=True)
