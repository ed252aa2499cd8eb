"""k-Same-Eigen: every face gives way to the mean of k faces that look alike."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..datasets.base import Faces
from .base import Method, MethodError, PrivateFaces, Publish
from .parts.eigenfaces import NUMBERS, Floats, eigenfaces

if TYPE_CHECKING:
    from torch import Tensor

MOST_BYTES = 4 << 30
_BLOCK = 64


class KSame(Method):
    """k-Same-Eigen: groups of at least k alike faces, each replaced by its group's mean in the space of eigenfaces.

    The faces of a release are projected on their principal components. Then, in their order, each face that has no
    group yet takes the k - 1 nearest that have none, and the last ones, fewer than 2k, stay together. All of a group
    are published as one and the same image.

    What it protects: **if each person is once in the set**, an attacker who goes by the image names the same original
    for all of its k or more copies, and is right for at most one: leak@1 <= 1/k, however good the recognizer. (Where
    originals of a group are equally near, a measure that counts ties against the method may say more.)

    What it does not protect: a set with several images of a person, which the papers exclude and which sets for
    training recognizers are. A group may then be one person k times over, and the groups of one person can be compared.
    Nor does the bound hold for who knows more than faces: who is in the release, or in which order it was written.

    Labels stay those of the originals: where a group mixes people, copies of one image stand under several names, and
    a recognizer is taught from contradictions. That is the price, not a fault of the measurement.

    Source: Newton, Sweeney, Malin, "Preserving privacy by de-identifying face images", IEEE TKDE 17(2), 2005;
    Gross, Airoldi, Malin, Sweeney, "Integrating utility into face de-identification", PET 2005, for its limits.
    """

    random: ClassVar[bool] = False

    k: Annotated[int, Field(ge=2, le=10_000)] = 10
    """Least number of faces in a group."""
    components: Annotated[int, Field(ge=1, le=1000)] = 128
    """Eigenfaces in which distances are measured and means are drawn; fewer where the set has fewer."""

    def publish(self, fitted: Path, originals: Faces, how: Publish) -> PrivateFaces:
        if len(originals) < self.k:
            raise MethodError(
                f"ksame: expected at least k = {self.k} faces to release, got {len(originals)}; lower method.k or "
                "release more people"
            )
        needed = len(originals) * (self.components * 16 + NUMBERS // self.k)
        if needed > MOST_BYTES:
            raise MethodError(
                f"ksame: expected a release that takes at most {MOST_BYTES >> 30} GiB of memory, got "
                f"{len(originals):,} faces, which take {needed / (1 << 30):.1f} GiB; raise method.k, lower "
                "method.components, or release fewer people"
            )
        return _Groups(originals, self.k, self.components)


class _Groups(PrivateFaces):
    """The means of groups; found when the first face is asked for, and then kept."""

    def __init__(self, originals: Faces, k: int, components: int) -> None:
        self._originals, self._k, self._components = originals, k, components
        self.identities, self.labels, self.names = originals.identities, originals.labels, originals.names
        self.source = np.arange(len(originals))

    @cached_property
    def _made(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """[N], each face's group, and the images of the groups: equal copies are one array."""
        space = eigenfaces(self._originals, self._components)
        points = space.project(self._originals)
        group = groups(points, self._k)
        sums = np.zeros((int(group.max()) + 1, points.shape[1]))
        np.add.at(sums, group, points)
        means = sums / np.bincount(group)[:, None]
        blocks = [space.rebuild(means[at : at + _BLOCK]) for at in range(0, len(means), _BLOCK)]
        return group, np.concatenate(blocks)

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        import torch

        group, images = self._made
        return torch.from_numpy(images[group[rows]])


def groups(points: Floats, k: int) -> NDArray[np.int64]:
    """Put points into groups of k near ones, and a last one of k to 2k - 1.

    The first point without a group takes the k - 1 nearest without one (Newton et al. 2005, the algorithm k-Same);
    of equally near ones the first. Needs N^2 C / k operations and never more than a copy of the points.

    Args:
        points: [N, C], N >= k.
        k: size of a group.

    Returns:
        [N], the number of each point's group, counted from 0.
    """
    found = np.zeros(len(points), np.int64)
    index, free = np.arange(len(points)), np.ones(len(points), np.bool_)
    lengths = (points**2).sum(axis=1)
    left, number, first = len(points), 0, 0
    while left >= 2 * k:
        first += int(np.argmax(free[first:]))
        distance = lengths - 2 * (points @ points[first])  # squared, but for a constant
        distance[~free] = np.inf
        distance[first] = -np.inf
        edge = np.partition(distance, k - 1)[k - 1]
        inside = np.flatnonzero(distance < edge)
        chosen = np.concatenate([inside, np.flatnonzero(distance == edge)[: k - len(inside)]])
        found[index[chosen]] = number
        free[chosen] = False
        left, number = left - k, number + 1
        if 2 * left < len(free):  # what has a group is dropped now and then, not each time
            index, points, lengths = index[free], points[free], lengths[free]
            free, first = np.ones(left, np.bool_), 0
    found[index[free]] = number
    return found
