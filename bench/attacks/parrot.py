"""The parrot (T2): an attacker who applies the published method themselves, and trains a recognizer on what it makes.

Source: Hanisch et al., arXiv 2304.01635, who show that anonymization is weaker than reported where the recognizer was
trained on anonymized faces; SEBA, arXiv 2407.06648. Enrolled are the originals as they are, or made private by the
attacker, whichever finds more people of their own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...datasets.base import silent
from ...reports.result.record import Curve, Score
from ..biometrics.embeddings import Embeddings
from .adaptive.selection import (
    IDENTITY,
    WEIGHTS,
    Candidate,
    cached,
    divide,
    fused,
    fused_with_judge,
    learned_scores,
    select,
    write,
)
from .base import Attack, Embed, Evidence, Paired
from .leakage.search import RankList, SearchSpace, search


class Parrot(Attack):
    """Search private faces with a recognizer trained on private and original faces of role A (T2).

    Its recipe is the in-house judge's (`judge` of the plan), its classes are A's people, each with private and original
    faces. Some of A's people teach. The others choose among the judge's view and the recognizer's, with the gallery as
    it is or made private by the attacker, with random numbers of their own, and how much either view counts.
    """

    version: ClassVar[int] = 5
    adaptive: ClassVar[bool] = True
    unit: ClassVar[str] = "steps"
    place: ClassVar[int] = 50

    k: RankList = (1, 5, 10)
    """Ranks at which leakage is told."""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Train the recognizer, then rank the source image and the person of every private face.

        Raises:
            NotApplicableError: the method cannot be applied to people of role A, or they are too few.
            AttackError: private faces have no source, or embeddings cannot be compared.
        """
        known = divide(evidence.attacker(), evidence.seed)
        own, judge = _recognizer(known.train, evidence), evidence.embed
        private = cached(lambda people: _enrolled_private(judge, people))
        learned = cached(lambda people: _enrolled_private(own, people))
        candidates = [IDENTITY, *fused_with_judge("recognizer", lambda people: _enrolled_clear(own, people))]
        for w in (0.0, *WEIGHTS):
            name = f"enrolled private, recognizer {w:g}"
            candidates.append(Candidate(name, lambda people, w=w: fused(private(people), learned(people), w)))  # type: ignore[misc]
        choice = select(candidates, known.validation)
        search(
            replace(evidence, progress=silent),
            choice.candidate.space_of,
            out,
            other_photos=choice.other_photos.space_of,
        )
        write(out, choice, known.train)

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """All that `search_scores` tells, and what was chosen.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        return learned_scores(out, self.k, name)


def _recognizer(train: Paired, evidence: Evidence) -> Embed:
    """Private and original faces of one person are of one class."""
    from ...datasets.views.joined import Joined

    return evidence.learn(Joined(train.private_faces, train.original_faces), evidence.progress)


def _enrolled_clear(embed: Embed, people: Paired) -> SearchSpace:
    return SearchSpace(
        Embeddings(embed(people.private_faces).vectors, people.private.identity),
        Embeddings(embed(people.original_faces).vectors, people.original.identity),
    )


def _enrolled_private(embed: Embed, people: Paired) -> SearchSpace:
    anew = people.again(np.arange(len(people.original.identity)))
    return SearchSpace(
        Embeddings(embed(people.private_faces).vectors, people.private.identity),
        Embeddings(embed(anew).vectors, people.original.identity),
    )
