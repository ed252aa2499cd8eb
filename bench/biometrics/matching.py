"""Who passes for whom: faces drawn person by person, thresholds from impostor pairs, people whom a face matches.

A face the recognizer failed on matches nobody and is in no impostor pair.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .embeddings import Embeddings

ERRORS = 30
"""So many false matches must be allowed before a rate of them can be relied on.

Source: the rule of 30, Doddington et al., Speech Communication 31 (2000)."""

_BLOCK = 1024
"""Faces compared at once with all others."""


class Threshold(NamedTuple):
    """The similarity above which two faces match, and how sure that is."""

    value: float | None
    """The highest impostor similarity that has to be refused; None where the pairs cannot resolve the rate."""
    pairs: int
    """Impostor pairs that it was set on."""
    allowed: int
    """How many of them lie above it, at most."""

    @property
    def resolves(self) -> float | None:
        """The lowest rate that so many pairs could be relied on for; None where even all of them are too few."""
        return ERRORS / self.pairs if self.pairs >= ERRORS else None

    def told(self, rate: float, what: str) -> str:
        """Why there is no threshold.

        Args:
            rate: of false matches, that was asked for.
            what: the rate's name, such as `FMR`.
        """
        lowest = "no rate at all" if self.resolves is None else f"{what} {self.resolves:.2g} at the lowest"
        matches = "1 false match" if self.allowed == 1 else f"{self.allowed} false matches"
        return (
            f"{what} {rate:g} of {self.pairs:,} impostor pairs is {matches}; the rule of {ERRORS} asks for {ERRORS}, "
            f"so these pairs resolve {lowest}"
        )


def draw(labels: NDArray[np.int64], *, people: int, each: int, seed: tuple[int, int]) -> NDArray[np.int64]:
    """Some faces of some people, without looking at any.

    Args:
        labels: [N], the person of every face.
        people: at most so many are drawn.
        each: at most so many faces of each.
        seed: of the draw: the run's, and a number of the draw's own.

    Returns:
        Indices of faces, person by person.
    """
    random = np.random.default_rng(seed)
    chosen = random.permutation(np.unique(labels))[:people]
    order = random.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # people side by side, each one's faces shuffled
    _, first, counts = np.unique(labels[order], return_index=True, return_counts=True)
    turn = np.arange(len(order)) - np.repeat(first, counts)
    drawn: NDArray[np.int64] = order[(turn < each) & np.isin(labels[order], chosen)]
    return drawn


def threshold(faces: Embeddings, rate: float) -> Threshold:
    """The similarity that no more than `rate` of the pairs of two people lie strictly above; nothing interpolated.

    All pairs of the given faces count; since a face is in many of them, they are not independent, and the rule of 30
    is a lower bound on what is needed.

    Args:
        faces: [N], failed ones too.
        rate: of false matches.
    """
    seen = _seen(faces)
    _, counts = np.unique(seen.identity, return_counts=True)
    pairs = (len(seen.identity) ** 2 - int((counts**2).sum())) // 2
    allowed = int(rate * pairs + 1e-9)  # a product such as 0.29 * 100 may fall short of the number meant
    if allowed < ERRORS:
        return Threshold(None, pairs, allowed)
    highest = np.empty(0, np.float32)
    for start in range(0, len(seen.identity), _BLOCK):
        stop = start + _BLOCK
        similarity = seen.vectors[start:stop] @ seen.vectors[start:].T
        others = seen.identity[start:stop, None] != seen.identity[start:]
        highest = np.concatenate([highest, similarity[np.triu(others)]])  # of every pair, one of its two places
        if len(highest) > allowed + 1:
            highest = np.partition(highest, len(highest) - allowed - 1)[len(highest) - allowed - 1 :]
    return Threshold(float(highest.min()), pairs, allowed)


def genuine_pairs(faces: Embeddings) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Similarity and person of every pair of two faces of one person, NaN where one of them failed."""
    order = np.argsort(faces.identity, kind="stable")
    people, first = np.unique(faces.identity[order], return_index=True)
    similarity, person = [np.empty(0, np.float32)], [np.empty(0, np.int64)]
    for label, rows in zip(people.tolist(), np.split(order, first[1:]), strict=True):
        pairs = np.triu_indices(len(rows), 1)
        similarity.append((faces.vectors[rows] @ faces.vectors[rows].T)[pairs])
        person.append(np.full(len(pairs[0]), label))
    return np.concatenate(similarity), np.concatenate(person)


def people_matched(
    probes: Embeddings, gallery: Embeddings, above: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Who matches whom: one face of the person is more alike to the probe than `above`.

    Returns:
        [Q], how many people of the gallery each probe matches; [people], how many probes match each whom the judge
        can see.
    """
    matched = np.zeros(len(probes.identity), np.int64)
    searched = _seen(gallery)
    if not len(searched.identity):
        return matched, np.zeros(0, np.int64)
    _, first = np.unique(searched.identity, return_index=True)
    by = np.zeros(len(first), np.int64)
    asked = np.flatnonzero(~np.isnan(probes.vectors).any(axis=1))
    for start in range(0, len(asked), _BLOCK):
        rows = asked[start : start + _BLOCK]
        similarity = probes.vectors[rows] @ searched.vectors.T
        hit = np.maximum.reduceat(similarity, first, axis=1) > above
        matched[rows] = hit.sum(axis=1)
        by += hit.sum(axis=0)
    return matched, by


def match_rate(one: Embeddings, other: Embeddings, above: float) -> float | None:
    """The share of pairs of one face here and one there that match; None where there is no pair."""
    one, other = _seen(one), _seen(other)
    pairs = len(one.identity) * len(other.identity)
    blocks = range(0, len(one.identity), _BLOCK)
    matches = sum(int((one.vectors[at : at + _BLOCK] @ other.vectors.T > above).sum()) for at in blocks)
    return matches / pairs if pairs else None


def _seen(faces: Embeddings) -> Embeddings:
    """The faces that did not fail, people side by side."""
    index = np.flatnonzero(~np.isnan(faces.vectors).any(axis=1))
    index = index[np.argsort(faces.identity[index], kind="stable")]
    return Embeddings(faces.vectors[index], faces.identity[index])
