"""The aligning attacker (T2b): learns on other people how the method moves faces in a recognizer's space.

The method is public, so the attacker applies it to people of their own (role A), embeds both versions, and
learns a map from private to original embeddings. The private set is then searched through this map.

Source: the suite's protocol, section 2; after Procrustes alignment of speaker embeddings, which took the linkage of an
anonymizer from .07 to .62.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...methods.base import MethodError
from ...reports.record import Curve, Score
from . import leakage
from .alignment_maps import Candidate, Kind, Map, candidates
from .base import Attack, AttackError, Embeddings, Evidence, NotApplicableError
from .checks import failed, searchable

CHOSEN = "map.json"
_LEAST = 4
"""People of role A, half of whom choose the map."""


class Alignment(Attack):
    """Search every private face among all originals, through the best map that people of role A teach (T2b).

    Maps are learned on some of A's people and compared by how many of the others they find; to leave embeddings as
    they are is one of them, so that this attacker has no reason to be worse than the ignorant one. The best is learned
    again on all of A. Nobody of P is looked at before that.
    """

    adaptive: ClassVar[bool] = True

    maps: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("procrustes", "ridge", "mlp")
    """What is tried beside leaving embeddings as they are."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of A's people who choose the map."""
    faces: Annotated[int, Field(ge=2, le=10**6)] = 20_000
    """At most so many faces of A are made private and looked at."""
    k: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (1, 5, 10)
    """Ranks at which leakage is told."""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Learn the map, then rank the source image and the person of every private face.

        Raises:
            NotApplicableError: the method cannot be applied to people of role A, or role A has too few people whom
                the judge can see.
            AttackError: private faces have no source, or embeddings cannot be compared.
        """
        from .retrieval import ranks

        source, lost, lost_image = searchable(evidence)
        private, original = self._pairs(evidence)
        best, found = self._choose(private, original, evidence.seed)
        align = best.learn(private.vectors, original.vectors)
        moved = Embeddings(align(evidence.private.vectors), evidence.private.identity)
        hits = ranks(moved, evidence.original, source, progress=evidence.progress)
        leakage.found_by(hits, moved.identity, lost, lost_image, seed=evidence.seed).write(out)
        about = {
            "map": best.name,
            "validation": found,
            "faces": len(private.identity),
            "people": len(np.unique(private.identity)),
        }
        (out / CHOSEN).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """Leakage of person and image, and pi_link, with the map that was chosen and what it was learned from.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        found, about = leakage.read(out), _about(out)
        learned = {
            "trained_on_faces": about["faces"],
            "trained_on_people": about["people"],
            "leak_on_validation": about["validation"][about["map"]],
        }
        told = f"map: {about['map']}, learned on {about['faces']:,} faces of {about['people']:,} people of role A"
        scores, curves = leakage.measures(found, self.k, name)
        more = [
            {"detail": {**score.detail, **learned}, "note": "; ".join(filter(None, [score.note, told]))}
            for score in scores
        ]
        return [score.model_copy(update=extra) for score, extra in zip(scores, more, strict=True)], curves

    def _pairs(self, evidence: Evidence) -> tuple[Embeddings, Embeddings]:
        """Private and original embeddings of role A, row by row of one face; without those the judge failed on.

        That there are too few is no error: a run of several hours is not lost for it.
        """
        from ...datasets.subset import Subset

        faces = evidence.attacker_faces
        people = np.unique(faces.labels)
        if len(people) < _LEAST:
            raise NotApplicableError(
                f"not measured: role A has {len(people)} people, and a map is learned from {_LEAST} at least; "
                "give role A a larger share"
            )
        if len(faces) > self.faces:  # whole people, so that those who choose the map know nobody who taught it
            order = np.random.default_rng((evidence.seed, 5)).permutation(people)
            counts = np.array([int((faces.labels == person).sum()) for person in order])
            kept = order[: max(_LEAST, int((counts.cumsum() <= self.faces).sum()))]
            faces = Subset(faces, np.flatnonzero(np.isin(faces.labels, kept)))
        try:
            made: Any = evidence.privatize(faces)
            private = evidence.embed(made)
        except MethodError as error:
            raise NotApplicableError(
                "does not apply: the method cannot be applied to people of the attacker's own"
            ) from error
        source: NDArray[np.int64] = made.source
        original = evidence.embed(faces)
        seen = ~failed(private, "role A's private") & ~failed(original, "role A's original")[source]
        known = len(np.unique(private.identity[seen]))
        if known < _LEAST:
            raise NotApplicableError(
                f"not measured: the judge can see private and original faces of {known} of {len(people)} people of "
                f"role A, and a map is learned from {_LEAST} at least"
            )
        chosen = Embeddings(private.vectors[seen], private.identity[seen])
        return chosen, Embeddings(original.vectors[source[seen]], original.identity[source[seen]])

    def _choose(self, private: Embeddings, original: Embeddings, seed: int) -> tuple[Candidate, dict[str, float]]:
        """The map that finds most of the people it was not learned on, and what every map found.

        Of equally good ones the simplest, which comes first, is taken.
        """
        people = np.random.default_rng((seed, 6)).permutation(np.unique(private.identity))
        held = max(2, round(self.validation * len(people)))
        held = min(held, len(people) - 2)
        asked = np.isin(private.identity, people[:held])
        tried = candidates(self.maps, seed)
        found = {
            each.name: _found(each.learn(private.vectors[~asked], original.vectors[~asked]), private, original, asked)
            for each in tried
        }
        return max(tried, key=lambda each: found[each.name]), found


def _found(align: Map, private: Embeddings, original: Embeddings, asked: NDArray[np.bool_]) -> float:
    """Share of the asked faces whose person a map finds among the asked people's originals."""
    from .retrieval import ranks

    probes = Embeddings(align(private.vectors[asked]), private.identity[asked])
    gallery = Embeddings(original.vectors[asked], original.identity[asked])
    return float((ranks(probes, gallery, np.arange(len(probes.identity))).identity == 1).mean())


def _about(out: Path) -> dict[str, Any]:
    path = out / CHOSEN
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        float(about["validation"][about["map"]]), int(about["faces"]), int(about["people"])
        return about
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AttackError(
            f"map {path}: expected what the attack kept, cannot read it ({error}); run with --force attack"
        ) from error
