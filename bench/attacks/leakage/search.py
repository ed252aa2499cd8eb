"""Search private faces among originals, as an attacker sees both, and keep all that is told of it.

Every attack that searches is a space to compare faces in: that of the judge for the ignorant one, a learned one else.
What is searched, counted and kept is the same for all, and stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ....reports.result.record import Curve, Score
from ...biometrics.embeddings import Embeddings, failed
from ..base import Evidence, NotApplicableError, Paired
from . import control, fused, leak_at_k, open_set, other_photo, pairs
from .validation import searchable

RankList = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
"""Ranks at which leakage is told, a parameter of every attack that searches."""


class SearchSpace(NamedTuple):
    """Some people as an attacker sees them; rows are those of `Paired`."""

    probes: Embeddings
    """The private faces."""
    gallery: Embeddings
    """The originals, in the space of the probes."""


SpaceOf = Callable[[Paired], SearchSpace]


def ignorant(people: Paired) -> SearchSpace:
    """Private faces and originals as the judge sees them: the ignorant attacker's view."""
    return SearchSpace(people.private, people.original)


def search(
    evidence: Evidence, see: SpaceOf, out: Path, *, leave_out_source: bool = False, other_photos: SpaceOf | None = None
) -> leak_at_k.SearchResult:
    """Rank the source and the person of every released face, look at the control, and write all into the folder `out`.

    Args:
        evidence: of the run.
        see: how the attacker sees people.
        out: gets what `told` reads.
        leave_out_source: search as if each probe's own source were not in the gallery; probes whose person has no
            other image are left out.
        other_photos: how the attacker sees people where the sources are left out, to search a second time so.

    Raises:
        NotApplicableError: sources are to be left out, and nobody has another image.
        AttackError: private faces without a source, one person only, or embeddings that cannot be compared.
    """
    searchable(evidence)
    view, source = with_missed(see(evidence.released), evidence)
    asked = with_another(view) if leave_out_source else np.arange(len(view.probes.identity))
    if not len(asked):
        raise NotApplicableError(
            f"does not apply: each of {len(np.unique(view.gallery.identity))} people has one image, and without its "
            "source no private face has anything to be found by; set min_images: 2"
        )
    found = ranked(evidence, view, source, asked, leave_out_source=leave_out_source)
    found.write(out)
    if other_photos and len(others := with_another(view)):
        known, _ = with_missed(other_photos(evidence.released), evidence)
        other_photo.write(ranked(evidence, known, source, others, leave_out_source=True), out)
    probes, gallery = _rows(view.probes, asked), view.gallery
    if not leave_out_source:
        fused.search(probes, gallery, out, seed=evidence.seed)
    own = source[asked] if leave_out_source else None
    pairs.draw(probes, gallery, own, seed=evidence.seed, within=view.probes is view.gallery).write(out)
    try:
        other = see(evidence.holdout())
        control.compare(probes, other.gallery, found).write(out)
        open_set.strangers(other.probes, gallery).write(out)
    except NotApplicableError as error:
        control.absent(out, str(error))
    return found


def search_scores(
    out: Path, ranks: Sequence[int], on: str, *, image: bool = True, searched: leak_at_k.SearchResult | None = None
) -> tuple[list[Score], list[Curve]]:
    """All that is told of a search, from what `search` wrote.

    Args:
        out: the folder.
        ranks: the k of leak@k.
        on: the attack's name.
        image: whether the source image was searched, too.
        searched: the search that control and strangers belong to, where leak@k is that of several.

    Raises:
        AttackError: what was kept is missing or damaged.
    """
    found = leak_at_k.read(out)
    scores, curves = leak_at_k.measures(found, ranks, on, image=image)
    one = searched or found
    more = [*control.scores(out, one, on), *open_set.scores(out, one, on), *pairs.scores(out, one, on)]
    return [*scores, *other_photo.scores(out, on), *fused.scores(out, on), *more], curves


def ranked(
    evidence: Evidence,
    view: SearchSpace,
    source: NDArray[np.int64],
    asked: NDArray[np.int64],
    *,
    leave_out_source: bool,
) -> leak_at_k.SearchResult:
    """What is found for some of the probes, by their rows in `asked`; arguments are those of `search`."""
    from ...biometrics.ranks import ranks

    lost, lost_image = failed(view.probes, "private"), failed(view.gallery, "original")
    probes = _rows(view.probes, asked)
    hits = ranks(probes, view.gallery, source[asked], leave_out_source=leave_out_source, progress=evidence.progress)
    found = leak_at_k.found_by(hits, probes.identity, lost[asked], lost_image, seed=evidence.seed)
    return replace(found, gallery=len(lost_image) - leave_out_source, probes_all=len(lost))


def with_missed(view: SearchSpace, evidence: Evidence) -> tuple[SearchSpace, NDArray[np.int64]]:
    """The probes, and behind them those that the method failed to make: as faces that every recognizer fails on.

    Args:
        view: of the released faces.
        evidence: of the run.

    Returns:
        What is searched, and [Q], the original of each probe.

    Raises:
        AttackError: private faces were made from no originals.
    """
    source, missed = evidence.released.source, evidence.missed
    if not len(missed):
        return view, source
    nothing = np.full((len(missed), view.probes.vectors.shape[1]), np.nan, np.float32)
    probes = Embeddings(
        np.concatenate([view.probes.vectors, nothing]),
        np.concatenate([view.probes.identity, evidence.original.identity[missed]]),
    )
    return SearchSpace(probes, view.gallery), np.concatenate([source, missed])


def with_another(view: SearchSpace) -> NDArray[np.int64]:
    """The probes whose person has more images than one."""
    people, images = np.unique(view.gallery.identity, return_counts=True)
    return np.flatnonzero(np.isin(view.probes.identity, people[images > 1]))


def _rows(faces: Embeddings, rows: NDArray[np.int64]) -> Embeddings:
    if len(rows) == len(faces.identity):  # all of them, in their order
        return faces
    return Embeddings(faces.vectors[rows], faces.identity[rows])
