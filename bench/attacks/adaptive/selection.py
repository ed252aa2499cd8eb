"""Learned spaces, and the best of them by people whom nothing was learned from.

Attackers who learn have people of role A both ways. They train on some of them, and select on the others: of all
candidates the one is taken that finds most. Leaving faces as the judge sees them is always a candidate, so that nobody
who learns has a reason to find less than the ignorant attacker. Nobody of P is looked at before that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....datasets.views.subset import Subset
from ....reports.board.marks import OTHER_PHOTO
from ....reports.result.files import why
from ....reports.result.record import NOT_MEASURED, Curve, Score
from ...biometrics.embeddings import AttackError, Embeddings, failed
from ..base import NotApplicableError, Paired
from ..leakage.search import SearchSpace, SpaceOf, ignorant, search_scores

CHOSEN = "chosen.json"
LEAST = 4
"""People of role A, half of them for validation."""
WEIGHTS = (0.25, 0.5, 0.75, 1.0)
"""Of a learned space beside the judge's."""
SHARE = 0.3
"""Of A's people, for validation."""
_BLOCK = 512
"""Faces compared at once with all originals of the validation people."""


class Division(NamedTuple):
    """Role A, whom the judge can see, in two."""

    train: Paired
    validation: Paired
    everybody: Paired


class Candidate(NamedTuple):
    """One way of comparing faces that may be selected."""

    name: str
    space_of: SpaceOf


IDENTITY = Candidate("none", ignorant)
"""To leave faces as the judge sees them."""


class Chosen(NamedTuple):
    """The candidate that was selected."""

    candidate: Candidate
    found: dict[str, float]
    """Share of the validation people's faces whose person each candidate finds."""
    rated: dict[str, float]
    """Mean reciprocal rank over the validation people, by which it was chosen."""
    failed: dict[str, str]
    """Candidates that could not be tried, and why."""


class Selection(NamedTuple):
    """What was selected for either search."""

    candidate: Candidate
    """For the gallery that holds the photos which were made private."""
    other_photos: Candidate
    """For the one that holds other photos of these people alone: to find a photo is not to know a face."""
    about: dict[str, Chosen]
    """Both as they were chosen."""


def divide(people: Paired, seed: int) -> Division:
    """Role A in two: people to train on, and people to select by; faces that the judge failed on are left out.

    Raises:
        NotApplicableError: they are too few. It is no error: a run of several hours is not lost for it.
    """
    lost, lost_image = failed(people.private, "role A's private"), failed(people.original, "role A's original")
    seen = ~lost & ~lost_image[people.source]
    known = np.unique(people.private.identity[seen])
    if len(known) < LEAST:
        raise NotApplicableError(
            f"not measured: the judge can see private and original faces of {len(known)} of "
            f"{len(np.unique(people.original.identity))} people of role A, and {LEAST} at least are needed to learn "
            "from; give role A a larger share"
        )
    order = np.random.default_rng((seed, 6)).permutation(known)
    held = min(max(2, round(SHARE * len(known))), len(known) - 2)
    select = np.isin(people.private.identity, order[:held])
    return Division(part(people, seen & ~select), part(people, seen & select), part(people, seen))


def part(people: Paired, private: NDArray[np.bool_]) -> Paired:
    """Some of the private faces, and the originals they were made from."""
    rows = np.flatnonzero(private)
    images, place = np.unique(people.source[rows], return_inverse=True)
    return Paired(
        private=Embeddings(people.private.vectors[rows], people.private.identity[rows]),
        original=Embeddings(people.original.vectors[images], people.original.identity[images]),
        source=place,
        private_faces=Subset(people.private_faces, rows),
        original_faces=Subset(people.original_faces, images),
        again=lambda rows: people.again(images[rows]),
    )


def select(candidates: Sequence[Candidate], validation: Paired) -> Selection:
    """The best candidate for a search among the very photos, and for one among others of the same people."""
    with_photo, without = best(candidates, validation), best(candidates, validation, leave_out_source=True)
    return Selection(with_photo.candidate, without.candidate, {"with_photo": with_photo, "other_photos": without})


def best(candidates: Sequence[Candidate], validation: Paired, *, leave_out_source: bool = False) -> Chosen:
    """The candidate that ranks the validation people best; of equally good ones the first.

    One that cannot be tried is left out. Candidates are compared by the mean reciprocal rank: of some hundred faces
    behind a good method one or two are found, and which candidate finds them is luck; where the others rank is not.
    The mean is first over each person's faces, then over people: else one person with many photos, who is easily met
    by chance, would decide.

    Args:
        candidates: to choose from.
        validation: people of A whom nothing was learned from.
        leave_out_source: rank as if the photo that was made private were not in the gallery.
    """
    found, rated, failed = {}, {}, {}
    for candidate in candidates:
        try:
            rank, person = _rank(candidate.space_of(validation), validation.source if leave_out_source else None)
        except NotApplicableError as error:  # such as a method that cannot be applied a second time
            failed[candidate.name] = str(error)
            continue
        found[candidate.name] = float((rank == 1).mean()) if len(rank) else 0.0
        sums, counts = np.bincount(person, 1 / rank), np.bincount(person)
        rated[candidate.name] = float((sums[counts > 0] / counts[counts > 0]).mean()) if len(rank) else 0.0
    chosen = max(
        (candidate for candidate in candidates if candidate.name in rated), key=lambda candidate: rated[candidate.name]
    )
    return Chosen(chosen, found, rated, failed)


def _rank(view: SearchSpace, left_out: NDArray[np.int64] | None) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The rank of every probe's person, infinite where the view does not show them, and who that is.

    Ties count for the defender here: of a view in which many are alike an attacker cannot say who is who. Where
    sources are left out, so are people without another image.
    """
    from ...biometrics.ranks import TIE

    probes, gallery = view
    rank, asked = np.empty(len(probes.identity)), np.ones(len(probes.identity), bool)
    for start in range(0, len(rank), _BLOCK):
        rows = slice(start, start + _BLOCK)
        similarity = probes.vectors[rows] @ gallery.vectors.T
        mate = probes.identity[rows, None] == gallery.identity
        own = np.where(mate, similarity, np.nan)
        if left_out is not None:
            own[np.arange(len(own)), left_out[rows]] = np.nan
            asked[rows] = mate.sum(axis=1) > 1
        best = np.fmax.reduce(own, axis=1)  # NaN where no image of the person can be compared
        before = ((similarity >= best[:, None] - TIE) & ~mate).sum(axis=1)
        rank[rows] = np.where(np.isnan(best), np.inf, 1 + before)
    return rank[asked], probes.identity[asked]


def fused(one: SearchSpace, other: SearchSpace, weight: float) -> SearchSpace:
    """Two spaces as one: the similarity is (1 - weight) times that of the one plus weight times that of the other."""
    return SearchSpace(_joined(one.probes, other.probes, weight), _joined(one.gallery, other.gallery, weight))


def cached(space_of: SpaceOf) -> SpaceOf:
    """The same space, in which nobody is embedded twice."""
    views: dict[int, tuple[Paired, SearchSpace]] = {}

    def look(people: Paired) -> SearchSpace:
        if id(people) not in views:
            views[id(people)] = people, space_of(people)  # with the people, so that nobody else gets their number
        return views[id(people)][1]

    return look


def fused_with_judge(name: str, space_of: SpaceOf) -> list[Candidate]:
    """Candidates that use a learned space: alone, or fused with the judge's, by several weights."""
    seen = cached(space_of)
    return [Candidate(f"{name} {w:g}", lambda people, w=w: fused(ignorant(people), seen(people), w)) for w in WEIGHTS]  # type: ignore[misc]


def _joined(one: Embeddings, other: Embeddings, weight: float) -> Embeddings:
    if weight in (0, 1):
        return other if weight else one
    parts = [math.sqrt(1 - weight) * one.vectors, math.sqrt(weight) * other.vectors]
    return Embeddings(np.concatenate(parts, axis=1), one.identity)


def write(out: Path, choice: Selection, train: Paired, **more: float) -> None:
    """Write what was chosen, and what it was learned from, into the folder `out`."""
    about: dict[str, Any] = {
        name: {
            "way": chosen.candidate.name,
            "validation": chosen.found,
            "reciprocal_rank": chosen.rated,
            "failed": chosen.failed,
        }
        for name, chosen in choice.about.items()
    }
    about["learned"] = {
        "trained_on_faces": len(train.private.identity),
        "trained_on_people": len(np.unique(train.private.identity)),
        **more,
    }
    (out / CHOSEN).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def learned_scores(out: Path, ranks: Sequence[int], name: str) -> tuple[list[Score], list[Curve]]:
    """All that `search_scores` tells; beside leak@1 what was chosen and from whom it was learned.

    Raises:
        AttackError: what was kept is missing or damaged.
    """
    about = _about(out)
    learned = {key: float(value) for key, value in about["learned"].items()}
    words = (
        f"learned on {learned['trained_on_faces']:,.0f} faces of {learned['trained_on_people']:,.0f} people of role A"
    )
    scores, curves = search_scores(out, ranks, name)
    for place, score in enumerate(scores):
        if not (score.measure.headline or score.measure.name == OTHER_PHOTO):
            continue
        chosen = about["with_photo" if score.measure.headline else "other_photos"]
        note = "; ".join(filter(None, [score.note, f"chosen: {chosen['way']}", words, _untried(chosen["failed"])]))
        detail = {
            **score.detail,
            **learned,
            "leak_on_validation": float(chosen["validation"][chosen["way"]]),
            "reciprocal_rank_on_validation": float(chosen["reciprocal_rank"][chosen["way"]]),
        }
        scores[place] = score.model_copy(update={"detail": detail, "note": note})
    return scores, curves


def _untried(failed: dict[str, str]) -> str:
    """That ways failed; of a method that cannot be applied a second time, nothing is to be expected."""
    reasons = [reason for reason in failed.values() if reason.startswith(NOT_MEASURED)]
    return f"{len(reasons)} other ways could not be tried: {reasons[0]}" if reasons else ""


def _about(out: Path) -> dict[str, Any]:
    path = out / CHOSEN
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for chosen in (about["with_photo"], about["other_photos"]):
            for kept in ("validation", "reciprocal_rank"):
                float(chosen[kept][chosen["way"]])
            dict(chosen["failed"])
        for number in ("trained_on_faces", "trained_on_people"):
            int(about["learned"][number])
        return about
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AttackError(
            f"choice {path}: expected what the attack kept, cannot read it ({why(error)}); run with --force attack"
        ) from error
