"""What embeddings and sources must be like before anybody is searched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .base import AttackError, Embeddings, Evidence

SOURCED = "does not apply: every private face was made from an original"
"""Why what is asked of synthetic people is not asked of a set with sources."""


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


def searchable(evidence: Evidence) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """The sources, and which private faces and which originals the recognizer failed on, after all was checked.

    Raises:
        AttackError: private faces without a source, originals of one person, or faces that cannot be compared.
    """
    private, original = evidence.private, evidence.original
    lost, lost_image = failed(private, "private"), failed(original, "original")
    if evidence.source is None:
        raise AttackError(
            "this attack does not apply: private faces were made from no original, so there is none to find; "
            "leave the attack out for such a method"
        )
    check_sources(private, original, evidence.source)
    if (original.identity == original.identity[0]).all():
        raise AttackError(
            "originals: expected images of at least 2 people, got 1: whoever is searched is found; "
            "give role P more people"
        )
    return evidence.source, lost, lost_image


def synthetic(evidence: Evidence) -> NDArray[np.bool_]:
    """Which private faces the recognizer failed on, after they were found to have no sources.

    Raises:
        AttackError: they have sources, or are no embeddings.
    """
    if evidence.source is not None:
        raise AttackError(f"this attack {SOURCED}; leave the attack out for such a method")
    return failed(evidence.private, "private")


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
