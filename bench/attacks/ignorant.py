"""The ignorant attacker (T0): an off-the-shelf recognizer, and all original photos to search in.

Source: FaceMAE (Wang et al. 2022, arXiv 2205.11090), the measure of leakage there.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from ...reports.result.record import Curve, Score
from .base import Attack, Evidence
from .leakage.search import RankList, ignorant, search, search_scores


class Ignorant(Attack):
    """Search every private face among all originals, its own source image included (T0)."""

    version: ClassVar[int] = 5
    reference: ClassVar[bool] = True
    default: ClassVar[bool] = True
    place: ClassVar[int] = 10

    k: RankList = (1, 5, 10)
    """Ranks at which leakage is told."""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Rank the source image and the person of every private face.

        Raises:
            AttackError: private faces without a source, one person only, or embeddings that cannot be compared.
        """
        search(evidence, ignorant, out)

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """All that `search_scores` tells.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        return search_scores(out, self.k, name)
