"""Faces as they are once they were written into image files and read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..base import DataError, Face, Faces
from ..files import codec
from ..files.image_header import inspect


class Reencoded:
    """The same faces with what an encoding loses of them.

    Args:
        faces: as they were made.
        kind: of the image files.
    """

    def __init__(self, faces: Faces, kind: Literal["png", "jpeg"]) -> None:
        self.faces, self.kind = faces, kind
        self.identities = faces.identities
        self.labels: NDArray[np.int64] = faces.labels

    @property
    def names(self) -> Sequence[str]:
        return self.faces.names

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, index: int) -> Face:
        return Face(codec.decode(self.encoded(index), where=f"face {index}, encoded"), int(self.labels[index]))

    def encoded(self, index: int) -> bytes:
        """The image file of one face."""
        return codec.encode(self.faces[index].image, kind=self.kind)


class Scaled(Reencoded):
    """The same faces as files of SIZE x SIZE pixels: those of another size as PNG, all others' bytes as they are.

    Args:
        faces: opened so that faces of another size are scaled.
    """

    def __init__(self, faces: Faces) -> None:
        super().__init__(faces, "png")

    def encoded(self, index: int) -> bytes:
        """The image file of one face."""
        data = self.faces.encoded(index)
        try:
            inspect(data, f"face {index}", resize=False)
        except DataError:
            return super().encoded(index)
        return data
