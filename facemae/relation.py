"""Instance relation matching (IRM): rebuilt faces shall relate to each other as the originals do.

Source: Wang et al., "FaceMAE: Privacy-Preserving Face Recognition via Masked Autoencoders" (arXiv 2205.11090).
What the abstract says: an "instance relation matching (IRM) module" minimises the distribution gap between
real faces and those that FaceMAE rebuilds. The authors released no code, and the abstract gives no formula.
**All the rest is our reading**: that relations are inner products or distances of a frozen recognizer's unit
features within a batch, that a squared difference compares them, that the diagonal is left out.

Why it can help privacy: `gram` and `distance` constrain relations *between* faces only. They do not change when
all rebuilt features are rotated together, so they never ask that a rebuilt face be near its own original.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import huber_loss

Relation: TypeAlias = Literal["gram", "distance", "cross"]


class Relations(NamedTuple):
    """Unit features whose relations are looked at: those of the batch with those of the batch and of memory."""

    own: Tensor
    """[B, D]."""
    all: Tensor
    """[B + M, D], the own ones first."""


def gram(rebuilt: Relations, original: Relations) -> Tensor:
    """Mean over i != j of (<r_i, r_j> - <f_i, f_j>)^2: inner products among the rebuilt, among the originals.

    The diagonal is 1 on both sides; counting it would only scale the loss by (B - 1) / B.
    """
    return _off_diagonal(rebuilt.own @ rebuilt.all.T - original.own @ original.all.T).square().mean()


def distance(rebuilt: Relations, original: Relations) -> Tensor:
    """Mean over i != j of huber(|r_i - r_j| / mean, |f_i - f_j| / mean), each mean over its own batch.

    Source: Park et al., "Relational Knowledge Distillation" (CVPR 2019), equations 3 to 6, on unit features.
    """
    ours, theirs = _distances(rebuilt), _distances(original)
    return huber_loss(ours / ours.mean(), theirs / theirs.mean())


def cross(rebuilt: Relations, original: Relations) -> Tensor:
    """Mean over i != j of (<r_i, f_j> - <f_i, f_j>)^2: rebuilt faces against the other originals.

    This one is not free under rotation: B - 1 originals pin a rebuilt face down near its own. It leaks more.
    """
    return _off_diagonal(rebuilt.own @ original.all.T - original.own @ original.all.T).square().mean()


RELATIONS: Final[dict[Relation, Callable[[Relations, Relations], Tensor]]] = {
    "gram": gram,
    "distance": distance,
    "cross": cross,
}


def relation_loss(
    rebuilt: Tensor, original: Tensor, *, kind: Relation = "gram", memory: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """How much the relations among rebuilt faces differ from those among the originals: a scalar, >= 0.

    Args:
        rebuilt: [B, D], features of the published faces, of any length; they are made unit vectors here.
        original: [B, D], features of the originals, in the same order; nothing is learned through them.
        kind: `gram`, `distance` or `cross`; the functions of these names say exactly what is compared.
        memory: rebuilt and original unit features [M, D] of earlier batches, with which those of this batch
            are related, too; nothing is learned through them.

    Returns:
        NaN where a feature has no direction (all zero) or no length that float32 can hold.

    Raises:
        ValueError: fewer than two faces, or shapes that differ.
    """
    if rebuilt.shape != original.shape or rebuilt.ndim != 2 or len(rebuilt) < 2:
        raise ValueError(
            "relations need features [B, D] of at least 2 faces, as many rebuilt as original; "
            f"got {list(rebuilt.shape)} and {list(original.shape)}"
        )
    # in float32 whatever the features came in: differences of near-equal cosines vanish in bfloat16
    ours, theirs = unit(rebuilt), unit(original.detach())
    earlier = memory or (ours[:0], theirs[:0])
    return RELATIONS[kind](
        Relations(ours, torch.cat([ours, earlier[0].detach()])),
        Relations(theirs, torch.cat([theirs, earlier[1].detach()])),
    )


def unit(features: Tensor) -> Tensor:
    """float32 [B, D], rows of length 1; NaN rather than a silent zero where that cannot be."""
    features = features.float()
    length = features.norm(dim=1, keepdim=True)
    return features / torch.where(length.isfinite() & (length > 0), length, math.nan)


class Memory:
    """Unit features of the last `size` faces, rebuilt and original: more relations a step than a batch holds.

    The rebuilt ones are those of the weights of then; a memory of a few batches is little out of date.

    Source: He et al., "Momentum Contrast" (CVPR 2020), section 3.2, for the queue; that it serves relations is ours.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept: tuple[Tensor, Tensor] | None = None

    def add(self, rebuilt: Tensor, original: Tensor) -> None:
        """Put features [B, D] of a batch in front, and let go of the oldest."""
        if self.size:
            new = unit(rebuilt.detach()), unit(original.detach())
            old = self.kept or (new[0][:0], new[1][:0])
            self.kept = (torch.cat([new[0], old[0]])[: self.size], torch.cat([new[1], old[1]])[: self.size])


def _distances(features: Relations) -> Tensor:
    """[B * (B + M - 1)], Euclidean distances of unit features, each pair of the batch twice."""
    squared = 2 - 2 * _off_diagonal(features.own @ features.all.T)
    return squared.clamp_min(1e-12).sqrt()  # the root has no gradient at 0


def _off_diagonal(relations: Tensor) -> Tensor:
    """[B * (B + M - 1)], the entries of a [B, B + M] matrix but those of a face with itself."""
    return relations[~torch.eye(*relations.shape, dtype=torch.bool, device=relations.device)]
