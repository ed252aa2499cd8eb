"""Procedural faces and verification pairs: good enough to develop on, with no download and no person in them.

What varies with the person and what with the picture is told in `synthetic_people`, the geometry in
`synthetic_shape`, the painting in `synthetic_draw`. A result on these faces says that the machinery works; it
says nothing about real faces.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from .base import DataError, Face, FaceSource, Pairs, PairSource

if TYPE_CHECKING:
    from .drawn.draw import Plan
    from .drawn.latents import Series

_SETS_FROM = 10**9  # identities from here on belong to the verification sets
_SETS: dict[str, tuple[int, Series, Series]] = {
    "lfw": (1, "ordinary", "ordinary"),
    "cfp_fp": (2, "frontal", "profile"),
    "agedb_30": (3, "young", "old"),
}
_BLOCK = 16  # faces that are planned at once; a larger block is cheaper in a row, a smaller one at random

Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Synthetic(FaceSource):
    """`people` drawn persons with `images` pictures each. Person i of a seed stays the same whatever the size."""

    people: Annotated[int, Field(ge=1, le=10**6)] = 700
    """How many."""
    images: Annotated[int, Field(ge=1, le=10**6)] = 6
    """Of each person."""
    seed: Seed = 0
    """Another one draws other people."""

    def open(self) -> SyntheticFaces:
        return SyntheticFaces(self.people, self.images, self.seed)

    def fingerprint(self) -> str:
        return _digest("faces", self.version, self.people, self.images, self.seed)


class SyntheticPairs(PairSource):
    """Verification pairs of people whom `Synthetic` of the same seed never draws; every pair has its own people.

    `lfw`: ordinary pictures (Huang et al. 2007). `cfp_fp`: frontal against 35 to 60 degrees away from it
    (Sengupta et al., WACV 2016). `agedb_30`: about thirty years apart (Moschoglou et al., CVPRW 2017). Genuine and
    impostor pairs alternate, so that ten consecutive folds hold both in equal numbers; no person is in two folds.
    """

    kind: Literal["lfw", "cfp_fp", "agedb_30"] = "lfw"
    """What the pairs are like."""
    pairs: Annotated[int, Field(ge=20, le=10**6, multiple_of=2)] = 400
    """Half of them genuine."""
    seed: Seed = 0
    """Of people whom no set of faces has."""

    def open(self) -> Pairs:
        import torch

        from .drawn.draw import draw

        one, other = self.people_of()
        _, here, there = _SETS[self.kind]
        first = draw(seed=self.seed, identities=one, images=[0] * self.pairs, series=here)
        second = draw(seed=self.seed, identities=other, images=[1] * self.pairs, series=there)
        chw = [torch.from_numpy(faces).permute(0, 3, 1, 2).contiguous() for faces in (first, second)]
        fold = None if self.pairs % 20 else np.arange(self.pairs) // (self.pairs // 10)
        return Pairs(chw[0], chw[1], np.array(one) == np.array(other), fold)

    def people_of(self) -> tuple[list[int], list[int]]:
        """The identities of the first and of the second face of every pair."""
        start = _SETS[self.kind][0] * _SETS_FROM
        one = [start + 3 * (i // 2) + i % 2 for i in range(self.pairs)]
        return one, [who + i % 2 for i, who in enumerate(one)]

    def groups(self) -> dict[str, NDArray[np.str_]]:
        """Of every pair `skin_tone`, `age_band` and `pose` as the faces' `metadata` has them, [N] each.

        It is `mixed` where the two faces differ.
        """
        _, *series = _SETS[self.kind]
        sides = [
            _bands(_metadata(self.seed, who, [image] * self.pairs, how))
            for image, (who, how) in enumerate(zip(self.people_of(), series, strict=True))
        ]
        return {name: np.where(sides[0][name] == sides[1][name], sides[0][name], "mixed") for name in sides[0]}

    def fingerprint(self) -> str:
        return _digest("pairs", self.version, self.kind, self.pairs, self.seed)


def _digest(*parts: object) -> str:
    """Drawn faces are a function of their description: its digest is theirs."""
    return hashlib.sha256(repr(("synthetic", *parts)).encode()).hexdigest()


def _metadata(seed: int, identities: list[int], images: list[int], series: Series) -> dict[str, NDArray[Any]]:
    """What is drawn in these pictures, image number by person."""
    from .drawn.latents import people, shots

    who = people(seed=seed, identities=identities)
    now = shots(who, seed=seed, identities=identities, images=images, series=series)
    yaw = np.degrees(now.yaw)
    return {
        "skin_tone": np.array(["light", "medium", "dark"])[np.digitize(who.tone, (0.25, 0.5))],
        "age": now.age,
        "age_band": np.array(["-29", "30-49", "50-"])[np.digitize(now.age, (30, 50))],
        "yaw": yaw,
        "pose": np.array(["frontal", "turned", "profile"])[np.digitize(abs(yaw), (15, 40))],
    }


def _bands(told: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.str_]]:
    return {name: told[name] for name in ("skin_tone", "age_band", "pose")}


@lru_cache(maxsize=1024)
def _block(people: int, images: int, seed: int, block: int) -> Plan:
    """Faces in a row, down to their contours (4 KB each): drawing them one by one then costs what a batch costs."""
    from .drawn.draw import plan

    rows = range(block * _BLOCK, min((block + 1) * _BLOCK, people * images))
    return plan(seed=seed, identities=[i // images for i in rows], images=[i % images for i in rows])


@dataclass(frozen=True)
class SyntheticFaces:
    """Faces that are drawn when they are asked for, by any thread, in any order."""

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

        image = torch.from_numpy(np.ascontiguousarray(self.pixels(index).transpose(2, 0, 1)))
        return Face(image, index // self.images)

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """uint8 [SIZE, SIZE, 3], RGB.

        Raises:
            IndexError: there is no such face.
        """
        from .drawn.draw import paint

        if not 0 <= index < len(self):
            raise IndexError(f"synthetic face {index}: expected 0 <= index < {len(self)}")
        return paint(_block(self.people, self.images, self.seed, index // _BLOCK), index % _BLOCK)

    def encoded(self, index: int) -> bytes:
        """The face as a PNG."""
        import cv2

        done, data = cv2.imencode(".png", self.pixels(index)[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise DataError(f"synthetic face {index}: OpenCV could not encode it as PNG; check the installed OpenCV")
        return bytes(data)

    def metadata(self) -> dict[str, NDArray[Any]]:
        """What was drawn, [N] each, for results by subgroup: `yaw` in degrees, `age` in years, and their bands.

        `skin_tone` is one of light, medium, dark; `age_band` one of -29, 30-49, 50-; `pose` one of frontal, turned,
        profile (from 15 and from 40 degrees on).
        """
        who_of, image_of = self.labels.tolist(), [i % self.images for i in range(len(self))]
        return _metadata(self.seed, who_of, image_of, "ordinary")

    def groups(self) -> dict[str, NDArray[np.str_]]:
        """The bands among `metadata`, [N] each: `skin_tone`, `age_band`, `pose`."""
        return _bands(self.metadata())
