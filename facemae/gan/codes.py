"""What a generator learns people from: a recognizer's mean feature of each, and some faces to compare with later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from ... import FacebenchError
from ..recognition.embedder import embed

PEOPLE, EACH = 500, 4
"""People that are kept for comparison, and faces of each, at most."""

ALIKE = 0.9999
"""Length of the codes' mean, 0..1, above which they are one: untrained networks come up to 0.99."""


class CodesError(FacebenchError, ValueError):
    """Faces of which no codes can be made; the message says what, expected, got and what to do."""


class Seen(NamedTuple):
    """A training set as the generator knows it."""

    codes: Tensor
    """float32 [P, D], unit length: the mean feature of each person who has a face."""
    rows: Tensor
    """int64 [identities], the row of each label's code; -1 where a label has no face."""
    average: Tensor
    """float32 [1, 3, 112, 112] in [-1, 1], of all faces."""
    images: Tensor
    """uint8 [N, 3, 112, 112], some real faces for comparison."""
    people: NDArray[np.int64]
    """[N], whom they show."""
    features: NDArray[np.float32]
    """[N, D], unit length."""


def look(
    batches: Iterable[tuple[NDArray[np.int64], Tensor, Tensor]],
    count: int,
    identities: int,
    teacher: nn.Module,
    *,
    seed: int,
    device: torch.device,
) -> Seen:
    """Look at all faces once.

    Args:
        batches: rows int64 [B], images uint8 [B, 3, 112, 112] and labels int64 [B].
        count: how many faces there are in all.
        identities: labels are below it.
        teacher: float [B, 3, 112, 112] in [-1, 1] to features [B, D].
        seed: decides which faces are kept for comparison.
        device: where the teacher is.

    Raises:
        CodesError: a feature is not finite, all are alike, or fewer than two people have a face.
    """
    left = torch.zeros(identities, dtype=torch.int64)
    left[torch.from_numpy(np.random.default_rng([seed, 4]).permutation(identities)[:PEOPLE])] = EACH
    sums, seen = None, torch.zeros(identities, dtype=torch.int64)
    average = torch.zeros(3, 112, 112, dtype=torch.float64)
    kept: list[tuple[Tensor, Tensor, Tensor]] = []
    for _, images, labels in batches:
        features = torch.from_numpy(embed(teacher, images, device=device))
        if not bool(torch.isfinite(features).all()):
            raise CodesError(
                "teacher: expected finite features of every face, got others; take other weights (method.teacher)"
            )
        sums = torch.zeros(identities, features.shape[1], dtype=torch.float64) if sums is None else sums
        sums.index_add_(0, labels, features.double())
        seen += torch.bincount(labels, minlength=identities)
        average += images.sum(0, dtype=torch.int64).double()
        wanted = []
        for at, label in enumerate(labels.tolist()):
            if left[label] > 0:
                left[label] -= 1
                wanted.append(at)
        kept.append((images[wanted], labels[wanted], features[wanted]))
    there = seen > 0
    if sums is None or int(there.sum()) < 2:
        raise CodesError(f"faces of {int(there.sum())} people to learn from; expected two or more to mix new ones of")
    codes = normalize(sums[there], dim=1)
    if float(codes.mean(0).norm()) > ALIKE:
        raise CodesError(
            "teacher: expected features that tell people apart, got nearly the same for everyone; train it longer, or "
            "take other weights (method.teacher)"
        )
    rows = torch.where(there, there.cumsum(0) - 1, -1)
    images, labels, features = (torch.cat(parts) for parts in zip(*kept, strict=True))
    return Seen(
        codes=codes.float(),
        rows=rows,
        average=(average / count / 127.5 - 1).float()[None],
        images=images,
        people=labels.numpy(),
        features=features.numpy(),
    )
