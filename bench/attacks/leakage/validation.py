"""What embeddings and sources must be like before anybody is searched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...biometrics.embeddings import AttackError, check_sources, failed
from ..base import Evidence

SOURCED = "does not apply: every private face was made from an original"
"""Why what is asked of synthetic people is not asked of a set with sources."""


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
