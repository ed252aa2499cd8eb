"""A foreign ONNX file in onnxruntime: one input, one output, and runs that end in time."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from ..recognition.embedder import SIZE
from ..runtime.checkpoint import WeightsError
from .child import KINDS, options
from .file import line
from .trial import too_slow

_GPU, _PROCESSOR = "CUDAExecutionProvider", "CPUExecutionProvider"
_log = logging.getLogger(__name__)


class Session:
    """An onnxruntime session as insightface uses one, that is stopped where it does not end in time."""

    def __init__(
        self, path: Path, *, threads: int, output: str | None, limit: float, channels_last: bool = False
    ) -> None:
        """Open a model.

        Args:
            path: an ONNX file with one input [N, 3, 112, 112] of float32, float16, float64 or uint8.
            threads: how many it may use.
            output: which of several outputs is the embedding.
            channels_last: whether its input is [N, 112, 112, 3]; who calls hands faces over as always.
            limit: seconds that a run may take; may be changed later.

        Raises:
            WeightsError: it cannot be opened, or has other inputs or outputs.
        """
        import onnxruntime

        self.limit = limit
        self._path = path
        self._channels_last = channels_last
        gpu = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
        try:
            self._session = self._opened(threads, [_GPU, _PROCESSOR]) if gpu else self._opened(threads, [_PROCESSOR])
            self._output = self._chosen(output)
            self.batch = self._batch()
            """The batch size that the model insists on, None where it takes any."""
            self.bytes = self._session.get_inputs()[0].type == "tensor(uint8)"
            """Whether it takes pixels as bytes, 0..255."""
        except UnicodeDecodeError as error:
            raise WeightsError(f"judge {path}: expected names in UTF-8, got others ({error}); export anew") from error

    def get_inputs(self) -> list[Any]:
        """As onnxruntime's."""
        return list(self._session.get_inputs())

    def get_outputs(self) -> list[Any]:
        """As onnxruntime's, but only the one that is the embedding."""
        return [self._output]

    def run(self, names: list[str] | None, feed: dict[str, Any]) -> list[Any]:
        """As onnxruntime's, of faces float32 [N, 3, 112, 112] in whatever layout and type the model takes.

        Raises:
            TooSlow: it did not end in time.
            Exception: whatever onnxruntime raises.
        """
        import onnxruntime

        how, late = onnxruntime.RunOptions(), threading.Event()
        how.log_severity_level = 4

        def stop() -> None:
            late.set()
            how.terminate = True  # seen between two nodes, also inside loops

        timer = threading.Timer(self.limit, stop)
        timer.daemon = True
        timer.start()
        try:
            fed = {name: self._as_taken(faces) for name, faces in feed.items()}
            return list(self._session.run(names or [self._output.name], fed, how))
        except Exception as error:
            if late.is_set():
                raise too_slow(self._path, self.limit) from error
            raise
        finally:
            timer.cancel()

    def leave_gpu(self, error: Exception) -> bool:
        """Go on with the processor where the GPU failed, once; whether it did."""
        if type(error).__name__ != "EPFail" or self._session.get_providers() == [_PROCESSOR]:
            return False
        _log.warning("judge %s: the GPU failed (%s), the processor goes on", self._path, line(error))
        self._session.set_providers([_PROCESSOR])
        return True

    def _as_taken(self, faces: Any) -> Any:
        kind = KINDS[self._session.get_inputs()[0].type]
        placed = faces.transpose(0, 2, 3, 1) if self._channels_last else faces
        return np.ascontiguousarray(placed, kind)

    def _opened(self, threads: int, providers: list[str]) -> Any:
        import onnxruntime

        how = options(threads)
        try:  # its own fallback to the processor prints to standard output, where `--format json` belongs
            return onnxruntime.InferenceSession(str(self._path), how, providers=providers, enable_fallback=0)
        except Exception as error:  # onnxruntime's exceptions share no class
            if len(providers) > 1:
                _log.warning("judge %s: no GPU for it (%s), trying the processor", self._path, line(error))
                return self._opened(threads, [_PROCESSOR])
            raise WeightsError(
                f"judge {self._path}: expected a model that onnxruntime {onnxruntime.__version__} runs with its own "
                f"operators, got: {line(error)}; export it with standard operators, or get the file again"
            ) from error

    def _chosen(self, name: str | None) -> Any:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        names = ", ".join(repr(output.name[:40]) for output in outputs[:8]) or "none"
        if name is not None and len(inputs) == 1:
            for output in outputs:
                if output.name == name:
                    return output
            raise WeightsError(
                f"judge {self._path}: output: expected one of {names}, got {name[:80]!r}; name one of the file's, or "
                "take attack.output away"
            )
        if len(inputs) != 1 or len(outputs) != 1:
            raise WeightsError(
                f"judge {self._path}: expected one input (faces) and one output (embeddings), got {len(inputs)} and "
                f"{len(outputs)} ({names}); export the embedding network alone, or name its output with "
                "--set attack.output=NAME"
            )
        return outputs[0]

    def _batch(self) -> int | None:
        first = self._session.get_inputs()[0]
        kind, shape = first.type, list(first.shape or [])
        sizes = (SIZE, SIZE, 3) if self._channels_last else (3, SIZE, SIZE)
        fits = len(shape) == 4 and all(
            not isinstance(got, int) or got == want for got, want in zip(shape[1:], sizes, strict=True)
        )
        if kind not in KINDS or not fits:
            raise WeightsError(
                f"judge {self._path}: input: expected float32 [N, 3, {SIZE}, {SIZE}] or [N, {SIZE}, {SIZE}, 3] "
                f"(float16, float64 or uint8 will do), got {kind} {shape}; use a model for aligned faces of "
                f"{SIZE} x {SIZE} pixels"
            )
        return shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None


def available_processors() -> int:
    """Processors this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
