"""Two sets of faces of the same people, as one set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..base import DataError, Face, Faces


class Joined:
    """The faces of `first`, then those of `second`; a label means the same person in both.

    Raises:
        DataError: the sets have different numbers of people.
    """

    def __init__(self, first: Faces, second: Faces) -> None:
        if first.identities != second.identities:
            raise DataError(
                f"joined faces: expected two sets of the same people, got {first.identities} and {second.identities}"
            )
        self.first, self.second = first, second
        self.identities = first.identities
        self.labels: NDArray[np.int64] = np.concatenate([first.labels, second.labels])

    @property
    def names(self) -> Sequence[str]:
        """Those of the first set."""
        return self.first.names

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, index: int) -> Face:
        here = index - len(self.first)
        return self.first[index] if here < 0 else self.second[here]

    def encoded(self, index: int) -> bytes:
        """The image file of one face."""
        here = index - len(self.first)
        return self.first.encoded(index) if here < 0 else self.second.encoded(here)
