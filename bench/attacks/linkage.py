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

from ...reports.record import Curve, Score
from .base import Attack, Evidence, Paired
from .checks import searchable
from .search import RankList, View, search, told


class Linkage(Attack):
    """Search every private face among all other private faces (T4). It names nobody, and is not leakage.

    Measures are those of other searches under names of their own (`linked@1`), so that they enter no worst leakage.
    """

    version: ClassVar[int] = 2
    k: RankList = (1, 5, 10)
    """Ranks at which linkage is told."""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Rank the person of every private face who has another one.

        Raises:
            AttackError: private faces without a source, one person only, nobody with a second face, or embeddings
                that cannot be compared.
        """
        searchable(evidence)
        within = replace(
            evidence,
            original=evidence.private,
            original_faces=evidence.private_faces,
            source=np.arange(len(evidence.private.identity)),
        )
        search(within, _private, out, leave_out_source=True)

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """What `search.told` tells, as linkage.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        scores, curves = told(out, self.k, name, image=False)
        return [_renamed(score) for score in scores], curves


def _private(people: Paired) -> View:
    return View(people.private, people.private)


def _renamed(score: Score) -> Score:
    measure = score.measure
    if measure.name.startswith("leak@"):
        says = "share of private faces whose best match among the other private faces is of the same person"
        renamed = {"name": measure.name.replace("leak@", "linked@"), "headline": False, "says": says}
        return score.model_copy(update={"measure": measure.model_copy(update=renamed)})
    return score.model_copy(update={"measure": measure.model_copy(update={"headline": False})})
