"""From ranks to leakage: what attacks by retrieval keep for every probe, and the measures computed from it.

A probe is a private face, its mates are the gallery images of its person. Failed probes are misses, and count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....reports.result.record import Curve, Measure, Score
from ....reports.statistics.intervals import clustered
from ...biometrics.chance import chance_of_identity, keeps_first
from . import arrays, by_person

if TYPE_CHECKING:
    from ...biometrics.ranks import Ranks

FILE = "ranks.npz"
SIZES = (100, 1000, 10_000)
"""Gallery sizes at which leakage is told beside the whole gallery's."""
_SHUFFLES = 400
CMC = 50
"""Ranks of the cumulative match characteristic."""


@dataclass(frozen=True)
class SearchResult:
    """What a retrieval attack found for each of Q probes. A rank above `gallery` means: not found."""

    image: NDArray[np.int64]
    """[Q], rank of the source image."""
    identity: NDArray[np.int64]
    """[Q], rank of the best mate."""
    own: NDArray[np.float32]
    """[Q], similarity of the best mate; NaN where there is nothing to compare."""
    other: NDArray[np.float32]
    """[Q], highest similarity to another person; NaN likewise."""
    linked: NDArray[np.float64]
    """[Q], share of the mates that are more alike than every image of another person."""
    mates: NDArray[np.int64]
    """[Q], gallery images of the probe's person."""
    person: NDArray[np.int64]
    """[Q], the probe's label."""
    failed: NDArray[np.bool_]
    """[Q], whether the recognizer failed on the probe."""
    neighbours: NDArray[np.int64]
    """[Q, K], the best candidates, best first; -1 where there are no more."""
    similarity: NDArray[np.float32]
    """[Q, K], theirs."""
    best: NDArray[np.int64]
    """[Q], whose image is most alike; -1 where there is none. [J, Q] where J recognizers searched."""
    gallery: int
    """N, images searched for each probe, failed ones too."""
    gallery_failures: int
    probes_all: int
    """Private faces, those without a mate too."""
    seed: int

    @property
    def searches(self) -> int:
        """How many recognizers searched; a probe is found where one of them finds it."""
        return len(np.atleast_2d(self.best))

    def write(self, out: Path) -> None:
        """Keep it in the folder `out`."""
        arrays.write(self, out / FILE)


def read(out: Path) -> SearchResult:
    """What an attack kept.

    Raises:
        AttackError: it is missing or damaged.
    """
    return arrays.read(SearchResult, out / FILE)


def found_by(
    hits: Ranks, person: NDArray[np.int64], lost: NDArray[np.bool_], lost_image: NDArray[np.bool_], *, seed: int
) -> SearchResult:
    """What a search found, with what is needed to judge it.

    Args:
        hits: of every probe.
        person: [Q], the probes' labels.
        lost: [Q], which probes the recognizer failed on.
        lost_image: [N], which images of the gallery.
        seed: of intervals.
    """
    return SearchResult(
        **vars(hits),
        person=person,
        failed=lost,
        gallery=len(lost_image),
        gallery_failures=int(lost_image.sum()),
        probes_all=len(lost),
        seed=seed,
    )


def measures(
    found: SearchResult, ranks: Sequence[int], on: str, *, image: bool = True
) -> tuple[list[Score], list[Curve]]:
    """All that is told of a search: leak@k of the person, and of the source image where it was in the gallery.

    Args:
        found: what an attack kept.
        ranks: the k.
        on: the attack's name.
        image: whether the source image was searched, too.
    """
    luck = 1 - (1 - chance_of_identity(found.gallery, found.mates, 1)) ** found.searches
    scores = [identity_leak(found, k, on) for k in ranks]
    scores.append(by_person.score(found.identity == 1, luck, found.person, on))
    curves = [cmc(found, found.identity, "cmc", on)]
    if image:
        scores += [image_leak(found, k, on) for k in ranks]
        curves.append(cmc(found, found.image, "cmc image", on))
    if found.searches == 1:  # of a union, the best rank does not tell who is found in a smaller gallery
        curves.append(by_gallery_size(found, on))
    return [*scores, pi_link(found, on)], curves


def beside(path: Path, measure: Measure, on: str) -> list[Score]:
    """Leak@1 (identity) of a second search that was kept, under a measure of its own; none if it was not asked.

    Raises:
        AttackError: what was kept is damaged.
    """
    if not path.is_file():
        return []
    return [identity_leak(arrays.read(SearchResult, path), 1, on).model_copy(update={"measure": measure})]


def identity_leak(found: SearchResult, k: int, on: str) -> Score:
    """Leak@k (identity): how often one of the k best candidates is the probe's person.

    Chance: of k gallery images drawn without looking, one at least is a mate. `normalised` is
    (leak - chance) / (1 - chance); `leak_strict` is leak@1 had all ties been counted for the defender; between
    `shuffled_low` and `shuffled_high` it lies where nothing links a face to its person.
    """
    chance = None
    if k <= found.gallery:
        missed = 1 - chance_of_identity(found.gallery, found.mates, k)
        chance = float((1 - missed**found.searches).mean())  # as if searches were independent
    detail: dict[str, float | None] = {}
    if k == 1:
        if found.searches == 1:
            # TIE lies between: a mate that outranks all others strictly links at least one image
            detail["leak_strict"] = float((found.linked > 0).mean())
        detail["shuffled_low"], detail["shuffled_high"] = shuffled(found)
    says = "share of private faces whose person is the best match among the originals"
    if k > 1:
        says = f"share of private faces whose person is among the {k} best matches among the originals"
    measure = _measure(f"leak@{k}", says, headline=k == 1)
    return _leak(found, found.identity <= k, k=k, chance=chance, measure=measure, on=on, detail=detail)


def image_leak(found: SearchResult, k: int, on: str) -> Score:
    """Leak@k (image): how often the very source image is one of the k best candidates; chance is k/N, of one search."""
    chance = 1 - (1 - k / found.gallery) ** found.searches if k <= found.gallery else None
    says = f"share of private faces whose own source image is among the {k} best matches among the originals"
    measure = _measure(f"leak@{k} image", says)
    return _leak(found, found.image <= k, k=k, chance=chance, measure=measure, on=on, detail={})


def hits(found: SearchResult, measure: str) -> NDArray[np.bool_] | None:
    """[Q], which probes count for the measure named `leak@k` or `leak@k image`; None for another measure."""
    name = re.fullmatch(r"leak@([0-9]{1,9})( image)?", measure)
    if name is None:
        return None
    return (found.image if name[2] else found.identity) <= int(name[1])


def pi_link(found: SearchResult, on: str) -> Score:
    """P(similarity to an own image > similarity to every image of other people), own images drawn at random.

    Equal similarities are no link. Chance: the own image comes first among itself and all others' images.

    Source: Vauquier et al., Interspeech 2025.
    """
    chance = float((1 / (found.gallery - found.mates + 1)).mean())
    value = float(found.linked.mean())
    measure = _measure(
        "pi_link", "chance that an image of the same person is more alike than all images of other people"
    )
    return Score(
        measure=measure,
        on=on,
        value=value,
        n=len(found.linked),
        intervals=clustered(found.linked, found.person),
        chance=chance,
        detail={"normalised": _normalised(value, chance), **_context(found)},
    )


def shuffled(found: SearchResult) -> tuple[float, float]:
    """Where leak@1 lies, 99 % of the time, when nothing links a private face to its person: probes swap their labels.

    Where faces resemble each other and all match the same few originals, as faces of noise do, probes are no
    independent trials, and leakage by luck differs from chance by more, or less, than a binomial interval tells.
    """
    random, best = np.random.default_rng((found.seed, 9)), np.atleast_2d(found.best)
    shares = [(best == random.permutation(found.person)).any(axis=0).mean() for _ in range(_SHUFFLES)]
    low, high = np.quantile(shares, [0.005, 0.995]).tolist()
    return float(low), float(high)


def cmc(found: SearchResult, ranks: NDArray[np.int64], name: str, on: str) -> Curve:
    """The cumulative match characteristic: leak@k for k from 1 to 50."""
    k = np.arange(1, min(CMC, found.gallery) + 1)
    y = (ranks[:, None] <= k).mean(axis=0)
    return Curve(name=name, on=on, x_label="rank k", y_label="leak@k", x=tuple(map(float, k)), y=tuple(y.tolist()))


def by_gallery_size(found: SearchResult, on: str) -> Curve:
    """Leak@1 (identity) at smaller galleries: the exact mean over all sub-galleries that keep the best mate.

    A probe of rank r has r - 1 images before its best mate. A gallery of n that holds this mate and n - 1 of the
    other N - 1 images leaks when none of those is drawn: C(N - r, n - 1) / C(N - 1, n - 1), which at n = N is
    leak@1. So no sub-gallery needs to be sampled.
    """
    n = found.gallery
    sizes = [size for size in SIZES if size < n] + [n]
    rank, count = np.unique(found.identity[found.identity <= n], return_counts=True)
    y = [
        sum(c * keeps_first(n, r, size) for r, c in zip(rank.tolist(), count.tolist(), strict=True))
        / len(found.identity)
        for size in sizes
    ]
    return Curve(
        name="leak@1 by gallery size",
        on=on,
        x_label="gallery images N",
        y_label="leak@1",
        x=tuple(map(float, sizes)),
        y=tuple(y),
    )


def _leak(
    found: SearchResult,
    hit: NDArray[np.bool_],
    *,
    k: int,
    chance: float | None,
    measure: Measure,
    on: str,
    detail: dict[str, float | None],
) -> Score:
    q = len(hit)
    if chance is None:
        note = f"leak@{k} needs a gallery of at least {k} images, this one has {found.gallery}"
        return Score(measure=measure, on=on, value=None, n=q, detail=_context(found), note=note)
    value, answered = float(hit.mean()), q - int(found.failed.sum())
    strict = detail.get("leak_strict")
    note = ""
    if strict is not None and strict < value:
        note = f"ties were counted against the defender: {value:.4f} with them, {strict:.4f} without"
    return Score(
        measure=measure,
        on=on,
        value=value,
        n=q,
        intervals=clustered(hit, found.person),
        chance=chance,
        detail={
            "normalised": _normalised(value, chance),
            "leak_excl_failures": float(hit.sum() / answered) if answered else None,
            **detail,
            **_context(found),
        },
        note=note,
    )


def _context(found: SearchResult) -> dict[str, float | None]:
    return {
        "gallery": found.gallery,
        "gallery_failures": found.gallery_failures,
        "failure_rate": float(found.failed.mean()),
        "people": len(np.unique(found.person)),
        "probes_all": found.probes_all,
    }


def _normalised(value: float, chance: float) -> float | None:
    return (value - chance) / (1 - chance) if chance < 1 else None


def _measure(name: str, says: str, *, headline: bool = False) -> Measure:
    return Measure(name=name, side="privacy", better="lower", says=says, headline=headline)
