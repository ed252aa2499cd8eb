"""A limit for a whole exchange with a server: one that sends a byte now and then ends no waiting by itself."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from .uri import TrackingError

VARIABLE = "FACEBENCH_MIRROR_TIMEOUT"
LIMIT = 120.0
"""Seconds that one request may take as a whole, unless a variable says otherwise."""
FIRST = 20.0
"""Seconds for the first one: a server that is up answers, and a run waits for it at its end."""
CEILING = 15
"""Times the limit that all requests of an exchange may take together."""
SLOWEST = 100_000
"""Bytes a second of a file that is sent, for which time is given on top."""
_OWN = "MLFLOW_HTTP_REQUEST_TIMEOUT"
T = TypeVar("T")


class TooSlowError(TrackingError):
    """A server took longer than it may."""


def limit() -> float:
    """Seconds that one request may take.

    Raises:
        TrackingError: the variable is no number of seconds.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        seconds = float(text or LIMIT)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < 1e6:
        raise TrackingError(f"${VARIABLE}: expected seconds above 0, got {text!r:.40}")
    return seconds if text else max(seconds, 2 * _own())


class Watch:
    """Counts what requests take. Only they count: a network that is traced in between may take its time."""

    def __init__(self) -> None:
        self.limit = limit()
        self.first = self.limit if os.environ.get(VARIABLE) or _own() else min(FIRST, self.limit)
        self._spent = 0.0
        self._allowed = CEILING * self.limit
        self._until: float | None = None
        self._given_up = False
        self._done = 0

    @contextmanager
    def request(self, size: int = 0) -> Iterator[None]:
        """While the block runs, a server is asked, and `size` bytes are sent to it.

        Raises:
            TooSlowError: nobody waits for the answer any more.
        """
        if self._given_up:
            raise TooSlowError("given up")
        extra, started = size / SLOWEST, time.monotonic()
        self._allowed += extra
        left = min(self.limit if self._done else self.first, self._allowed - extra - self._spent) + extra
        self._until = started + left
        try:
            yield
        finally:
            self._until = None
            self._done += 1
            self._spent += time.monotonic() - started

    def of(self, client: Any) -> Any:
        """The client, with every call of it watched as one request."""
        return _Watched(client, self)

    def run(self, work: Callable[[], T]) -> T:
        """Do the work in a thread of its own, and wait for it as long as its requests may take.

        A thread that waits for a server cannot be stopped. It is left behind, asks nothing more, and ends with the
        process.

        Raises:
            TooSlowError: a request, or all together, took too long.
            Whatever the work raises.
        """
        result: list[T] = []
        raised: list[BaseException] = []
        done = threading.Event()

        def body() -> None:
            try:
                result.append(work())
            except BaseException as error:
                raised.append(error)
            finally:
                done.set()

        threading.Thread(target=body, name="mirror", daemon=True).start()
        while not done.wait(min(0.5, self.limit / 4)):
            until = self._until
            if until is not None and time.monotonic() > until:
                self._given_up = True
                raise TooSlowError(
                    f"the server took too long: more than {self.limit:g} s for one answer, or {CEILING * self.limit:g} "
                    f"s for all, without an end; ${VARIABLE} is the first in seconds"
                    if self._done
                    else f"the server took too long: no whole answer within {self.first:g} s; ${VARIABLE} gives it more"
                )
        if raised:
            raise raised[0]
        return result[0]


class _Watched:
    def __init__(self, client: Any, watch: Watch) -> None:
        self._client, self._watch = client, watch

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if not callable(call):
            return call

        def watched(*args: Any, **more: Any) -> Any:
            with self._watch.request(_bytes(args) if "artifact" in name else 0):
                return call(*args, **more)

        return watched


def _bytes(args: tuple[Any, ...]) -> int:
    """The size of a file that a call sends."""
    return sum(Path(each).stat().st_size for each in args[1:2] if isinstance(each, str) and Path(each).is_file())


def _own() -> float:
    """MLflow's own limit, where the user set one."""
    try:
        return float(os.environ.get(_OWN, "") or 0)
    except ValueError:
        return 0.0
