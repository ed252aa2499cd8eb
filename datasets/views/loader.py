"""Faces to batches, decoded by threads: all at once, epoch by epoch, or once in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..base import SIZE, DataError, Faces, Progress, silent

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 64
"""Faces that one thread decodes at a time: some ten milliseconds, after which Ctrl-C is heard."""


def read(faces: Faces, *, progress: Progress = silent) -> tuple[Tensor, NDArray[np.int64]]:
    """Decode all faces.

    Returns:
        uint8 [N, 3, SIZE, SIZE] and the labels [N].

    Raises:
        DataError: a face cannot be decoded.
    """
    import torch

    images = torch.empty((len(faces), 3, SIZE, SIZE), dtype=torch.uint8)
    total, threads = len(faces), _threads()
    blocks = (np.arange(at, min(at + _BLOCK, total)) for at in range(0, total, _BLOCK))
    with _Decoder(faces, threads) as decoder:
        waiting: deque[tuple[int, Future[None]]] = deque()
        for block in blocks:
            end = int(block[-1]) + 1
            waiting.append((end, decoder.fill(block, images[int(block[0]) : end])))
            if len(waiting) > 4 * threads:  # else five million blocks would wait in a queue
                _arrived(waiting, progress, total)
        while waiting:
            _arrived(waiting, progress, total)
    return images, faces.labels


def in_order(faces: Faces, batch: int) -> Iterator[tuple[NDArray[np.int64], Tensor, Tensor]]:
    """Give all faces once, in their order; by the batch where they have a `take`, as private faces do.

    Yields:
        indices int64 [B], images uint8 [B, 3, SIZE, SIZE], labels int64 [B]; the last batch may be smaller.

    Raises:
        DataError: a face cannot be decoded.
    """
    import torch

    batches = (np.arange(at, min(at + batch, len(faces))) for at in range(0, len(faces), batch))
    take: Callable[[NDArray[np.int64]], Tensor] | None = getattr(faces, "take", None)
    # faces that a network makes as they are read are made many at once
    whole = ((rows, take(rows)) for rows in batches) if take else _decoded(faces, batches, batch)
    for indices, images in whole:
        yield indices, images, torch.from_numpy(faces.labels[indices])


class Batches:
    """Batches for training: each iteration is one epoch with an order of its own, drawn from (seed, epoch).

    Where all decoded faces fit into `memory` they are decoded once, in the first epoch, and kept.

    Args:
        faces: what to read.
        batch: faces a batch.
        seed: of the orders; equal seeds give equal batches in every epoch.
        shuffle: False keeps the order of `faces`.
        drop_last: whether to leave out the last batch of an epoch where it is smaller.
        memory: bytes that decoded faces may take.
        progress: told of the decoding of the first epoch, where faces are kept.

    Raises:
        DataError: the faces do not fill one batch; while iterating, a face cannot be decoded.
    """

    def __init__(
        self,
        faces: Faces,
        batch: int,
        *,
        seed: int,
        shuffle: bool = True,
        drop_last: bool = True,
        memory: int = 2 * 2**30,
        progress: Progress = silent,
    ) -> None:
        if batch < 1 or len(faces) < (batch if drop_last else 1):
            raise DataError(
                f"batches: expected at least one batch of {batch} faces, got {len(faces)} faces; "
                "choose a smaller batch or a larger dataset"
            )
        self.faces = faces
        self.batch = batch
        self.seed = seed
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.epoch = 0
        """The number of the next epoch; set it to go on where an earlier run stopped."""
        self.first = 0
        """Batches of the next epoch to pass over, likewise; the one after begins with its first again."""
        self.part = (0, 1)
        """Which of how many equal parts of every batch to give: where several processes share them."""
        self._kept: Tensor | None = None
        self._keep = len(faces) * 3 * SIZE * SIZE <= memory
        self._progress = progress

    def __len__(self) -> int:
        """Batches an epoch."""
        whole, rest = divmod(len(self.faces), self.batch)
        return whole + (1 if rest and not self.drop_last else 0)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The order in which an epoch takes the faces, [N]."""
        if not self.shuffle:
            return np.arange(len(self.faces))
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.faces))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images uint8 [B, 3, SIZE, SIZE] and labels int64 [B]."""
        import torch

        order = self.order(self.epoch)
        self.epoch += 1
        if self._keep and self._kept is None:
            self._kept, _ = read(self.faces, progress=self._progress)
        batches = (self._part(order[at * self.batch : (at + 1) * self.batch]) for at in range(self.first, len(self)))
        self.first = 0
        for indices, images in self._images(batches):
            yield images, torch.from_numpy(self.faces.labels[indices])

    def _part(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        part, parts = self.part
        if len(batch) % parts:
            raise DataError(
                f"batches: expected a number of faces that {parts} processes share evenly, got {len(batch)}; "
                "choose a batch that they divide"
            )
        size = len(batch) // parts
        return batch[part * size : (part + 1) * size]

    def _images(self, batches: Iterable[NDArray[np.int64]]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        import torch

        if self._kept is None:
            yield from _decoded(self.faces, batches, self.batch)
        else:
            for indices in batches:
                yield indices, self._kept[torch.from_numpy(indices)]


def _decoded(
    faces: Faces, batches: Iterable[NDArray[np.int64]], batch: int
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Decode batch by batch, so far ahead that every thread has work."""
    import torch

    threads = _threads()
    ahead = 2 + threads * _BLOCK // batch
    waiting: deque[tuple[NDArray[np.int64], Tensor, list[Future[None]]]] = deque()
    with _Decoder(faces, threads) as decoder:
        for indices in batches:
            images = torch.empty((len(indices), 3, SIZE, SIZE), dtype=torch.uint8)
            parts = range(0, len(indices), _BLOCK)
            done = [decoder.fill(indices[at : at + _BLOCK], images[at : at + _BLOCK]) for at in parts]
            waiting.append((indices, images, done))
            if len(waiting) > ahead:
                yield _complete(*waiting.popleft())
        while waiting:
            yield _complete(*waiting.popleft())


def _complete(indices: NDArray[np.int64], images: Tensor, done: list[Future[None]]) -> tuple[NDArray[np.int64], Tensor]:
    for part in done:
        part.result()
    return indices, images


def _arrived(waiting: deque[tuple[int, Future[None]]], progress: Progress, total: int) -> None:
    end, done = waiting.popleft()
    done.result()
    progress(end, total)


class _Decoder:
    """Threads that decode blocks of faces; leaving the block drops what was not begun."""

    def __init__(self, faces: Faces, threads: int) -> None:
        self.faces = faces
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def fill(self, indices: NDArray[np.int64], images: Tensor) -> Future[None]:
        """Decode the faces at `indices` into `images`."""
        return self.pool.submit(self._fill, indices, images)

    def _fill(self, indices: NDArray[np.int64], images: Tensor) -> None:
        for at, index in enumerate(indices.tolist()):
            images[at] = self.faces[index].image

    def __enter__(self) -> _Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)


def _threads() -> int:
    return os.cpu_count() or 1
