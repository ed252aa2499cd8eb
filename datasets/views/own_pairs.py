"""Verification pairs of a dataset's own people, for sets that bring none: as LFW's, of people nobody learns from."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from ..base import DataError, Faces, Pairs, PairSource

FOLDS = 10
LEAST = 20
"""Genuine pairs; of fewer no accuracy says anything."""
_OF_ONE = 30
"""Genuine pairs of one person at most, so that people with many photos do not decide alone."""


class OwnPairs(PairSource):
    """Pairs of some of a dataset's faces: as many genuine as impostor ones, no person in two folds.

    Made of an open dataset, so it is no format that a user could name.

    Source: the layout of LFW's view 2 (Huang et al. 2007): ten folds that share no person, half of each genuine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    faces: Any
    """`Faces`, open."""
    rows: Any
    """[N], which of them."""
    basis: str
    """What stands for these faces in a key."""
    seed: Annotated[int, Field(ge=0)] = 0
    pairs: Annotated[int, Field(ge=2 * LEAST)] = 6000
    """At most so many."""

    def open(self) -> Pairs:
        """Decode the pairs.

        Raises:
            DataError: there are too few people, or an image cannot be decoded.
        """
        import torch

        first, second, same, fold = self.drawn()
        used, places = np.unique(np.concatenate([first, second]), return_inverse=True)
        images = torch.stack([self.faces[int(row)].image for row in used])
        at = torch.from_numpy(places)
        return Pairs(images[at[: len(first)]], images[at[len(first) :]], same, fold)

    def fingerprint(self) -> str:
        """Of the faces, and of which pairs are drawn from them."""
        return hashlib.sha256(f"own {self.version} {self.basis} {self.seed} {self.pairs}".encode()).hexdigest()

    def drawn(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
        """Rows of the one and the other face, whether they are one person, and the fold, each [N].

        Raises:
            DataError: there are too few people, or too few with two photos.
        """
        faces: Faces = self.faces
        rows = np.asarray(self.rows)
        rng = np.random.default_rng([self.seed, 0x0B0])
        photos = [rows[faces.labels[rows] == person] for person in np.unique(faces.labels[rows])]
        several = [each for each in photos if len(each) > 1]
        folds = min(FOLDS, len(several) // 2)
        if folds < 2:
            raise DataError(self._too_few(len(several)))
        order = [several[n] for n in rng.permutation(len(several))]
        order += [each for each in photos if len(each) == 1]
        share = max(1, self.pairs // 2 // folds)
        found: list[tuple[int, int, bool, int]] = []
        for fold in range(folds):
            people = order[fold::folds]
            genuine = _genuine(people, rng)[:share]
            impostor = _impostor(people, len(genuine), rng)
            genuine = genuine[: len(impostor)]
            found += [(one, other, True, fold) for one, other in genuine]
            found += [(one, other, False, fold) for one, other in impostor]
        if len(found) < 2 * LEAST:
            raise DataError(self._too_few(len(several)))
        first, second, same, number = (np.array(column) for column in zip(*found, strict=True))
        return first.astype(np.int64), second.astype(np.int64), same.astype(np.bool_), number.astype(np.int64)

    def _too_few(self, several: int) -> str:
        return (
            f"no verification set beside the faces, and too few people to make one: expected {LEAST} genuine pairs of "
            f"at least four held-out people (role H) with two photos each, got {several} such people; give H a larger "
            "share (--set roles.H=0.3 roles.P=0.2), or put a set such as lfw.bin beside the faces"
        )


def _genuine(people: list[NDArray[np.int64]], rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs of photos of one person, one of each person before the second of any."""
    rounds: list[tuple[int, float, int, int]] = []
    for photos in people:
        count = len(photos)
        if count * (count - 1) // 2 <= 4 * _OF_ONE:
            pairs = [(one, other) for one in range(count) for other in range(one)]
        else:  # a person with thousands of photos has millions of pairs
            pairs = list({(max(two), min(two)) for two in rng.integers(count, size=(4 * _OF_ONE, 2)).tolist()
                          if two[0] != two[1]})  # fmt: skip
        for turn, at in enumerate(rng.permutation(len(pairs))[:_OF_ONE].tolist()):
            one, other = pairs[at]
            rounds.append((turn, float(rng.random()), int(photos[one]), int(photos[other])))
    return [(one, other) for _, _, one, other in sorted(rounds)]


def _impostor(people: list[NDArray[np.int64]], count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Distinct pairs of photos of two people of one fold."""
    found: dict[tuple[int, int], None] = {}
    for _ in range(20 * count):
        if len(found) == count:
            break
        one, other = rng.choice(len(people), 2, replace=False)
        pair = sorted((int(rng.choice(people[one])), int(rng.choice(people[other]))))
        found[pair[0], pair[1]] = None
    return list(found)
