"""facebench: a privacy-utility benchmark for face datasets.

Importing any part of it switches off what the libraries below would send of their own accord; see docs/threats.md.
"""

import logging
import os
import sys

TYPE_CHECKING = False  # without `typing`, which every start would wait for; type checkers know the name
if TYPE_CHECKING:
    from .bench.api import Result, board, plane, privatize, records, run, scores

__all__ = ["FacebenchError", "Result", "board", "plane", "privatize", "records", "run", "scores"]


class FacebenchError(Exception):
    """What every error of facebench is that comes from the input or the machine, and not from a fault of its own.

    Its message says what, where, expected, got and what to do; `bench` prints it without a traceback and ends with exit
    code 2. A plug-in raises the error of the contract it fills, such as `MethodError`, which is one of these.
    """


SILENT = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime, from 1.29 on: host, process, judge; read while it is imported
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, which timm and transformers import
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "NO_ALBUMENTATIONS_UPDATE": "1",  # which insightface below 2 imports
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "true",  # what many more ask; MLflow takes no other word for yes
}
"""Set whatever the user's shell says: that nothing leaves unasked is a promise, and other programs keep their own."""

if "onnxruntime" in sys.modules and os.environ.get("ORT_DISABLE_TELEMETRY") != SILENT["ORT_DISABLE_TELEMETRY"]:
    logging.getLogger(__name__).warning(
        "onnxruntime was imported before facebench, so its telemetry may be on; import facebench first, "
        "or set ORT_DISABLE_TELEMETRY=1"
    )
os.environ.update(SILENT)


def __getattr__(name: str) -> object:
    """What programs use stands in `bench/api.py`, which is imported when it is asked for."""
    if name in __all__:
        from .bench import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Names that `dir` and completion show, whether they were used yet or not."""
    return sorted({*globals(), *__all__})
