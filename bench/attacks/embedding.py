"""Faces to embeddings, block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Faces, Progress, silent
from .base import Embeddings

if TYPE_CHECKING:
    import torch
    from torch import nn

_BLOCK = 2048
"""Faces held decoded at a time."""


def embed_all(embed: Callable[..., NDArray[np.float32]], faces: Faces, *, progress: Progress = silent) -> Embeddings:
    """Embed faces block by block, so that memory does not grow with the dataset.

    Args:
        embed: uint8 [B, 3, SIZE, SIZE] to float32 [B, D] of unit length.
        faces: any.
        progress: told of faces done.

    Raises:
        DataError: a face cannot be read.
    """
    from ...datasets.loader import in_order

    vectors: list[NDArray[np.float32]] = []
    for places, images, _ in in_order(faces, _BLOCK):
        vectors.append(embed(images))
        progress(int(places[-1]) + 1, len(faces))
    return Embeddings(np.concatenate(vectors), np.asarray(faces.labels, dtype=np.int64))


def embed_by(network: nn.Module, faces: Faces, *, device: torch.device) -> NDArray[np.float32]:
    """[N, D], faces as a network of the attacker's sees them, image and mirror image added."""
    from ...facemae import embedder

    return embed_all(lambda images: embedder.embed(network, images, device=device), faces).vectors
