"""The first use of a foreign ONNX file: in a process of its own, with a limit of time and of memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ..runtime.checkpoint import WeightsError
from . import child

LIMIT = 120.0
"""Seconds that opening a model and embedding some faces may take; those known take one or two."""
MEMORY = 8 << 30
"""Bytes it may have for that, beside four times its own size; iresnet100 takes one GiB."""


class TooSlow(WeightsError):
    """A model that does not end in time."""


def try_apart(path: Path, *, threads: int, limit: float = LIMIT, channels_last: bool = False) -> None:
    """Open a model in another process, and let it see images of noise.

    Nothing that goes wrong there in an ordinary way is told: it goes wrong here again, where it can be told well.

    Args:
        path: an ONNX file.
        threads: how many it may use.
        limit: seconds until the process is killed.
        channels_last: whether faces go in as [N, H, W, C].

    Raises:
        TooSlow: it did not end in time.
        WeightsError: it asks for too much memory, or ends the process.
    """
    if not sys.executable:  # Python inside another program: there is no process to be had
        return
    most = MEMORY + 4 * path.stat().st_size
    # -P: a file of the current folder shall not take the place of a library; by its path, since another checkout may be
    # found first by its name
    layout = child.LAST if channels_last else "NCHW"
    program = str(Path(child.__file__).resolve())
    command = [sys.executable, "-P", program, str(path.absolute()), str(threads), str(most), layout]
    quiet = subprocess.DEVNULL
    try:
        code = subprocess.run(  # noqa: S603 - our own module, and a path that is an argument of its own
            command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=limit, check=False
        ).returncode
    except subprocess.TimeoutExpired as error:
        raise too_slow(path, limit) from error
    if code == child.MEMORY:
        raise WeightsError(
            f"judge {path}: expected a model that embeds a few faces in {most >> 30} GiB, got one that asks for more "
            "memory; export it for a batch that is left open, or use another file"
        )
    if code:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise WeightsError(
            f"judge {path}: expected a model that onnxruntime runs, got one that ends the process that tries it "
            f"({how}); get the file again, or use another"
        )


def too_slow(path: Path, limit: float) -> TooSlow:
    """The error of a model that does not end in time."""
    return TooSlow(
        f"judge {path}: expected an answer within {limit:.0f} s, got none; a face recognizer has no loop that long: "
        "get the file again, or use another"
    )
