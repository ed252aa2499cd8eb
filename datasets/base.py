"""The contracts of this folder: what faces and verification pairs are, and where they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from .. import FacebenchError

if TYPE_CHECKING:
    from torch import Tensor

SIZE = 112
"""Height and width in pixels of every face: the aligned five-point crop that ArcFace introduced."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (done, total) as work goes on; a caller that shows nothing passes `silent`."""


def silent(done: int, total: int) -> None:
    """Show no progress."""


class DataError(FacebenchError, ValueError):
    """Data that cannot be used as it is; the message says what, where, expected, got and what to do."""


class Face(NamedTuple):
    """One face and the person it belongs to."""

    image: Tensor
    """uint8 [3, SIZE, SIZE], RGB."""
    identity: int
    """0 <= identity < identities."""


class Faces(Protocol):
    """Faces that can be read: indexable in any order, by several threads at once, and picklable."""

    @property
    def identities(self) -> int:
        """How many people there are; labels run from 0 to identities - 1."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """[N], the identity of every face, known without decoding one."""

    @property
    def names(self) -> Sequence[str]:
        """[identities], a stable name for each label. Never logged, recorded or reported."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Face:
        """Decode one face.

        Raises:
            DataError: the image is not a readable face of SIZE x SIZE pixels.
        """

    def encoded(self, index: int) -> bytes:
        """The image file's own bytes (JPEG or PNG), undecoded."""


class FaceSource(BaseModel, ABC):
    """Plug-in: the description of a set of faces. Frozen and closed; `open` makes it live."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    version: ClassVar[int] = 1

    @abstractmethod
    def open(self) -> Faces:
        """Make the faces readable.

        Raises:
            DataError: files are missing, damaged, or not what the description says.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """A digest that changes when an image or a label changes, and not when the data is moved."""

    def verification(self) -> dict[str, PairSource]:
        """The verification sets that come with these faces, by name; asked where the faces are named as a plug-in.

        Raises:
            DataError: they cannot be described.
        """
        return {}

    def write_sums(self) -> Path | None:
        """Write a digest of every record beside the data; reading compares with it (see `sums.py`).

        Returns:
            The new file; None where there are no files, or none of its own.

        Raises:
            DataError: digests are there already (SumsThereError), cannot be written, or a record cannot be read.
        """
        return None


class Pairs(NamedTuple):
    """Verification pairs, decoded."""

    first: Tensor
    """uint8 [N, 3, SIZE, SIZE], RGB."""
    second: Tensor
    """uint8 [N, 3, SIZE, SIZE], RGB."""
    same: NDArray[np.bool_]
    """[N], whether both faces are one person (genuine) or not (impostor)."""
    fold: NDArray[np.int64] | None = None
    """[N], the fold of each pair, from 0, where the set's own list says it; None where it says nothing."""


class PairSource(BaseModel, ABC):
    """Plug-in: the description of a verification set. Frozen and closed; `open` makes it live."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    version: ClassVar[int] = 1

    @abstractmethod
    def open(self) -> Pairs:
        """Decode all pairs.

        Raises:
            DataError: files are missing, damaged, or not what the description says.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """A digest that changes when an image or a label changes, and not when the data is moved."""

    def write_sums(self) -> Path | None:
        """Write a digest of every record beside the data; reading compares with it (see `sums.py`).

        Returns:
            The new file; None where there are no files, or none of its own.

        Raises:
            DataError: digests are there already (SumsThereError), cannot be written, or a record cannot be read.
        """
        return None
