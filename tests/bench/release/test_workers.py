"""A worker process that is killed, at whatever moment, is noticed, told and made good."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from facebench.bench.release import workers
from facebench.bench.release.worker import HOME, READY, serve
from facebench.datasets.base import DataError

SHARDS = 4


class Unpackable:
    """Runs a deed when the task arrives at a worker."""

    def __init__(self, deed: Callable[[], None]) -> None:
        self.deed = deed

    def __setstate__(self, state: dict[str, Callable[[], None]]) -> None:
        state["deed"]()


@dataclass(frozen=True)
class Deadly:
    """A task that kills its worker at one moment, so many times; otherwise it makes shards of ten faces."""

    folder: Path
    when: str = "never"
    times: int = 1
    shard: int = 1
    ballast: bytes = b""
    at_unpacking: Unpackable | None = None

    def open(self) -> None:
        self._die_at("open")

    def make(self, private: None, number: int, told: Callable[[int], None]) -> None:
        if number == self.shard:
            self._die_at("first face")
        for face in range(10):
            if number == self.shard and face == 5:
                self._die_at("middle")
            told(1)
        (self.folder / f"{number}.made").write_text("whole")
        if number == self.shard:
            self._die_at("end")
        if self.when == "error" and number == self.shard:
            raise DataError("face 7 cannot be read")
        if self.when == "disk" and number == self.shard:
            raise OSError(28, "No space left on device")

    def _die_at(self, moment: str) -> None:
        if moment == self.when:
            for trial in range(self.times):
                try:
                    (self.folder / f"died {trial}").touch(exist_ok=False)
                except FileExistsError:
                    continue
                os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Kill:
    """Kills the worker that unpacks it, once."""

    mark: Path

    def __call__(self) -> None:
        try:
            self.mark.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Outcome:
    """What came of a call."""

    error: BaseException | None
    notes: list[str]
    done: list[int]


def made(task: Deadly, *, count: int = 2, seconds: float = 120) -> Outcome:
    """Make all shards; a call that hangs fails the test instead of stopping it."""
    outcome = Outcome(None, [], [])

    def run() -> None:
        try:
            workers.make(
                task, None, range(SHARDS), workers=count, faces=10 * SHARDS,
                progress=lambda done, total: outcome.done.append(done), note=outcome.notes.append,
            )  # fmt: skip
        except BaseException as error:
            outcome.error = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    hangs = thread.is_alive()
    for child in multiprocessing.active_children():
        child.kill()
    assert not hangs, "it waits without end"
    return outcome


def whole(folder: Path) -> bool:
    return {path.name for path in folder.glob("*.made")} == {f"{number}.made" for number in range(SHARDS)}


@pytest.mark.parametrize("when", ["open", "first face", "middle", "end"])
def test_the_work_of_a_worker_that_was_killed_is_done_again(tmp_path: Path, when: str) -> None:
    outcome = made(Deadly(tmp_path, when))
    assert outcome.error is None
    assert whole(tmp_path)
    assert (tmp_path / "died 0").exists()
    assert outcome.done[-1] == 10 * SHARDS  # faces of the lost shard are not counted twice
    [note] = outcome.notes
    assert "a worker process was lost at shard" in note
    assert "(killed by signal 9); another takes its place" in note


def test_a_worker_killed_as_it_unpacks_its_task_is_replaced(tmp_path: Path) -> None:
    outcome = made(Deadly(tmp_path, at_unpacking=Unpackable(Kill(tmp_path / "died"))))
    assert outcome.error is None
    assert whole(tmp_path)
    assert len(outcome.notes) == 1


def test_workers_killed_while_they_start_are_replaced_however_large_the_task_is(tmp_path: Path) -> None:
    killed: list[int] = []
    stop = threading.Event()

    def kill() -> None:
        while not stop.is_set() and len(killed) < 2:
            for child in multiprocessing.active_children():
                if child.pid and child.pid not in killed and len(killed) < 2:
                    os.kill(child.pid, signal.SIGKILL)  # long before Python has started in it
                    killed.append(child.pid)
            time.sleep(0.001)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    outcome = made(Deadly(tmp_path, ballast=bytes(2_000_000)))
    stop.set()
    killer.join()
    assert len(killed) == 2
    assert outcome.error is None
    assert whole(tmp_path)
    assert outcome.notes == ["warning: a worker process was lost while it started (killed by signal 9); another takes "
                             "its place"] * 2  # fmt: skip


def test_a_shard_that_kills_every_worker_is_given_up_after_three(tmp_path: Path) -> None:
    outcome = made(Deadly(tmp_path, "middle", times=99))
    assert isinstance(outcome.error, workers.WorkerLost)
    assert "shard 1 lost its worker 3 times (killed by signal 9)" in str(outcome.error)
    assert "fewer --workers than 2" in str(outcome.error)
    assert len(list(tmp_path.glob("died *"))) == 3
    assert (tmp_path / "0.made").exists()  # what others finished is kept


def test_workers_that_never_come_to_work_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "serve", _die)
    outcome = made(Deadly(tmp_path))
    assert isinstance(outcome.error, workers.WorkerLost)
    assert "all 2 worker processes were lost 3 times, the last while it started" in str(outcome.error)
    assert len(outcome.notes) == 5
    assert "1 go on without it" in " ".join(outcome.notes)


def _die(line: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("when", "kind"), [("error", DataError), ("disk", OSError)])
def test_what_a_worker_meets_is_raised_as_it_is(tmp_path: Path, when: str, kind: type[Exception]) -> None:
    outcome = made(Deadly(tmp_path, when))
    assert type(outcome.error) is kind
    assert outcome.notes == []


def test_an_error_that_cannot_travel_is_told_by_its_text() -> None:
    here, there = multiprocessing.Pipe()
    worker = threading.Thread(target=serve, args=(there,))
    worker.start()
    assert here.recv() == (READY, HOME)
    with workers.one_thread():
        here.send(Foreign())
        here.send(0)
        word, error = here.recv()
        worker.join()
    assert (word, type(error), str(error)) == ("failed", RuntimeError, "Picky: two words")


class Picky(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


class Foreign:
    def open(self) -> None:
        raise Picky("two", "words")
