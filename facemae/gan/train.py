"""Train the generator of faces against its discriminator: batches of faces in, a generator out.

Knows no datasets. What a step does is told in `gan_step`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn

from ..recognition.frozen import frozen
from ..runtime.errors import TrainingError
from .networks import Generator, Shape
from .state import GanTraining, restore, store
from .step import GanBatch, GanLine, rebuild, shrink, update

Batches = Callable[[int], Iterable[tuple[Tensor, Tensor]]]
"""Epoch (from 0) to its batches: uint8 [B, 3, 112, 112] and the rows of their people's codes, int64 [B]."""


def train(
    shape: Shape,
    batches: Batches,
    codes: Tensor,
    how: GanTraining,
    *,
    average: Tensor,
    teacher: nn.Module,
    seed: int,
    device: torch.device,
    kept: Path | None = None,
    record: Callable[[GanLine], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Generator:
    """Train, or go on with a training that was killed.

    On a CPU equal inputs give equal weights, however often the training was killed on its way.

    Args:
        shape: of the networks.
        batches: of real faces, as many epochs as it takes; batches of an epoch are always the same.
        codes: float [P, D], unit length, of the people whom the batches name.
        how: losses and length.
        average: float [1, 3, 112, 112] in [-1, 1], the real faces' average.
        teacher: float [B, 3, 112, 112] in [-1, 1] to features [B, D], differentiable; it stays as it is.
        seed: decides initial weights, codes, mirroring and augmentation.
        device: where to compute.
        kept: a file where the state is kept now and then, and gone on from where it is there and fits.
        record: called with each step's losses, those of earlier tries included.
        progress: called with (steps done, steps), now and then.

    Returns:
        The exponential moving average of the generator, on `device`, in evaluation mode.

    Raises:
        TrainingError: a loss or gradient is not finite, or there are no batches.
        WeightsError: the state cannot be kept.
    """
    teacher = frozen(teacher, device=device)
    codes, average = codes.to(device), shrink(average, shape.resolution)
    networks, lines = restore(kept, shape, how, average=average, seed=seed, device=device)
    for values in lines:
        record(GanLine(int(values[0]), *values[1:]))
    r1 = lines[-1][5] if lines else 0.0
    done = len(lines)
    for step, (images, people) in enumerate(_steps(batches, how.steps, done), start=done + 1):
        draw = torch.Generator().manual_seed(seed * 1_000_003 + step)  # a step's own: nothing to keep for a resumption
        alone = step <= how.rebuilding
        batch = GanBatch(images, people, codes, shape, how, draw, device, known=alone)
        if alone:
            line = rebuild(networks, batch, how, step)
        else:
            line, r1 = update(networks, batch, teacher, how, step, r1)
        if not all(map(math.isfinite, line)):
            raise TrainingError(
                f"training diverged at step {step} of {how.steps}: expected finite losses, got discriminator "
                "{:g}, adversarial {:g}, identity {:g}, rebuild {:g}, R1 {:g}, gradient norm {:g}; ".format(
                    *line[1:6], line.norm
                )
                + "lower the learning rate, raise the weight of R1, or look for damaged faces or teacher weights"
            )
        networks.follow(how, step)
        record(line)
        lines.append(tuple(map(float, line)))
        if step % 5 == 0 or step == how.steps:
            progress(step, how.steps)
        if kept is not None and step % how.keep_every == 0 and step < how.steps:
            store(kept, networks, lines)
    return networks.average.eval().requires_grad_(False)


def _steps(batches: Batches, steps: int, done: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of the steps that are left, epoch after epoch."""
    epoch = at = 0
    while at < steps:
        before = at
        for images, people in islice(batches(epoch), steps - at):
            at += 1
            if at > done:
                yield images, people
        if at == before:
            raise TrainingError(
                f"no faces to train on: epoch {epoch} had no batch, expected at least one; check the data"
            )
        epoch += 1
