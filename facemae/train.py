"""Train a masked autoencoder: batches of faces in, weights out. Knows no files but the state it goes on from.

The objective is FaceMAE's (arXiv 2205.11090) as we read it, see `objective` and `relation`. Weights, schedule and
length are parameters, since the paper's are unknown. One process or several (`accelerate launch`, `torchrun`): a
batch is the batch of all of them together, so that equal parameters mean equal training however many share it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from .masks import MaskKind, draw_mask
from .model import MaskedAutoencoder
from .objective import Losses, Objective, relation
from .recognition.frozen import frozen
from .relation import Memory
from .resume import State
from .runtime.allocator import keep_freed_memory
from .runtime.compiling import explained
from .runtime.errors import TrainingError
from .runtime.launcher import without_empty
from .runtime.pixels import to_float
from .runtime.precision import trains_in_bf16
from .schedule import adamw, draw, learning_rate

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True, kw_only=True)
class Training(Objective):
    """How to train. Its length is a number of optimizer steps, so that sets of any size get the same effort."""

    steps: int
    lr: float
    """The highest learning rate."""
    relation_lr: float | None = None
    """The highest once relations have set in; none means `lr`."""
    ratio: tuple[float, float] = (0.75, 0.75)
    """Share of the patches to hide: drawn for each step from between these two."""
    mask: MaskKind = "random"
    face_share: float = 1.0
    """Of eyes, nose and mouth, what the mask `face` always hides."""
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises from 0; where relations set in late, of each phase."""
    weight_decay: float = 0.05
    """Of matrices; biases, norms and tokens are not decayed."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    flip: bool = True
    """Mirror every other face, at random."""
    ema: float = 0.0
    """Share of the old in the running mean of the weights, once warm; 0 keeps the last weights."""
    accumulate: int = 1
    """Parts in which a batch is computed, to save memory; relations then are those within a part and the memory."""
    checkpointing: bool = False
    compile: bool = False
    """Compile the blocks with torch.compile: minutes at first, for long training on a GPU."""


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


class Portion(NamedTuple):
    """The batches that one process asks for."""

    epoch: int
    """From 0."""
    first: int
    """Batches of the epoch that were taken before, when training goes on."""
    part: int
    """Which of equal parts of every batch; from 0."""
    parts: int


def train(
    model: MaskedAutoencoder,
    batches: Callable[[Portion], Iterable[Tensor]],
    how: Training,
    *,
    teacher: nn.Module | None,
    seed: int,
    device: torch.device,
    record: Callable[[Line], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    epoch_done: Callable[[int, MaskedAutoencoder], None] = lambda epoch, model: None,
    scratch: Path | None = None,
    save_every: float = 30.0,
) -> None:
    """Train a model in place; it is on the device and in evaluation mode afterwards.

    On a CPU, equal seeds, batches, initial weights and numbers of threads give equal weights, also where training was
    killed and went on.

    Args:
        model: the autoencoder.
        batches: that portion of an epoch's batches, uint8 [B, 3, H, W] in all parts together; asked for as many
            epochs as it takes.
        how: losses, length and schedule.
        teacher: float [B, 3, H, W] in [-1, 1] to features [B, D], differentiable; left as it is. May be
            None where the relation loss has no weight.
        seed: decides masks and mirroring.
        device: where to compute; with several processes each has a device of that type.
        record: called with each step's losses, those before training went on first.
        progress: called with (steps done, steps), now and then.
        epoch_done: called after each epoch with its number, from 1, and the model as it would be published then.
        scratch: a folder to keep the state in, and to go on from; None keeps none.
        save_every: seconds between savings.

    Raises:
        TrainingError: a loss or gradient is not finite, there are no batches, a teacher is needed and missing, or
            nothing can be compiled here.
    """
    if how.relation_weight > 0 and teacher is None:
        raise TrainingError(
            f"relation matching (weight {how.relation_weight:g}) compares faces in a teacher's space: expected a "
            "teacher, got none; give one, or set the relation weight to 0"
        )
    if device.type == "cpu":
        keep_freed_memory()
    accelerator = _accelerator(device)
    device = accelerator.device
    model.to(device).train()
    model.checkpointing = how.checkpointing
    mean = AveragedModel(model, multi_avg_fn=_running_mean(how.ema)) if how.ema else None
    losses, optimizer = accelerator.prepare(Losses(model, how), adamw(model, lr=how.lr, weight_decay=how.weight_decay))
    if how.compile:
        model.blocks.compile()
        model.decoder_blocks.compile()
    state = State(scratch, how, model, optimizer.optimizer, mean, Memory(how.memory))
    lines = [Line(int(line[0]), *line[1:]) for line in state.restore()]
    teacher_network = frozen(teacher, device=device) if teacher is not None and how.relation_weight > 0 else None
    for line in lines:
        record(line)
    saved = time.monotonic()
    for images, epoch_ended in _steps(batches, how.steps, state, accelerator):
        step = len(lines) + 1
        # a schedule for each phase
        first = min(round(how.relation_start * how.steps), how.steps - 1) if teacher_network is not None else 0
        begun, length = (step, first) if step <= first else (step - first, how.steps - first)
        highest = how.lr if step <= first or how.relation_lr is None else how.relation_lr
        rate = learning_rate(begun, length, lr=highest, warmup=how.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        phase = how if step > first else replace(how, relation_weight=0.0, pixel_weight=1.0)
        with explained() if how.compile else nullcontext():
            found = _step(losses, images, phase, teacher_network, state.memory, accelerator, seed=seed, step=step)
        norm = accelerator.clip_grad_norm_(model.parameters(), how.clip)
        values = torch.stack([*found, torch.as_tensor(norm, device=device)]).tolist()
        if not all(map(math.isfinite, values)):
            raise TrainingError(
                f"training diverged at step {step} of {how.steps} with learning rate {rate:.3g}: expected finite "
                "losses, got loss {:g}, relation {:g}, pixel {:g}, gradient norm {:g}; ".format(*values)
                + "lower the learning rate, lengthen the warm-up, or look for damaged faces or teacher weights"
            )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if mean:
            mean.update_parameters(model)
        lines.append(Line(step, loss=values[0], relation=values[1], pixel=values[2], lr=rate))
        record(lines[-1])
        if step % 5 == 0 or step == how.steps:
            progress(step, how.steps)
        if epoch_ended and accelerator.is_main_process:
            epoch_done(state.epoch, cast(MaskedAutoencoder, mean.module) if mean else model)
            model.train()
        if accelerator.is_main_process and time.monotonic() - saved >= save_every:
            state.save(lines)
            saved = time.monotonic()
    if mean:
        model.load_state_dict(mean.module.state_dict())
    model.checkpointing = False
    model.eval()


def _step(
    losses: nn.Module, images: Tensor, how: Training, teacher_network: nn.Module | None, memory: Memory,
    accelerator: Accelerator, *, seed: int, step: int,
) -> Tensor:  # fmt: skip
    """Gradients of one step into the weights; [3], its loss, relation and pixel loss, over all processes."""
    chance = draw(seed, step, len(images) * accelerator.num_processes)
    own = slice(accelerator.process_index * len(images), (accelerator.process_index + 1) * len(images))
    seeds, mirrored = chance.seeds[own], chance.mirrored[own] & how.flip
    low, high = how.ratio
    ratio = low + chance.share * (high - low)
    architecture = accelerator.unwrap_model(losses).model.architecture
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    sums = torch.zeros(3, device=accelerator.device)
    parts = torch.arange(len(images)).chunk(how.accumulate)
    for number, rows in enumerate(parts, start=1):
        faces = to_float(images[rows].to(accelerator.device))
        mask = draw_mask(seeds[rows].to(accelerator.device), architecture, ratio, kind=how.mask, share=how.face_share)
        with accelerator.no_sync(losses) if number < len(parts) else nullcontext():
            with accelerator.autocast():
                pixel, private = losses(faces, mask)
                matched = pixel.new_zeros(())
                if teacher_network is not None and how.relation_weight:
                    matched = relation(private, faces, teacher_network, how, memory)
            loss = how.relation_weight * matched + how.pixel_weight * pixel
            share = len(rows) / len(images)  # parts may differ by a face
            accelerator.backward(loss * share)
        sums += torch.stack([loss, matched, pixel]).detach() * share
    means: Tensor = accelerator.reduce(sums, "mean")
    return means


def _steps(
    batches: Callable[[Portion], Iterable[Tensor]], steps: int, state: State, accelerator: Accelerator
) -> Iterator[tuple[Tensor, bool]]:
    """As many batches as there are steps still to do, epoch after epoch, and whether each is the epoch's last."""
    while state.step < steps:
        before = state.step
        waiting: Tensor | None = None  # one behind, to know the last
        portion = Portion(state.epoch, state.place, accelerator.process_index, accelerator.num_processes)
        for images in batches(portion):
            if waiting is not None:
                state.next(last=False)
                yield waiting, False
                if state.step == steps:
                    return
            waiting = images
        if waiting is not None:
            state.next(last=True)
            yield waiting, True
        elif state.step == before and not state.place:
            raise TrainingError(
                f"no faces to train on: epoch {state.epoch} had no batch, expected at least one; check the data"
            )
        else:
            state.next_epoch()


def _accelerator(device: torch.device) -> Accelerator:
    """Processes and precision of this training, whatever another training in this process had."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()
    with without_empty():
        return Accelerator(cpu=device.type == "cpu", mixed_precision="bf16" if trains_in_bf16(device) else "no")


def _running_mean(decay: float) -> Callable[[Any, Any, Any], None]:
    """Update of the running mean, whose memory is short at first: min(decay, (1 + t) / (10 + t)) at step t."""

    @torch.no_grad()
    def update(means: list[Tensor], weights: list[Tensor], t: Tensor) -> None:
        keep = min(decay, (1 + int(t)) / (10 + int(t)))
        torch._foreach_lerp_(means, weights, 1 - keep)

    return update
