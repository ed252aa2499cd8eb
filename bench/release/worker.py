"""What one worker process does: it is told a task and then shards, one at a time, and tells how far it is.

Everything goes through a pipe of its own. The parent keeps no copy of the worker's end, so a write to a worker that
died fails at once, however much was to be written; a queue or a lock that several share could be left locked by it.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import FacebenchError
from ..store import plugin_errors

if TYPE_CHECKING:
    from .shards import Task

READY, COUNT, DONE, FAILED = "ready", "count", "done", "failed"
"""The first word of a message to the parent."""
HOME = str(Path(__file__).resolve().parents[2])
"""The folder of the package, by which two checkouts are told apart."""
_OFTEN = 64
"""Faces between two words of how far it is."""


def serve(line: Connection) -> None:
    """Make the shards whose numbers come in, until None does.

    Messages to the parent: (READY, the checkout it is of) once it listens, (COUNT, faces done since the last one),
    (DONE, shard), (FAILED, the error).

    Args:
        line: gives the task first, then numbers of shards.
    """
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        line.send((READY, HOME))
        _work(line, line.recv())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone, or waits for nothing more
    except Exception as error:
        line.send((FAILED, _portable(error)))


def _work(line: Connection, task: Task) -> None:
    import torch

    torch.set_num_threads(1)
    private = None
    while (number := line.recv()) is not None:
        counter = _Counter(line)
        if private is None:
            private = task.open()
        task.make(private, number, counter)
        counter.tell()
        line.send((DONE, number))


class _Counter:
    """Tells of faces done, some at a time."""

    def __init__(self, line: Connection) -> None:
        self._line, self._kept = line, 0

    def __call__(self, more: int) -> None:
        self._kept += more
        if self._kept >= _OFTEN:
            self.tell()

    def tell(self) -> None:
        self._line.send((COUNT, self._kept))
        self._kept = 0


def _portable(error: Exception) -> Any:
    """The error, or what it says where it does not survive the way to the parent."""
    if not isinstance(error, FacebenchError) and (theirs := plugin_errors.told(error)):
        return plugin_errors.PluginFailed(theirs)  # its traceback, which says whose it is, goes no further than this
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own, just pickled
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _leave_with_parent() -> None:
    """End when the process that waits for us does: killed, it tells nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
