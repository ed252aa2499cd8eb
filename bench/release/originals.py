"""The faces that a release is made from: opened, looked through once, in the order in which methods want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import DataError, Faces, FaceSource
from ..plan import dataset as dataset_of
from ..terminal.progress import Display

_SHOWN = 5
"""How many damaged images are told one by one."""


@dataclass(frozen=True)
class Originals:
    """A dataset that is to be made private."""

    name: str
    """As the user gave it."""
    source: FaceSource
    faces: Faces
    fingerprint: str
    root: Path | None
    """Where the files are; None where there are none."""
    terms: str | None
    """On what terms a known dataset is had."""

    def scan(self, display: Display) -> list[int]:
        """The numbers of the images that cannot be decoded; the first ones are told with their reasons."""
        from ...datasets.catalog.check import check

        with display.stage("scan", "faces") as progress:
            found = check(self.faces, progress=progress)
        for _, reason in found.undecodable[:_SHOWN]:
            display.warn(f"damaged: {reason}")
        return [int(face) for face, _ in found.undecodable]

    def refuse_damaged(self, bad: Sequence[int], *, skip: bool) -> None:
        """Go on with damaged images only where they may be passed over.

        Raises:
            DataError: there are some and they may not, or there are no others.
        """
        total = len(self.faces)
        if bad and not skip:
            some = ", ".join(str(face) for face in bad[:_SHOWN]) + (", ..." if len(bad) > _SHOWN else "")
            raise DataError(
                f"{self.name}: {len(bad):,} of {total:,} images cannot be decoded: {some} (from 0); repair them "
                "(`bench data verify` says what is wrong with each), or pass over them with --skip-bad"
            )
        if len(bad) == total:
            raise DataError(f"{self.name}: expected faces, got {total:,} images of which none can be decoded")

    def places(self, bad: Sequence[int]) -> NDArray[np.int64]:
        """[N], the numbers of all other images, sorted by identity."""
        kept = np.setdiff1d(np.arange(len(self.faces)), np.array(bad, np.int64))
        order: NDArray[np.int64] = kept[np.argsort(self.faces.labels[kept], kind="stable")]
        return order


def find(dataset: dataset_of.Entry, root: Path, synthetic: Mapping[str, Any], *, resize: bool = False) -> Originals:
    """Open a dataset.

    Args:
        dataset: a card's name, a pack, a folder of people, or a plug-in and its parameters.
        root: the folder in which cards look for their data.
        synthetic: parameters of the synthetic faces, where they are the dataset.
        resize: whether square faces of another size are scaled.

    Raises:
        DataError: it is missing, empty or damaged.
    """
    found = dataset_of.find(dataset, root, synthetic=synthetic, resize=resize).data
    terms = found.card.terms if found.card else None
    return Originals(
        dataset_of.called(dataset), found.source, found.source.open(), found.source.fingerprint(), found.root, terms
    )
