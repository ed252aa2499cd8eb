"""Some of the faces of a set, as a set of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base import DataError, Face, Faces


class Subset:
    """A view of `faces`: those at `indices`, in that order, with identities numbered anew from 0.

    New labels keep the order of the old ones; people without a face in the view do not count. Picklable
    where `faces` is.

    Raises:
        DataError: there is no index, or one that is no face's.
    """

    def __init__(self, faces: Faces, indices: ArrayLike) -> None:
        chosen = np.asarray(indices)
        if chosen.ndim != 1 or not chosen.size or chosen.dtype.kind not in "iu":
            raise DataError(
                f"subset: expected a list of at least one face number, got {chosen.dtype} of shape {list(chosen.shape)}"
            )
        if chosen.min() < 0 or chosen.max() >= len(faces):
            raise DataError(
                f"subset: expected face numbers from 0 to {len(faces) - 1}, got {chosen.min()} to {chosen.max()}"
            )
        self.faces = faces
        self.indices: NDArray[np.int64] = chosen.astype(np.int64)
        self.people: NDArray[np.int64]
        """[identities], the old label of each new one."""
        self.labels: NDArray[np.int64]
        self.people, self.labels = np.unique(faces.labels[self.indices], return_inverse=True)
        self.identities = len(self.people)

    @property
    def names(self) -> Sequence[str]:
        old = self.faces.names
        return [old[person] for person in self.people.tolist()]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Face:
        return Face(self.faces[int(self.indices[index])].image, int(self.labels[index]))

    def encoded(self, index: int) -> bytes:
        """The image file's own bytes."""
        return self.faces.encoded(int(self.indices[index]))


def origin(faces: Faces) -> tuple[Faces, NDArray[np.int64]]:
    """The set that a view, or a view of a view, looks into; and [N], where in it each face of the view stands."""
    rows = np.arange(len(faces))
    while isinstance(faces, Subset):
        rows = faces.indices[rows]
        faces = faces.faces
    return faces, rows


class Nobody:
    """No face at all, as `Faces`."""

    identities = 0
    names: Sequence[str] = ()

    def __init__(self) -> None:
        self.labels = np.empty(0, np.int64)

    def __len__(self) -> int:
        return 0

    def __getitem__(self, index: int) -> Face:
        raise IndexError(f"face {index} of none")

    def encoded(self, index: int) -> bytes:
        """There is none."""
        raise IndexError(f"face {index} of none")


def of_people(faces: Faces, people: tuple[int, int]) -> Subset:
    """The faces of the identities from people[0] up to but without people[1].

    Raises:
        DataError: the range is empty or reaches beyond the identities.
    """
    first, end = people
    if not 0 <= first < end <= faces.identities:
        raise DataError(
            f"people: expected a half-open range of identities within [0, {faces.identities}], got [{first}, {end}]"
        )
    return Subset(faces, np.flatnonzero((faces.labels >= first) & (faces.labels < end)))
