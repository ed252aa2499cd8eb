"""Embeddings: what they are, what they must be like, and how faces become them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import FacebenchError
from ...datasets.base import Faces, Progress, silent

if TYPE_CHECKING:
    import torch
    from torch import nn

_BLOCK = 2048
"""Faces held decoded at a time."""


class AttackError(FacebenchError, ValueError):
    """An attack that cannot be measured; the message says what, expected, got and what to do."""


class Embeddings(NamedTuple):
    """Faces as a recognizer sees them."""

    vectors: NDArray[np.float32]
    """[N, D], unit length; a row of NaN is a face the recognizer failed on."""
    identity: NDArray[np.int64]
    """[N], labels shared by private and original faces."""


def embed_all(embed: Callable[..., NDArray[np.float32]], faces: Faces, *, progress: Progress = silent) -> Embeddings:
    """Embed faces block by block, so that memory does not grow with the dataset.

    Args:
        embed: uint8 [B, 3, SIZE, SIZE] to float32 [B, D] of unit length.
        faces: any.
        progress: told of faces done.

    Raises:
        DataError: a face cannot be read.
    """
    from ...datasets.views.loader import in_order

    vectors: list[NDArray[np.float32]] = []
    for places, images, _ in in_order(faces, _BLOCK):
        vectors.append(embed(images))
        progress(int(places[-1]) + 1, len(faces))
    return Embeddings(np.concatenate(vectors), np.asarray(faces.labels, dtype=np.int64))


def embed_by(network: nn.Module, faces: Faces, *, device: torch.device) -> NDArray[np.float32]:
    """[N, D], faces as a network of the attacker's sees them, image and mirror image added."""
    from ...facemae.recognition import embedder

    return embed_all(lambda images: embedder.embed(network, images, device=device), faces).vectors


def failed(faces: Embeddings, name: str) -> NDArray[np.bool_]:
    """[N], which faces the recognizer failed on, after the embeddings were checked.

    Raises:
        AttackError: shapes do not fit, or a vector neither has unit length nor is NaN.
    """
    vectors, identity = faces
    if vectors.ndim != 2 or identity.shape != vectors.shape[:1] or 0 in vectors.shape:
        raise AttackError(
            f"{name} embeddings: expected vectors [N, D] with N identities, N and D at least 1, "
            f"got {vectors.shape} and {identity.shape}; embed the faces again"
        )
    squared = np.einsum("nd,nd->n", vectors, vectors)
    nan: NDArray[np.bool_] = np.isnan(squared)
    wrong = np.flatnonzero(~nan & ~(np.abs(squared - 1) < 1e-3))
    if len(wrong):
        raise AttackError(
            f"{name} embeddings: face {wrong[0]} ({len(wrong)} in all): expected a vector of length 1, or NaN "
            f"for a failed face, got length {np.sqrt(squared[wrong[0]]):g}; normalise what the recognizer gives"
        )
    return nan


def check_sources(probes: Embeddings, gallery: Embeddings, source: NDArray[np.int64]) -> None:
    """Refuse sources that are not originals of the same people, and faces that cannot be compared.

    Raises:
        AttackError: another width, another count, no source, one out of range, or one of another person.
    """
    if probes.vectors.shape[1] != gallery.vectors.shape[1]:
        raise AttackError(
            f"embeddings: expected private and original faces of one width, got {probes.vectors.shape[1]} and "
            f"{gallery.vectors.shape[1]}; embed both with the same recognizer"
        )
    if source.shape != probes.identity.shape:
        raise AttackError(
            f"sources: expected one for each of {len(probes.identity)} private faces, got shape {source.shape}; "
            "make the private set again"
        )
    far = np.flatnonzero((source < 0) | (source >= len(gallery.identity)))
    if len(far):
        raise AttackError(
            f"sources: private face {far[0]}: expected an original from 0 to {len(gallery.identity) - 1}, "
            f"got {source[far[0]]}; make the private set again"
        )
    strange = np.flatnonzero(gallery.identity[source] != probes.identity)
    if len(strange):
        raise AttackError(
            f"sources: private face {strange[0]} ({len(strange)} in all): expected its original to be of the same "
            f"person, label {probes.identity[strange[0]]}, got {gallery.identity[source[strange[0]]]}; "
            "make the private set again"
        )
