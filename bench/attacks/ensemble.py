"""The ensemble (T1): several recognizers, since a method that fools one may not fool another.

Source: the worst case over several attacks, AutoAttack (Croce and Hein, arXiv 2003.01690).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import silent
from ...reports.result.files import why
from ...reports.result.record import Curve, Score
from ..biometrics.embeddings import AttackError, Embeddings
from .adaptive.selection import cached
from .base import Attack, Embed, Evidence, NotApplicableError, Paired
from .leakage import arrays, other_photo
from .leakage.leak_at_k import SearchResult
from .leakage.search import (
    RankList,
    SearchSpace,
    SpaceOf,
    ignorant,
    ranked,
    search,
    search_scores,
    with_another,
    with_missed,
)

ALONE = "judges.json"
TOGETHER = "together.npz"


class Ensemble(Attack):
    """Search every private face with several recognizers, and count whom any of them finds (T1).

    Recognizers are the judge and those of the plan's `judges`, or, where there are none, one that the run trains on
    the originals of role A. leak@k is the union: a probe counts where one recognizer finds its person, or where the
    sum of their similarities does. So it is an upper bound of what an attacker finds who does not know which one is
    right; likewise without the very photo. Everything else is told of the summed similarities.
    """

    version: ClassVar[int] = 5
    several: ClassVar[bool] = True
    place: ClassVar[int] = 30

    k: RankList = (1, 5, 10)
    """Ranks at which leakage is told."""

    def run(self, evidence: Evidence, out: Path) -> None:
        """Search with every recognizer, and with all together.

        Raises:
            NotApplicableError: there is no other recognizer.
            AttackError: private faces have no source, or embeddings cannot be compared.
        """
        if not evidence.judges:
            raise NotApplicableError("not measured: there is one recognizer only; name others in `judges`")
        views = [ignorant, *(cached(_by(embed)) for embed in evidence.judges)]

        def together(people: Paired) -> SearchSpace:
            seen = [see(people) for see in views]
            return SearchSpace(_summed([view.probes for view in seen]), _summed([view.gallery for view in seen]))

        found = [search(evidence, together, out)]
        arrays.write(found[0], out / TOGETHER)
        quiet, released = replace(evidence, progress=silent), evidence.released

        def alone_by(views: list[SpaceOf], asked: NDArray[np.int64], *, leave_out_source: bool) -> list[SearchResult]:
            seen = (with_missed(see(released), evidence) for see in views)
            return [ranked(quiet, *view, asked, leave_out_source=leave_out_source) for view in seen]

        found += alone_by(views, np.arange(len(found[0].person)), leave_out_source=False)
        _union(found).write(out)
        if len(others := with_another(with_missed(views[0](released), evidence)[0])):
            other_photo.write(_union(alone_by([together, *views], others, leave_out_source=True)), out)
        alone = {f"judge {n}": float((one.identity == 1).mean()) for n, one in enumerate(found[1:], 1)}
        about = {**alone, "together": float((found[0].identity == 1).mean())}
        (out / ALONE).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")

    def scores(self, out: Path, name: str) -> tuple[list[Score], list[Curve]]:
        """All that `search_scores` tells; beside leak@1 what each recognizer finds alone, and the best of them.

        Raises:
            AttackError: what `run` kept is missing or damaged.
        """
        try:
            alone: dict[str, float] = json.loads((out / ALONE).read_text(encoding="utf-8"))
            most = max(value for name, value in alone.items() if name.startswith("judge"))
        except (OSError, ValueError, AttributeError) as error:
            raise AttackError(
                f"{out / ALONE}: expected what the attack kept, cannot read it ({why(error)}); run with --force attack"
            ) from error
        scores, curves = search_scores(out, self.k, name, searched=arrays.read(SearchResult, out / TOGETHER))
        note = "found by any recognizer, or by all together"
        return [
            score.model_copy(update={"detail": {**score.detail, **alone, "most_of_one": most}, "note": note})
            if score.measure.headline
            else score
            for score in scores
        ], curves


def _by(embed: Embed) -> SpaceOf:
    def see(people: Paired) -> SearchSpace:
        return SearchSpace(
            Embeddings(embed(people.private_faces).vectors, people.private.identity),
            Embeddings(embed(people.original_faces).vectors, people.original.identity),
        )

    return see


def _summed(seen: list[Embeddings]) -> Embeddings:
    """Embeddings whose similarity is the mean of several; a face that one recognizer failed on is seen by the others.

    A failed part is zero, and what is left is scaled to unit length: the similarity is that of the parts both have,
    weighed more than where all are there.
    """
    parts = np.concatenate([np.nan_to_num(faces.vectors, nan=0.0) for faces in seen], axis=1)
    length = np.linalg.norm(parts, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        vectors = np.where(length > 0, parts / length, np.nan).astype(np.float32)
    return Embeddings(vectors, seen[0].identity)


def _union(found: list[SearchResult]) -> SearchResult:
    """Of several searches for the same probes: the first, with the best rank of all."""
    return replace(
        found[0],
        image=np.min([one.image for one in found], axis=0),
        identity=np.min([one.identity for one in found], axis=0),
        best=np.stack([one.best for one in found]),
        failed=np.all([one.failed for one in found], axis=0),
    )
