"""What the autoencoder is trained for, and how a published face is made of what it gives.

FaceMAE (arXiv 2205.11090) trains by relation matching instead of MAE's pixel loss; that the pixel loss may stay beside
it with a weight, and how large the weights are, is our reading.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from .model import MaskedAutoencoder, pixel_loss
from .patches import Compose, Mask, compose_faces, patchify
from .relation import Memory, Relation, relation_loss


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Which losses, with which weights, on what is published."""

    compose: Compose = "rebuilt"
    normalised: bool = False
    """The decoder gives patches less their mean, over their deviation (MAE, section 4.1); see `published`."""
    relation: Relation = "gram"
    relation_weight: float = 10.0
    pixel_weight: float = 1.0
    relation_start: float = 0.0
    """Share of the steps that begin with the pixel loss alone; then relation matching sets in, and `pixel_weight`."""
    blur: float = 0.0
    """Deviation in pixels of the Gaussian through which the teacher sees published faces."""
    memory: int = 0
    """Faces of earlier batches with which a batch is related, too."""


class Losses(nn.Module):
    """float faces [B, 3, H, W] in [-1, 1] and their mask to the two losses, unweighted.

    A module around the model, so that what runs several processes has one forward pass to look after.
    """

    def __init__(self, model: MaskedAutoencoder, how: Objective) -> None:
        super().__init__()
        self.model, self.how = model, how

    def forward(self, faces: Tensor, mask: Mask) -> tuple[Tensor, Tensor | None]:
        """The pixel loss, and the faces as they would be published where relations have a weight.

        The pixel loss covers what is published: all patches where every one is rebuilt (a decoder that was never
        asked for visible patches gives noise there), the hidden ones where the visible are pasted (MAE's own loss).
        """
        patch = self.model.architecture.patch
        rebuilt = self.model(faces, mask).float()
        hidden = None if self.how.compose == "rebuilt" else mask.hidden
        pixel = pixel_loss(rebuilt, patchify(faces, patch), hidden, normalise=self.how.normalised)
        if not self.how.relation_weight:
            return pixel, None
        return pixel, published(rebuilt, faces, mask, self.model.architecture.patch, self.how)


def published(rebuilt: Tensor, faces: Tensor, mask: Mask, patch: int, how: Objective) -> Tensor:
    """The faces as they are published: float [B, 3, H, W] in [-1, 1], with a gradient to `rebuilt`.

    Where the decoder was trained on normalised patches, it cannot say how bright they are: all get the mean and
    the deviation that the visible patches of the face have on average (our reading; nothing hidden is used).
    """
    if how.normalised:
        seen = patchify(faces, patch).gather(1, mask.keep[..., None].expand(-1, -1, rebuilt.shape[-1]))
        spread = (seen.var(dim=-1) + 1e-6).sqrt().mean(dim=1)[:, None, None]
        rebuilt = rebuilt * spread + seen.mean(dim=(1, 2))[:, None, None]
    return compose_faces(faces, rebuilt, mask.hidden, patch=patch, compose=how.compose)


def relation(private: Tensor, faces: Tensor, teacher: nn.Module, how: Objective, memory: Memory) -> Tensor:
    """Relation matching of published faces with their originals in the space of a frozen teacher.

    Features are gathered from all processes, so that several see the relations of the whole batch.
    """
    with torch.no_grad():
        wanted = _gather(teacher(faces.contiguous(memory_format=torch.channels_last)))
    if how.blur:
        private = _blurred(private, how.blur)
    features = _gather(teacher(private.contiguous(memory_format=torch.channels_last)))
    loss = relation_loss(features, wanted, kind=how.relation, memory=memory.kept)
    memory.add(features, wanted)
    return loss


def _blurred(faces: Tensor, deviation: float) -> Tensor:
    """Gaussian blur, cut off after three deviations, mirrored at the border."""
    reach = math.ceil(3 * deviation)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=faces.device) / deviation).square())
    line = (weights / weights.sum()).to(faces.dtype).expand(faces.shape[1], 1, -1)
    for kernel, edges in ((line[:, :, None], (reach, reach, 0, 0)), (line[..., None], (0, 0, reach, reach))):
        faces = conv2d(pad(faces, edges, mode="reflect"), kernel, groups=faces.shape[1])
    return faces


def _gather(features: Tensor) -> Tensor:
    """[B of all processes, D], with the gradient of every process back to where a feature came from."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return features
    from torch.distributed.nn.functional import all_gather

    return torch.cat(all_gather(features.contiguous()))
