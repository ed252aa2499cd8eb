"""The aligning attacker (T2b): learns on other people how the method moves faces in a recognizer's space.

The method is public, so the attacker applies it to people of their own (role A), embeds both versions, and
learns a map from private to original embeddings. The private set is then searched through this map.

Source: the suite's protocol, section 2; after Procrustes alignment of speaker embeddings, which took the linkage of an
anonymizer from .07 to .62.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from ...reports.result.record import Curve, Score
from ..biometrics.embeddings import Embeddings
from .adaptive.maps import Kind, Learner, learners
from .adaptive.selection import Candidate, divide, learned_scores, select, write
from .base import Attack, Evidence, Paired
from .leakage.search import RankList, SearchSpace, SpaceOf, ignorant, search


class Alignment(Attack):
    """Search every private face among all originals, through the best map that people of role A teach (T2b).

    Maps are learned on some of A's people and compared by how many of the others they find; to leave embeddings as
    they are is one of them, so that this attacker has no reason to be worse than the ignorant one. The best is learned
    again on all of A. Nobody of P is looked at before that.
    """

    version: ClassVar[int] = 5
    adaptive: ClassVar[bool] = True
    default: ClassVar[bool] = True
    place: ClassVar[int] = 40

    maps: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("procrustes", "ridge", "mlp")
    """What is tried beside leaving embeddings as they are."""
    k: RankList = (1, 5, 10)
    """Ranks at which leakage is told."""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Learn the map, then rank the source image and the person of every private face.

        Raises:
            NotApplicableError: the method cannot be applied to people of role A, or role A has too few people whom
                the judge can see.
            AttackError: private faces have no source, or embeddings cannot be compared.
        """
        known = divide(evidence.attacker(), evidence.seed)
        tried = {candidate.name: candidate for candidate in learners(self.maps, evidence.seed)}
        candidates = [
            Candidate(name, ignorant if name == "none" else _through(each, known.train)) for name, each in tried.items()
        ]
        choice = select(candidates, known.validation)
        again = {
            name: ignorant if name == "none" else _through(tried[name], known.everybody)
            for name in {choice.candidate.name, choice.other_photos.name}
        }
        search(evidence, again[choice.candidate.name], out, other_photos=again[choice.other_photos.name])
        write(out, choice, known.everybody)

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """All that `search_scores` tells, and with which map.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        return learned_scores(out, self.k, name)


def _through(candidate: Learner, train: Paired) -> SpaceOf:
    """Private faces moved by a map that was learned from some people, originals where they are."""
    move = candidate.learn(train.private.vectors, train.original.vectors[train.source])
    return lambda people: SearchSpace(
        Embeddings(move(people.private.vectors), people.private.identity), people.original
    )
