"""The contract of this folder: what a way to make faces private is."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from .. import FacebenchError
from ..datasets.base import Face, Faces, Progress, silent

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Privatizer: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""(faces, keys) to private faces: uint8 [B, 3, SIZE, SIZE] and uint8 [B, 32] to uint8 [B, 3, SIZE, SIZE].

Order and identities are kept. A face's key is all the randomness there is for it (`facemae.randomness.numbers` draws
from it): a private face depends on the face, its key and the fitted method, never on the batch it came in. Whoever can
tell the key of a face takes its noise away, so a method draws from nothing else: no seed, no clock, no place.
"""


QUALITY = "quality.json"
"""What `fit` may leave beside what it learned: numbers by name, and under `notes` sentences that begin with a mark."""


class MethodError(FacebenchError, ValueError):
    """A method that cannot do its work; the message says what, expected, got and what to do."""


class NotMadeError(MethodError):
    """Faces that were made private once and for all, and not of these people."""


class People(BaseModel):
    """Who some faces show, by digests and numbers that tell nothing of them.

    So whoever is released is not among those that a method was fitted on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    faces: Annotated[str, Field(pattern=r"^[0-9a-f]{16,64}$")]
    """The fingerprint of the dataset."""
    role: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    """The digest of those of its images that were used; None for all."""
    drawn: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Of drawn faces, the seed: person i of it is the same in a set of any size."""


@dataclass(frozen=True)
class Fit:
    """How and with what a method is to be fitted, beside its own parameters."""

    seed: int
    device: torch.device
    teacher: Path | None = None
    """A recognizer trained on the same people (`facemae.embedder.load` reads it), where `needs_teacher`."""
    progress: Progress = silent
    scratch: Path | None = None
    """A folder that outlives a killed `fit`: what lies in it was put there by an earlier try at this very fit."""
    people: People | None = None
    """Who the faces show, for a method whose fitted file says so."""


@dataclass(frozen=True)
class Publish:
    """With what a private set is to be made, beside the originals."""

    key: bytes = field(repr=False)
    """32 bytes, from which all randomness of the set follows: a release's is secret, a benchmark's follows from its
    seed."""
    device: torch.device
    places: NDArray[np.int64]
    """[N], where each original stands in its dataset."""

    def own_keys(self, images: Tensor, rows: NDArray[np.int64]) -> Tensor:
        """Each face's own key: uint8 [B, 32].

        It follows from the set's key, the face's pixels and its place. So shards and reruns agree, another picture at
        the same place never shares numbers with this one, and equal pictures get numbers of their own: else the
        release would tell that they are equal.

        Args:
            images: uint8 [B, 3, SIZE, SIZE], on the CPU.
            rows: [B], which of the originals they are.
        """
        import torch

        from ..facemae.runtime.randomness import derived

        own = [
            derived(self.key, hashlib.sha256(image).digest(), place.to_bytes(8, "little"), purpose="face")
            for image, place in zip(images.numpy(), self.places[rows].tolist(), strict=True)
        ]
        return torch.frombuffer(bytearray(b"".join(own)), dtype=torch.uint8).reshape(len(own), -1)


class Network(NamedTuple):
    """A fitted method as one network."""

    module: nn.Module
    """On the CPU, in evaluation mode."""
    example: dict[str, Tensor]
    """Inputs by name, in order, two or more of each; the first axis of all is the batch."""


class PrivateFaces(ABC):
    """A private set: `Faces` that are made as they are read, equal however they are asked for."""

    identities: int
    labels: NDArray[np.int64]
    """[N], those of the originals; new people where `source` is None."""
    names: Sequence[str]
    source: NDArray[np.int64] | None
    """[N], the row of the original that each was made from; None where none was made from one."""

    @abstractmethod
    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """The private faces of some rows, uint8 [B, 3, SIZE, SIZE], on the CPU.

        Raises:
            MethodError: they cannot be made.
            DataError: an original cannot be read.
        """

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Face:
        return Face(self.take(np.array([index]))[0], int(self.labels[index]))

    def encoded(self, index: int) -> bytes:
        """As a lossless file."""
        from ..datasets.files import codec

        return codec.encode(self[index].image)


class Method(BaseModel, ABC):
    """Plug-in: a way to make faces private. Frozen and closed; the fields are its parameters.

    A method implements `load` where it works face by face, or `publish` where it takes or makes a set as a whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    version: ClassVar[int] = 1
    """Raise it when equal parameters give other images: what was made before then expires."""
    random: ClassVar[bool] = True
    """False where neither seed nor key changes anything, so that all seeds share one fit and one release."""
    learns: ClassVar[bool] = False
    """Whether `fit` does anything."""
    shared: ClassVar[bool] = False
    """Whether `fit` may be called in several processes at once (`accelerate launch`), which then fit together."""
    repeatable: ClassVar[bool] = True
    """False where faces that were made private once cannot be made again with other random numbers."""
    complete: ClassVar[bool] = True
    """False where some originals may be left without a private face, as by a tool that found no face in them: each is a
    failure of the method, not found by attackers, and counted."""
    sourced: ClassVar[bool] = True
    """False where private faces are made from no original, and show new people."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.load is Method.load and cls.publish is Method.publish:
            raise TypeError(f"{cls.__name__}: a method implements `load` or `publish`; it has neither")

    @property
    def brought(self) -> Path | None:
        """The file of what was fitted once, elsewhere, and is used in place of a fit of the run's own."""
        return None

    @property
    def fits(self) -> bool:
        """Whether `fit` has to be called before faces can be made private, with these parameters."""
        return type(self).learns and self.brought is None

    @property
    def needs_teacher(self) -> bool:
        """Whether the run shall train a recognizer on the fitting people and hand it to `fit`."""
        return False

    def try_out(self, originals: Faces, how: Publish) -> None:
        """Use what the parameters name, and what the machine has to have, as far as that takes seconds.

        Called before anything is made, by a dry run, too: files of others are opened and used on a few faces, so that
        nobody hears after hours that one cannot be used.

        Args:
            originals: [N], those that will be published.
            how: as for `publish`.

        Raises:
            MethodError: `fit` or `publish` would fail.
        """

    def fit(self, faces: Faces, out: Path, how: Fit) -> None:
        """Learn from people who are not in the release, and write what was learned into the folder `out`.

        Raises:
            MethodError: nothing can be learned from these faces, or training diverged.
        """

    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        """Make the method live, for one that works face by face.

        Args:
            fitted: the folder that `fit` wrote; empty for a method that learns nothing.
            device: where to compute; faces come and go on this device.

        Raises:
            MethodError: what was fitted is missing or damaged, or the method does not work face by face.
        """
        raise MethodError(f"{type(self).__name__.lower()} works on sets as a whole, not face by face; use `publish`")

    @property
    def draws(self) -> bool:
        """Whether private faces depend on their keys, with these parameters."""
        return self.random

    def promise(self, photos: int) -> str:
        """What is proved of a release, with its unit and what it means for a whole person; empty where nothing is.

        Args:
            photos: the most photos that one person has in it.
        """
        return ""

    def network(self, fitted: Path) -> Network | None:
        """What was fitted as one network that `torch.export` can trace, for those who keep models.

        Args:
            fitted: the folder that `fit` wrote.

        Returns:
            None for a method that is no such network.

        Raises:
            MethodError: what was fitted is missing or damaged.
        """
        return None

    def publish(self, fitted: Path, originals: Faces, how: Publish) -> PrivateFaces:
        """Make a private set of some originals.

        Args:
            fitted: the folder that `fit` wrote; empty for a method that learns nothing.
            originals: [N], sorted by identity.
            how: key, device, and where each original stands in its dataset.

        Raises:
            MethodError: what was fitted is missing or damaged, or these originals cannot be made private.
        """
        return FaceByFace(originals, self.load(fitted, device=how.device), how, random=self.draws)


class FaceByFace(PrivateFaces):
    """One private face for each original, in their order."""

    def __init__(self, originals: Faces, privatize: Privatizer, how: Publish, *, random: bool = True) -> None:
        self._originals, self._privatize, self._how, self._random = originals, privatize, how, random
        self.identities, self.labels, self.names = originals.identities, originals.labels, originals.names
        self.source = np.arange(len(originals))

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        import torch

        images = torch.stack([self._originals[row].image for row in rows.tolist()])
        with torch.inference_mode():
            # a method that draws nothing gets keys of zeros: digests of pixels cost a tenth of what it does
            own = self._how.own_keys(images, rows) if self._random else torch.zeros(len(rows), 32, dtype=torch.uint8)
            own = own.to(self._how.device)
            private = self._privatize(images.to(self._how.device), own)
        if private.shape != images.shape or private.dtype != torch.uint8:
            raise MethodError(
                f"private faces: expected uint8 {list(images.shape)}, got {private.dtype} {list(private.shape)}; "
                "a method keeps shape, type and order"
            )
        return private.cpu()
