"""How busy the machine is during a run, by MLflow's own system monitors, kept in a file for the mirror to send.

The monitors write to a file and not to a server: the run has no place there before its record is written, and a
server that is down costs nothing.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .client import quietly
from .uri import TrackingError

_EVERY = "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"
EVERY = 10.0
"""Seconds between two looks, where MLflow's own variable says nothing else."""


def check() -> None:
    """Refuse before a run what could not work.

    Raises:
        TrackingError: psutil is missing, or the interval is no number.
    """
    if find_spec("psutil") is None:
        raise TrackingError(
            "--system-metrics: MLflow's system monitors need psutil, and it is not installed; `pip install psutil`, "
            "or leave --system-metrics out"
        )
    _interval()


@contextmanager
def sampling(path: Path) -> Iterator[None]:
    """Write the load of the machine to `path` while the block runs: JSON lines with `step`, `time`, and numbers.

    The first look is at once and the last one at the end, so that a short run has two.
    """
    monitors = _monitors()
    over = threading.Event()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        writer = threading.Thread(target=_watch, args=(monitors, file, over), name="system metrics", daemon=True)
        writer.start()
        try:
            yield
        finally:
            over.set()
            writer.join()


def _watch(monitors: list[Any], file: Any, over: threading.Event) -> None:
    step, last = 0, False
    while True:
        line: dict[str, float] = {"step": step, "time": round(1000 * time.time())}
        for monitor in monitors:
            monitor.collect_metrics()
            line |= monitor.aggregate_metrics()
            monitor.clear_metrics()
        file.write(json.dumps(line) + "\n")
        file.flush()
        if last:
            return
        step, last = step + 1, over.wait(_interval())


def _monitors() -> list[Any]:
    with quietly():
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
        from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
        from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

        found: list[Any] = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
        with suppress(Exception):  # no GPU, no driver, or no nvidia-ml-py: MLflow goes without, too
            found.append(GPUMonitor())
    return found


def _interval() -> float:
    text = os.environ.get(_EVERY, "")
    try:
        seconds = float(text) if text else EVERY
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise TrackingError(f"${_EVERY}: expected seconds above 0, got {text!r:.40}")
    return seconds
