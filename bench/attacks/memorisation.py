"""Memorisation: whether faces that were made from nobody still show people the generator was trained on.

A synthetic face has no original, so there is none to find. It may nevertheless be a copy of a training face. Here it
is compared with people of role G, whom the generator was trained on, and with people of role H, whom it never saw: a
face matches somebody by chance as often in H as in G, and what is in excess in G was memorised.

Source: the suite's protocol, section on sets without sources; after Otroshi and Marcel, arXiv 2410.24015, who found
training people in every set of synthetic faces they searched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...datasets.base import Faces
from ...reports.result.record import Curve, Score
from ..biometrics.embeddings import Embeddings, failed
from ..biometrics.matching import draw, match_rate, people_matched, threshold
from .base import Attack, Evidence
from .leakage import memorised
from .leakage.validation import SOURCED, synthetic


class Memorisation(Attack):
    """Match synthetic faces with the people a generator was trained on, against held-out people as a control.

    Galleries are drawn person by person, of each as many faces as the typical person of G and of H has (who has fewer
    gives those), so that neither gallery is larger because its people have more photos. Where one role has more
    people, the share is the exact mean over all galleries of the other's size: a face that copies one person of G
    counts only in those that hold this person, so even a perfect copier stays below 100 % where G has more people
    than H. `generator_whole` beside it has no such limit, and no control. Two faces match where they are more alike
    than a share of `fmr` of the impostor pairs of role A allows.
    """

    version: ClassVar[int] = 2
    control: ClassVar[bool] = False
    searches: ClassVar[bool] = False
    default: ClassVar[bool] = True
    place: ClassVar[int] = 110

    fmr: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    """False match rate that the attacker's threshold is set for."""
    faces: Annotated[int, Field(ge=2, le=20_000)] = 2000
    """At most so many faces of each of the roles G, H and A are looked at; more find more, and take longer."""

    def inapplicable(self, *, sourced: bool) -> str:
        """Why this attack does not apply: where faces have originals, the question is whether those are found."""
        return SOURCED if sourced else ""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Count whom every synthetic face matches.

        Where nobody is in G, H or A, or the impostor pairs cannot resolve `fmr`, that is kept as the reason why
        nothing was measured; a run of several hours is not lost for it.

        Raises:
            AttackError: private faces with sources, or embeddings that are no unit vectors.
        """
        lost = synthetic(evidence)
        roles = {"G": evidence.generator_faces, "H": evidence.holdout_faces, "A": evidence.attacker_faces}
        each = self._each(roles["G"], roles["H"])
        several = {"G": each, "H": each, "A": self._each(roles["A"])}
        chosen = {
            role: draw(faces.labels, people=self.faces // several[role], each=several[role], seed=(evidence.seed, n))
            for n, (role, faces) in enumerate(roles.items())
        }
        seen = _embedded(evidence, roles, chosen)
        blind = {role: np.isnan(faces.vectors).any(axis=1) for role, faces in seen.items()}
        people = {role: len(np.unique(faces.identity[~blind[role]])) for role, faces in seen.items()}
        at = threshold(seen["A"], self.fmr)
        note = "" if at.value is not None else at.told(self.fmr, "FMR")
        for role in ("H", "G"):
            if not people[role]:
                note = f"expected people in role {role} to compare with, got none whose face the judge can see"
        above = np.inf if at.value is None else at.value
        unseen = None if note else match_rate(seen["G"], seen["H"], above)
        (generator, generator_by), (holdout, holdout_by) = (
            people_matched(evidence.private, seen[role], above) for role in ("G", "H")
        )
        memorised.Matches(
            generator=generator,
            holdout=holdout,
            generator_by=generator_by,
            holdout_by=holdout_by,
            person=evidence.private.identity,
            failed=lost,
            generator_people=people["G"],
            holdout_people=people["H"],
            generator_faces=len(chosen["G"]),
            holdout_faces=len(chosen["H"]),
            gallery_failures=int(blind["G"].sum() + blind["H"].sum()),
            each=each,
            threshold=np.nan if at.value is None else at.value,
            fmr=self.fmr,
            impostor_pairs=at.pairs,
            unseen_fmr=np.nan if unseen is None else unseen,
            seed=evidence.seed,
            note=note,
        ).write(out)

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """Memorisation, and how it changes with the size of the galleries.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        found = memorised.read(out)
        curve = memorised.by_gallery_size(found, name)
        return [memorised.memorised(found, name)], [curve] if curve else []

    def _each(self, *roles: Faces) -> int:
        """Faces to draw of one person: as many as the typical person of every role has, while all people fit in."""
        counts = [np.unique(faces.labels, return_counts=True)[1] for faces in roles if len(faces)]
        return max(1, min((min(int(np.median(c)), self.faces // len(c)) for c in counts), default=1))


def _embedded(
    evidence: Evidence, roles: dict[str, Faces], chosen: dict[str, NDArray[np.int64]]
) -> dict[str, Embeddings]:
    """The drawn faces of each role as the judge sees them.

    Raises:
        AttackError: embeddings that are no unit vectors.
    """
    from ...datasets.views.subset import Subset

    width, done, total = evidence.private.vectors.shape[1], 0, sum(map(len, chosen.values()))
    seen = {role: Embeddings(np.empty((0, width), np.float32), np.empty(0, np.int64)) for role in roles}
    for role, drawn in chosen.items():
        if len(drawn):
            seen[role] = evidence.embed(Subset(roles[role], drawn))
            failed(seen[role], f"role {role}")
        done += len(drawn)
        evidence.progress(done, total)
    return seen
