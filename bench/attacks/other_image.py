"""The ignorant attacker with other images (T0b): the photo that was made private is not in the gallery.

The released photo itself is rarely public; other photos of the same person often are.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from ...reports.record import Curve, Score
from . import leakage
from .base import Attack, AttackError, Embeddings, Evidence
from .checks import searchable


class OtherImage(Attack):
    """Search every private face among all originals but its own source image (T0b).

    Probes are the private faces whose person has another original; `probes_all` counts the others too. The
    gallery of every probe has N - 1 images.
    """

    k: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (1, 5, 10)
    """Ranks at which leakage is told."""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Rank the person of every private face that has another original.

        Raises:
            AttackError: private faces without a source, one person only, nobody with a second original, or
                embeddings that cannot be compared.
        """
        from .retrieval import ranks

        private, original = evidence.private, evidence.original
        source, lost, lost_image = searchable(evidence)
        people, images = np.unique(original.identity, return_counts=True)
        probe = np.isin(private.identity, people[images > 1])
        if not probe.any():
            raise AttackError(
                f"originals: expected people with at least 2 images, got {len(people)} people with 1: without its "
                "source no private face has anything to be found by; leave this attack out or set min_images: 2"
            )
        chosen = Embeddings(private.vectors[probe], private.identity[probe])
        hits = ranks(chosen, original, source[probe], leave_out_source=True, progress=evidence.progress)
        found = leakage.found_by(hits, chosen.identity, lost[probe], lost_image, seed=evidence.seed)
        replace(found, gallery=len(lost_image) - 1, probes_all=len(lost)).write(out)

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """Leakage of the person, and pi_link, with CMC and leakage against gallery size.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        return leakage.measures(leakage.read(out), self.k, name, image=False)
