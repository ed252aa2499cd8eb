"""Shards made by several processes at once, which stop when they are told to and when nobody waits for them.

A worker may be killed at any moment, most likely for want of memory. Its death is noticed, told and made good: its
shard is made by others, another worker takes its place, and what keeps dying is given up after a few times.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import FacebenchError
from ...datasets.base import Progress
from .worker import COUNT, DONE, FAILED, HOME, READY, serve

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from ...methods.base import PrivateFaces
    from .shards import Task

TRIES = 3
"""So often a shard may lose its worker, and so often one place's worker may be lost without finishing a shard."""
_PATIENCE = 5.0
"""Seconds until a worker that was asked to end is killed."""


class WorkerLost(FacebenchError, RuntimeError):
    """Processes that made shards were killed again and again."""


def make(
    task: Task,
    private: PrivateFaces,
    numbers: Sequence[int],
    *,
    workers: int,
    faces: int,
    progress: Progress,
    note: Callable[[str], None] = lambda text: None,
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
        note: told of a worker that was lost, in a sentence.

    Raises:
        WorkerLost: processes were killed more often than is made good.
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
    crew = _Crew(task, numbers, workers, note)
    try:
        while crew.busy:
            crew.listen(timeout=0.5)
            progress(crew.faces, faces)
    except BaseException:
        crew.stop()
        raise
    crew.dismiss()


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


class _Worker:
    """A process, and what is known of it."""

    def __init__(self, place: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy torch's threads half, and no GPU
        self.place = place
        self.line, end = context.Pipe()
        # The arguments are small, for `start` writes them into a pipe whose other end it holds open itself: where they
        # did not fit and the process died, it would wait without end.
        self.process: SpawnProcess = context.Process(target=serve, args=(end,))
        with _alone(), _held_back(signal.SIGINT):  # the process inherits it: Ctrl-C is for this one to answer
            self.process.start()
        end.close()
        self.ready = False
        """Whether it has said that it listens."""
        self.shard: int | None = None
        """In work."""
        self.faces = 0
        """Done of that shard."""

    @property
    def handles(self) -> tuple[Connection, int]:
        """What to wait for: a word of it, and its end."""
        return self.line, self.process.sentinel

    def heard(self) -> Iterator[tuple[str, Any]]:
        """What it has said since."""
        with suppress(EOFError, OSError):  # it died, perhaps in the middle of a word
            while self.line.poll():
                yield self.line.recv()
            return
        self.process.join(_PATIENCE)

    def tell(self, what: Any) -> None:
        with suppress(OSError):  # it died, which is noticed where it is listened to
            self.line.send(what)

    def end(self) -> str:
        """Wait until it has ended, or kill it; says how it ended."""
        self.line.close()
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        code = self.process.exitcode or 0
        self.process.close()
        return f"killed by signal {-code}" if code < 0 else f"ended with code {code}"


class _Crew:
    """The workers, and the shards that nobody has begun."""

    def __init__(self, task: Task, numbers: Sequence[int], size: int, note: Callable[[str], None]) -> None:
        self._task, self._note, self._size = task, note, size
        self._waiting = deque(numbers)
        self._finished = 0
        self._lost: Counter[int] = Counter()
        """By place: workers lost since a shard was finished there."""
        self._tried: Counter[int] = Counter()
        """By shard: workers lost over it."""
        self._workers: list[_Worker] = []
        try:
            for place in range(size):
                self._workers.append(_Worker(place))
        except BaseException:
            self.stop()
            raise

    @property
    def faces(self) -> int:
        """Done so far; those of a lost shard count no more."""
        return self._finished + sum(worker.faces for worker in self._workers)

    @property
    def busy(self) -> bool:
        return bool(self._waiting) or any(worker.shard is not None for worker in self._workers)

    def listen(self, timeout: float) -> None:
        """Take in what workers say, make good for those that died, and give work to those that have none.

        Raises:
            WorkerLost: too many died.
            Exception: what a worker met.
        """
        ready = set(wait([handle for worker in self._workers for handle in worker.handles], timeout))
        for worker in [each for each in self._workers if ready.intersection(each.handles)]:
            for word, what in worker.heard():  # what it said before it died still holds
                self._take_in(worker, word, what)
            if not worker.process.is_alive():
                self._make_good(worker)
        for worker in self._workers:
            if worker.ready and worker.shard is None and self._waiting:
                worker.shard = self._waiting.popleft()
                worker.tell(worker.shard)

    def dismiss(self) -> None:
        """Let all go, since all is made."""
        for worker in self._workers:
            if worker.ready:
                worker.tell(None)
            else:
                worker.process.terminate()
        self._end()

    def stop(self) -> None:
        """End all at once."""
        for worker in self._workers:
            worker.process.terminate()
        self._end()

    def _end(self) -> None:
        while self._workers:
            self._workers.pop().end()

    def _take_in(self, worker: _Worker, word: str, what: Any) -> None:
        if word == READY:
            if what != HOME:
                raise WorkerLost(
                    f"worker processes: expected those of the package in {HOME}, got those of {str(what)[:200]}: "
                    "two are installed; start facebench from another folder, or take one of them out of $PYTHONPATH"
                )
            worker.tell(self._task)
            worker.ready = True
        elif word == COUNT:
            worker.faces += what
        elif word == DONE:
            self._finished += worker.faces
            worker.faces, worker.shard = 0, None
            self._lost[worker.place] = 0
        elif word == FAILED:
            raise what

    def _make_good(self, worker: _Worker) -> None:
        how = worker.end()
        self._workers.remove(worker)
        shard = worker.shard
        if shard is None and worker.ready and not self._waiting:
            return  # it had nothing left to do
        doing = "while it started" if shard is None else f"at shard {shard}"
        self._lost[worker.place] += 1
        if shard is not None:
            self._waiting.appendleft(shard)
            self._tried[shard] += 1
            if self._tried[shard] >= TRIES:
                raise self._too_many(f"shard {shard} lost its worker {TRIES} times ({how})")
        if self._lost[worker.place] < TRIES:
            self._note(f"warning: a worker process was lost {doing} ({how}); another takes its place")
            self._workers.append(_Worker(worker.place))
        elif self._workers:
            self._note(f"warning: a worker process was lost {doing} ({how}); {len(self._workers)} go on without it")
        else:
            raise self._too_many(f"all {self._size} worker processes were lost {TRIES} times, the last {doing} ({how})")

    def _too_many(self, what: str) -> WorkerLost:
        return WorkerLost(
            f"{what}: killed from outside, perhaps for want of memory; finished shards are kept: run the same command "
            f"again with fewer --workers than {self._size}"
        )


@contextmanager
def _alone() -> Iterator[None]:
    """Around the start of a process: it is told of no folder in which it would find another package of our name."""
    name, kept = __name__.partition(".")[0], list(sys.path)
    sys.path[:] = [place for place in kept if not _has_another(Path(place or ".") / name)]
    try:
        yield
    finally:
        sys.path[:] = kept


def _has_another(folder: Path) -> bool:
    with suppress(OSError, ValueError):
        return folder.is_dir() and str(folder.resolve()) != HOME
    return False


@contextmanager
def _held_back(number: signal.Signals) -> Iterator[None]:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
