"""Procedural faces and verification pairs: enough like the real thing to develop on, with no download and no person in it.

What varies with the person and what with the picture is told in `synthetic_people`, the geometry in `synthetic_shape`, the
painting in `synthetic_draw`. A result on these faces says that the machinery works; it says nothing about a method.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .base import SIZE, DataError, Face, Faces, FaceSource, Pairs, PairSource

_MOST = 10**9  # identities from here on belong to the verification sets
_SETS = {"lfw": 1, "cfp_fp": 2, "agedb_30": 3}

Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Synthetic(FaceSource):
    """`people` drawn persons with `images` pictures each. Identity i of one seed is the same person at any size."""

    people: Annotated[int, Field(ge=1, le=_MOST)] = 500
    images: Annotated[int, Field(ge=1, le=10**6)] = 10
    seed: Seed = 0

    def open(self) -> SyntheticFaces:
        return SyntheticFaces(self.people, self.images, self.seed)

    def fingerprint(self) -> str:
        return _digest("faces", self.version, self.people, self.images, self.seed)


class SyntheticPairs(PairSource):
    """Verification pairs of people whom `Synthetic` of the same seed never draws; each pair has its own people.

    `lfw`: ordinary pictures (Huang et al. 2007). `cfp_fp`: frontal against 35 to 60 degrees from it (Sengupta et al., WACV
    2016). `agedb_30`: about thirty years between them (Moschoglou et al., CVPRW 2017). Genuine and impostor pairs
    alternate, so ten consecutive folds hold equally many of both and share no person.
    """

    kind: Literal["lfw", "cfp_fp", "agedb_30"] = "lfw"
    pairs: Annotated[int, Field(ge=20, le=10**6, multiple_of=2)] = 600
    seed: Seed = 0

    def open(self) -> Pairs:
        import torch

        from .synthetic_draw import draw

        first = np.empty((self.pairs, SIZE, SIZE, 3), np.uint8)
        second = np.empty_like(first)
        one, other = {"lfw": ("ordinary",) * 2, "cfp_fp": ("frontal", "profile"), "agedb_30": ("young", "old")}[self.kind]
        for i in range(self.pairs):
            a, b = self.people_of(i)
            first[i] = draw(seed=self.seed, identity=a, image=0, series=one)
            second[i] = draw(seed=self.seed, identity=b, image=1, series=other)
        same = np.arange(self.pairs) % 2 == 0
        return Pairs(*(torch.from_numpy(x).permute(0, 3, 1, 2).contiguous() for x in (first, second)), same)

    def people_of(self, pair: int) -> tuple[int, int]:
        """The identities of both faces of a pair: one person if `pair` is even, two if it is odd."""
        start = _SETS[self.kind] * _MOST + 3 * (pair // 2)
        return (start, start) if pair % 2 == 0 else (start + 1, start + 2)

    def fingerprint(self) -> str:
        return _digest("pairs", self.version, self.kind, self.pairs, self.seed)


def _digest(*parts: object) -> str:
    """Drawn faces are a function of their description, so its digest is theirs."""
    return hashlib.sha256(repr(("facebench synthetic", *parts)).encode()).hexdigest()


@dataclass(frozen=True)
class SyntheticFaces(Faces):
    """Faces drawn when they are asked for, by any thread, in any order."""

    people: int
    images: int
    seed: int

    @property
    def identities(self) -> int:
        return self.people

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(self.people, dtype=np.int64), self.images)

    @cached_property
    def names(self) -> Sequence[str]:
        return [f"s{i:06d}" for i in range(self.people)]

    def __len__(self) -> int:
        return self.people * self.images

    def __getitem__(self, index: int) -> Face:
        import torch

        pixels = self.pixels(index)
        return Face(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))), index // self.images)

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """uint8 [SIZE, SIZE, 3], RGB."""
        from .synthetic_draw import draw

        if not 0 <= index < len(self):
            raise IndexError(f"face {index} of {len(self)} synthetic faces: expected 0 <= index < {len(self)}")
        return draw(seed=self.seed, identity=index // self.images, image=index % self.images)

    def encoded(self, index: int) -> bytes:
        import cv2

        done, data = cv2.imencode(".png", self.pixels(index)[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise DataError(f"synthetic face {index}: OpenCV could not encode it as PNG")
        return bytes(data)
