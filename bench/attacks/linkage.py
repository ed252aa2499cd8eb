"""Linkage within the private set (T4): whether two private faces can be told to be of one person.

A private set that can train a recognizer keeps who belongs to whom, by construction: it is released with labels. So
this is expected to succeed, and says nothing about who the person is. It is told because a set that is released
without labels is linked this way, and because one that cannot be linked cannot train a recognizer.

Source: unlinkability, ISO/IEC 24745; the suite's protocol, sections 2 and 3.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...reports.result.record import Curve, Score
from .base import Attack, Evidence, Paired
from .leakage.search import RankList, SearchSpace, search, search_scores
from .leakage.validation import searchable

_WORDS = (
    ("leak@", "linked@"),
    ("among the originals", "among the other private faces"),
    ("its person's originals", "another one of its person"),
    ("a private face and an original", "two private faces"),
    ("genuine pair of private face and original", "pair of private faces of one person"),
    ("than an impostor one", "than one of two people"),
)
"""What measures of a search among originals say, and what they say here."""


class Linkage(Attack):
    """Search every private face among all other private faces (T4). It names nobody, and is not leakage.

    Measures are those of other searches under names of their own (`linked@1`), so that they enter no worst leakage.
    """

    version: ClassVar[int] = 4
    searches: ClassVar[bool] = False
    place: ClassVar[int] = 90
    k: RankList = (1, 5, 10)
    """Ranks at which linkage is told."""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Rank the person of every private face who has another one.

        Raises:
            NotApplicableError: nobody has a second face.
            AttackError: private faces without a source, one person only, or embeddings that cannot be compared.
        """
        searchable(evidence)
        within = replace(
            evidence,
            original=evidence.private,
            original_faces=evidence.private_faces,
            source=np.arange(len(evidence.private.identity)),
            missed=np.empty(0, np.int64),
        )
        search(within, _private, out, leave_out_source=True)

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """What `search_scores` tells, as linkage.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        scores, curves = search_scores(out, self.k, name, image=False)
        return [_renamed(score) for score in scores], curves


def _private(people: Paired) -> SearchSpace:
    return SearchSpace(people.private, people.private)


def _renamed(score: Score) -> Score:
    name, says = score.measure.name.replace("leak@", "linked@"), score.measure.says
    for of_originals, here in _WORDS:
        says = says.replace(of_originals, here)
    renamed = score.measure.model_copy(update={"name": name, "headline": False, "says": says})
    return score.model_copy(update={"measure": renamed})
