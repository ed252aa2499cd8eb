"""One step of adversarial training: what is drawn for it, its losses, and the update of all networks.

A step generates as many faces as it was given: half of them of people who were given, half of new people between
two of the training set. The first have the nuisance that an encoder found in the real face, and are to rebuild
it; they are judged together with their code. The second have a random nuisance and are judged as faces only, since
no real face shows them. All are held to their code in the space of a frozen recognizer. Losses: non-saturating
(Goodfellow et al. 2014), R1 every few steps (Mescheder et al., arXiv 1801.04406; made lazy as in arXiv 1912.04958,
section 3.1), identity 1 - cosine, and rebuilding as in CVAE-GAN (arXiv 1703.10155).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cosine_similarity, interpolate, softplus

from ..runtime.pixels import to_float
from ..runtime.precision import autocast
from .augment import augment
from .networks import Shape, mix_codes
from .state import GanTraining, Networks

SIZE = 112
"""Side in pixels of faces as they come and as a recognizer sees them."""


class GanLine(NamedTuple):
    """One step of the loss curves."""

    step: int
    """From 1."""
    discriminator: float
    adversarial: float
    """The generator's part; about 0.7 where neither wins."""
    identity: float
    """1 - cosine, 0..2, unweighted."""
    rebuild: float
    """Mean absolute error on the [-1, 1] scale, unweighted; 0 where nothing is rebuilt."""
    r1: float
    """As last computed, unweighted."""
    real: float
    """Share of real faces that the discriminator calls real: 1 throughout means that it learns them by heart."""
    norm: float
    """Of the generator's gradient."""


class GanBatch:
    """What a step works on: real faces, codes of people and nuisances, and the step's own randomness."""

    def __init__(
        self,
        images: Tensor,
        people: Tensor,
        codes: Tensor,
        shape: Shape,
        how: GanTraining,
        draw: torch.Generator,
        device: torch.device,
        *,
        known: bool = False,
    ) -> None:
        count = len(images)
        mirror = torch.rand(count, generator=draw) < 0.5
        images = torch.where(mirror[:, None, None, None], images.flip(3), images)
        self.real = shrink(to_float(images.to(device)), shape.resolution)
        self.people = codes[people.to(device)]
        self.known = count if known else (count + 1) // 2
        """The faces from the first to this one are judged together with their code."""
        new = count - self.known
        one = torch.randint(len(codes), (new,), generator=draw)
        other = (one + torch.randint(1, len(codes), (new,), generator=draw)) % len(codes)
        low, high = how.mix
        weight = low + (high - low) * torch.rand(new, generator=draw)
        mixed = mix_codes(codes[one.to(device)], codes[other.to(device)], weight.to(device))
        self.wanted = torch.cat([self.people[: self.known], mixed])
        self.asked = (torch.arange(count) < self.known)[:, None].to(device)
        self.normal = torch.randn(count, shape.nuisance, generator=draw).to(device)
        self.draw = draw


def rebuild(networks: Networks, batch: GanBatch, how: GanTraining, step: int) -> GanLine:
    """One step of rebuilding faces alone, for a fraction of the time that all losses take."""
    with autocast(batch.real.device):
        faces, divergence = _generate(networks, batch)
    error = (faces - batch.real).abs().mean()
    networks.generator_optimizer.zero_grad(set_to_none=True)
    (how.rebuild_weight * (error + how.divergence_weight * divergence)).backward()
    norm = nn.utils.clip_grad_norm_(networks.learners(), how.clip)
    networks.generator_optimizer.step()
    return GanLine(step, 0.0, 0.0, 0.0, float(error.detach()), 0.0, 0.0, float(norm))


def update(
    networks: Networks, batch: GanBatch, teacher: nn.Module, how: GanTraining, step: int, r1: float
) -> tuple[GanLine, float]:
    """One step of the discriminator, then one of generator and encoder on the same faces."""
    device = batch.real.device
    with autocast(device):
        fake, divergence = _generate(networks, batch)
    discriminator = networks.discriminator.requires_grad_(True)
    with autocast(device):
        said_fake = discriminator(augment(fake.detach(), how.augment, batch.draw), batch.wanted * batch.asked)
        said_real = discriminator(augment(batch.real, how.augment, batch.draw), batch.people * batch.asked)
    loss = softplus(said_fake).mean() + softplus(-said_real).mean()
    value, total = loss.detach(), loss
    if how.r1_weight > 0 and step % how.r1_every == 1 % how.r1_every:
        penalty = gradient_penalty(
            lambda real: discriminator(augment(real, how.augment, batch.draw), batch.people * batch.asked), batch.real
        )
        total = loss + penalty * (how.r1_weight / 2 * how.r1_every)
        r1 = float(penalty.detach())
    networks.discriminator_optimizer.zero_grad(set_to_none=True)
    total.backward()
    networks.discriminator_optimizer.step()

    discriminator.requires_grad_(False)
    with autocast(device):
        said = discriminator(augment(fake, how.augment, batch.draw), batch.wanted * batch.asked)
        identity = _strangeness(teacher, fake, batch.wanted)
    adversarial = softplus(-said).mean()
    loss = adversarial + how.identity_weight * identity
    error = adversarial.new_zeros(())
    if networks.encoder is not None:
        error = (fake[: batch.known] - batch.real[: batch.known]).abs().mean()
        loss = loss + how.rebuild_weight * (error + how.divergence_weight * divergence)
    networks.generator_optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(networks.learners(), how.clip)
    networks.generator_optimizer.step()
    share = (said_real.detach() > 0).float().mean()
    values = torch.stack([value, adversarial.detach(), identity.detach(), error.detach(), share, norm]).tolist()
    line = GanLine(step, values[0], values[1], values[2], values[3], r1, values[4], values[5])
    return line, r1


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """R1: the mean over real faces of the squared norm of the judgement's gradient in the pixels.

    Args:
        discriminator: [B, 3, H, W] to [B], each from its own face.
        real: [B, 3, H, W].
    """
    faces = real.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(discriminator(faces).sum(), faces, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def _generate(networks: Networks, batch: GanBatch) -> tuple[Tensor, Tensor]:
    """Faces of the wanted codes, the known people's as the encoder saw them, and its divergence from a normal."""
    if networks.encoder is None:
        return networks.generator(batch.wanted, batch.normal), batch.normal.new_zeros(())
    mean, log_variance = networks.encoder(batch.real[: batch.known])
    seen = mean + (log_variance / 2).exp() * batch.normal[: batch.known]
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
    return networks.generator(batch.wanted, torch.cat([seen, batch.normal[batch.known :]])), divergence


def _strangeness(teacher: nn.Module, faces: Tensor, wanted: Tensor) -> Tensor:
    """1 - cosine between the features of generated faces and the codes that they are to show."""
    seen = enlarge(faces).clamp(-1, 1).contiguous(memory_format=torch.channels_last)
    return (1 - cosine_similarity(teacher(seen).float(), wanted, dim=1)).mean()


def shrink(faces: Tensor, resolution: int) -> Tensor:
    """[B, 3, 112, 112] to [B, 3, resolution, resolution], each pixel the mean of those it stands for."""
    factor = SIZE // resolution
    return avg_pool2d(faces, factor) if factor > 1 else faces


def enlarge(faces: Tensor) -> Tensor:
    """[B, 3, resolution, resolution] to [B, 3, 112, 112], bilinear."""
    if faces.shape[2] == SIZE:
        return faces
    return interpolate(faces, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
