"""The ignorant attacker with other images (T0b): the photo that was made private is not in the gallery.

The released photo itself is rarely public; other photos of the same person often are.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from ...reports.result.record import Curve, Score
from .base import Attack, Evidence
from .leakage.search import RankList, ignorant, search, search_scores


class OtherImage(Attack):
    """Search every private face among all originals but its own source image (T0b).

    Probes are the private faces whose person has another original; `probes_all` counts the others too. The
    gallery of every probe has N - 1 images.
    """

    version: ClassVar[int] = 4
    reference: ClassVar[bool] = True
    default: ClassVar[bool] = True
    without_photo: ClassVar[bool] = True
    place: ClassVar[int] = 20

    k: RankList = (1, 5, 10)
    """Ranks at which leakage is told."""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Rank the person of every private face that has another original.

        Raises:
            NotApplicableError: nobody has a second original.
            AttackError: private faces without a source, one person only, or embeddings that cannot be compared.
        """
        search(evidence, ignorant, out, leave_out_source=True)

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """All that `search_scores` tells, of the person.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        return search_scores(out, self.k, name, image=False)
