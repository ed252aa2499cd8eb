"""Shards made by several processes at once, which stop when they are told to and when nobody waits for them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..datasets.base import Progress
from .shards import Task

if TYPE_CHECKING:
    from ..methods.base import PrivateFaces


class WorkerLost(RuntimeError):
    """A process that made shards was killed."""


def make(
    task: Task, private: PrivateFaces, numbers: Sequence[int], *, workers: int, faces: int, progress: Progress
) -> None:
    """Make shards, all or until the first error; what was finished is kept.

    Every process computes with one thread: how a sum is rounded depends on their number, and a release shall not depend
    on the machine it was made on.

    Args:
        task: what to make.
        private: `task.open()`, for a single process.
        numbers: of the shards.
        workers: how many processes; 1 is this one.
        faces: how many faces these shards have.
        progress: told of faces done.

    Raises:
        WorkerLost: a process was killed.
        MethodError, DataError, OSError: as `Task.make`.
    """
    if workers == 1:
        done = 0

        def told(more: int) -> None:
            nonlocal done
            done += more
            progress(done, faces)

        for number in numbers:
            task.make(private, number, told)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads half, and no GPU
    counter = context.Value("q", 0)
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(task, counter))
    try:
        with _held_back(signal.SIGINT):  # the processes inherit it: Ctrl-C is for this one to answer
            waiting = {pool.submit(_make, number) for number in numbers}
        while waiting:
            ready, waiting = wait(waiting, timeout=0.5, return_when=FIRST_EXCEPTION)
            for each in ready:
                each.result()
            progress(counter.value, faces)
    except BaseException as error:
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        if isinstance(error, BrokenProcessPool):
            raise WorkerLost(
                "a worker process was killed, perhaps for want of memory; finished shards are kept: run the same "
                f"command again with fewer --workers than {workers}"
            ) from error
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def usable(device: str) -> int:
    """How many processes to use where nobody said: one a core, and one a GPU, which all would share."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 1 if device == "cuda" else cores or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, and with as many as before afterwards."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _held_back(number: signal.Signals) -> Iterator[None]:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class _Here:
    """What this worker process works on."""

    task: Task
    counter: Any
    private: PrivateFaces | None = None


def _start(task: Task, counter: Any) -> None:
    import torch

    torch.set_num_threads(1)
    _Here.task, _Here.counter = task, counter
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End when the process that waits for us does: killed, it tells nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make(number: int) -> None:
    if _Here.private is None:  # not in `_start`, whose errors reach nobody
        _Here.private = _Here.task.open()
    _Here.task.make(_Here.private, number, _count)


def _count(more: int) -> None:
    with _Here.counter.get_lock():
        _Here.counter.value += more
