"""The ignorant attacker (T0): an off-the-shelf recognizer, and all original photos to search in.

Source: FaceMAE (Wang et al. 2022, arXiv 2205.11090), the measure of leakage there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from ...reports.record import Curve, Score
from . import leakage
from .base import Attack, Evidence
from .checks import searchable


class Ignorant(Attack):
    """Search every private face among all originals, its own source image included (T0)."""

    k: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (1, 5, 10)
    """Ranks at which leakage is told."""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Rank the source image and the person of every private face.

        Raises:
            AttackError: private faces without a source, one person only, or embeddings that cannot be compared.
        """
        from .retrieval import ranks

        private, original = evidence.private, evidence.original
        source, lost, lost_image = searchable(evidence)
        hits = ranks(private, original, source, progress=evidence.progress)
        leakage.found_by(hits, private.identity, lost, lost_image, seed=evidence.seed).write(out)

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """Leakage of person and image, and pi_link, with CMC and leakage against gallery size.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        return leakage.measures(leakage.read(out), self.k, name)
