"""Batches: every face once an epoch, orders that follow the seed, errors and interruptions that end it all."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facebench.datasets.base import DataError, Face, Progress
from facebench.datasets.synthetic import Synthetic
from facebench.datasets.views.loader import Batches, in_order, read
from facebench.datasets.views.subset import Subset


class Marked:
    """Faces whose pixels tell which one they are."""

    identities = 7

    def __init__(self, count: int, *, bad: int | None = None) -> None:
        self.labels = np.arange(count, dtype=np.int64) % 7
        self.names: Sequence[str] = list("abcdefg")
        self.bad = bad
        self.decoded = 0
        self.lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Face:
        with self.lock:
            self.decoded += 1
        if index == self.bad:
            raise DataError(f"face {index}: damaged")
        image = torch.full((3, 112, 112), index % 251, dtype=torch.uint8)
        image[1] = index // 251
        return Face(image, int(self.labels[index]))

    def encoded(self, index: int) -> bytes:
        return bytes([index % 251, index // 251])


def numbers(images: torch.Tensor) -> list[int]:
    """Which faces these are."""
    assert images.dtype == torch.uint8 and images.shape[1:] == (3, 112, 112)
    return (images[:, 0, 5, 5].int() + 251 * images[:, 1, 5, 5].int()).tolist()


def test_read_gives_all_faces_in_order_with_progress() -> None:
    seen: list[tuple[int, int]] = []
    images, labels = read(Marked(700), progress=lambda done, total: seen.append((done, total)))
    assert numbers(images) == list(range(700)) and labels.tolist() == [n % 7 for n in range(700)]
    assert seen == sorted(seen) and seen[-1] == (700, 700) and len(seen) > 3


def test_in_order_gives_every_face_once_and_a_small_rest() -> None:
    got = list(in_order(Marked(333), 100))
    assert [len(indices) for indices, _, _ in got] == [100, 100, 100, 33]
    for indices, images, labels in got:
        assert numbers(images) == indices.tolist() and labels.tolist() == [n % 7 for n in indices]
    assert labels.dtype == torch.int64


@pytest.mark.parametrize("memory", [0, 2**30])
def test_an_epoch_takes_every_face_once_and_the_next_in_another_order(memory: int) -> None:
    batches = Batches(Marked(330), 100, seed=5, drop_last=False, memory=memory)
    epochs = []
    for _ in range(3):
        order: list[int] = []
        for images, labels in batches:
            order += numbers(images)
            assert labels.tolist() == [n % 7 for n in numbers(images)]
        assert sorted(order) == list(range(330))
        epochs.append(order)
    assert len(batches) == 4 and len({tuple(order) for order in epochs}) == 3
    again = Batches(Marked(330), 100, seed=5, drop_last=False, memory=2**30 - memory)
    assert [numbers(images) for images, _ in again] == [epochs[0][at : at + 100] for at in range(0, 330, 100)]
    again.epoch = 2
    assert [n for images, _ in again for n in numbers(images)] == epochs[2]
    other = Batches(Marked(330), 100, seed=6, drop_last=False, memory=memory)
    assert [n for images, _ in other for n in numbers(images)] != epochs[0]


def test_without_shuffling_the_order_stays_and_the_rest_is_dropped() -> None:
    batches = Batches(Marked(330), 100, seed=0, shuffle=False)
    assert [numbers(images) for images, _ in batches] == [list(range(at, at + 100)) for at in (0, 100, 200)]
    assert len(batches) == 3


def test_what_fits_the_memory_is_decoded_once_and_what_does_not_every_epoch() -> None:
    for memory, times in ((100 * 37_632, 1), (100 * 37_632 - 1, 3)):
        faces = Marked(100)
        seen: list[tuple[int, int]] = []
        batches = Batches(faces, 10, seed=0, memory=memory, progress=_noting(seen))
        assert faces.decoded == 0, "nothing is decoded before it is needed"
        for _ in range(3):
            for _images, _labels in batches:
                pass
        assert faces.decoded == 100 * times and bool(seen) == (times == 1)


def test_a_batch_may_be_changed_without_harm_to_the_next_epoch() -> None:
    batches = Batches(Marked(20), 20, seed=0, shuffle=False)
    for images, _ in batches:
        images.zero_()
    assert [numbers(images) for images, _ in batches] == [list(range(20))]


@pytest.mark.parametrize(("count", "batch", "drop"), [(9, 10, True), (0, 1, False), (5, 0, True)])
def test_epochs_without_a_batch_are_refused(count: int, batch: int, drop: bool) -> None:
    with pytest.raises(DataError, match=f"at least one batch of {batch} faces, got {count} faces; choose"):
        Batches(Marked(count), batch, seed=0, drop_last=drop)


def test_one_face_of_one_person_is_a_batch() -> None:
    faces = Marked(1)
    assert [labels.tolist() for _, labels in Batches(faces, 1, seed=0)] == [[0]]
    assert numbers(read(faces)[0]) == [0]


def test_an_undecodable_face_ends_it_with_its_own_error() -> None:
    faces = Marked(500, bad=321)
    for use in (
        lambda: read(faces),
        lambda: list(in_order(faces, 50)),
        lambda: list(Batches(faces, 50, seed=0)),
        lambda: list(Batches(faces, 50, seed=0, memory=0)),
    ):
        with pytest.raises(DataError, match="face 321: damaged"):
            use()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_leaving_early_stops_the_threads_without_decoding_the_rest() -> None:
    faces = Marked(200_000)
    for stop in (KeyboardInterrupt, GeneratorExit):
        before = faces.decoded
        stream: Any = in_order(faces, 64)
        next(stream)
        with pytest.raises(stop):
            stream.throw(stop)
        assert faces.decoded - before < 10_000
    with pytest.raises(KeyboardInterrupt):
        read(faces, progress=_interrupt)
    assert faces.decoded < 30_000
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def _noting(seen: list[tuple[int, int]]) -> Progress:
    return lambda done, total: seen.append((done, total))


def _interrupt(done: int, total: int) -> None:
    raise KeyboardInterrupt


@pytest.mark.realdata
def test_real_faces_come_out_equal_by_every_way(data_root: Path) -> None:
    from facebench.datasets.recordio import RecordIO

    root = data_root / "faces_lfw_112x112"
    if not root.is_dir():
        pytest.skip(f"no {root}")
    faces = RecordIO(root=root, people=(0, 300)).open()
    images, _ = read(faces)
    assert torch.equal(torch.cat([part for _, part, _ in in_order(faces, 100)]), images)
    batches = Batches(faces, 32, seed=1, memory=0)
    for (part, labels), at in zip(batches, range(0, len(faces), 32), strict=False):
        order = batches.order(0)[at : at + 32]
        assert torch.equal(part, images[order]) and labels.tolist() == faces.labels[order].tolist()


def test_faces_that_can_be_taken_many_at_once_are() -> None:
    faces = Synthetic(people=3, images=3).open()
    asked: list[int] = []

    class Taken(Subset):
        def take(self, rows):
            asked.append(len(rows))
            return torch.stack([self[row].image for row in rows.tolist()])

    taken = list(in_order(Taken(faces, np.arange(9)), 4))
    assert asked == [4, 4, 1]
    for (rows, images, labels), (rows_too, same, others) in zip(taken, in_order(faces, 4), strict=True):
        assert np.array_equal(rows, rows_too)
        assert torch.equal(images, same)
        assert torch.equal(labels, others)
