"""How a record came about: the plan without paths, the stages with their keys, the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...reports.result import record as results
from ...reports.result.harmless import storable
from ...reports.result.record import StageTrace
from ..plan.plan import Plan
from ..store import memory
from ..store.store import Artifact

_PACKAGES = ("facebench", "torch", "timm", "numpy", "faiss-gpu", "faiss-cpu", "onnxruntime", "insightface")


def trace(stage: Artifact) -> StageTrace:
    """A finished stage as a record shows it."""
    peak = None if stage.peak_mib is None else round(stage.peak_mib, 1)
    seconds = round(stage.seconds, 3)
    return StageTrace(
        name=stage.name, key=stage.key, seconds=seconds, cached=stage.cached, peak_mib=peak, precision=stage.precision
    )


def without_paths(plan: Plan) -> dict[str, Any]:
    """The plan as a record shows it: names of files, not where they are."""

    def shorten(value: Any) -> Any:
        if isinstance(value, Path) or (isinstance(value, str) and os.sep in value):
            return storable(Path(value).name)
        if isinstance(value, Mapping):
            return {key: shorten(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [shorten(inner) for inner in value]
        return value

    shown: dict[str, Any] = shorten(plan.model_dump())
    if isinstance(plan.dataset, str):
        shown["dataset"] = storable(Path(plan.dataset).name)
    for told_elsewhere in ("methods", "groups"):  # what of them was used: in method_spec, in groups with its digest
        del shown[told_elsewhere]
    plain: dict[str, Any] = results.plain(shown)
    return plain


def machine() -> dict[str, Any]:
    """The system, the packages that numbers depend on, and the highest memory of this process, in MB."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    peak = memory.highest()
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": versions,
        "peak_memory_mb": None if peak is None else round(peak),
    }
