"""Several processes of one run, as `accelerate launch` or `torchrun` start them: the first leads, others help it fit.

All of a run but fitting is the leader's. The others wait for its word, which goes through a store of
`torch.distributed` on the port after the one that the launcher named, and fit with it where a method can share that.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from ...datasets.base import silent
from ...facemae.runtime import launcher
from .pipeline import Pipeline
from .stages.arithmetic import USUAL

_LONG = timedelta(days=30)
"""The leader may train a teacher first, on millions of faces."""


def launched() -> int:
    """How many processes the launcher started; 1 without one.

    Raises:
        LaunchError: its variables make no sense.
    """
    return launcher.processes()


def leads() -> bool:
    """Whether this process is the first, or the only one.

    Raises:
        LaunchError: the launcher's variables make no sense.
    """
    return launched() == 1 or launcher.rank() == 0


@contextmanager
def leading(runs: Sequence[Pipeline]) -> Iterator[Callable[[int], None]]:
    """Gives what calls the others to the fit of a run, by its number, and lets them go in the end, however it ends."""
    if launched() == 1:
        yield lambda number: None
        return
    words = _words()
    try:
        yield lambda number: words.set(str(number), "fit")
    finally:
        for number in range(len(runs)):
            if not words.check([str(number)]):
                words.set(str(number), "none")


def follow(runs: Sequence[Pipeline]) -> None:
    """Wait for the leader's word on each run, and fit with it; what is written here is thrown away."""
    words = _words()
    for number, run in enumerate(runs):
        words.wait([str(number)], _LONG)
        if words.get(str(number)) == b"fit":
            with tempfile.TemporaryDirectory() as out:
                if run.fit:
                    from ...facemae.runtime.precision import float32

                    with float32(only=run.context.precision == USUAL):
                        run.fit.make(Path(out), silent)


def _words() -> Any:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    host, port = os.environ.get("MASTER_ADDR") or "localhost", launcher.number("MASTER_PORT", 29500, least=1)
    return TCPStore(host, port + 1, is_master=leads(), wait_for_workers=False, timeout=timedelta(minutes=5))
