"""Face embedders from other houses: ArcFace-style ONNX files, read as the untrusted files they are."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .checkpoint import WeightsError, check_size
from .embedder import SIZE, unit

Preset: TypeAlias = Literal["arcface", "arcface128", "imagenet", "raw", "unit"]
"""(x - 127.5) / 127.5; (x - 127.5) / 128; ImageNet's mean and deviation; 0..255; 0..1; of RGB, x in 0..255."""

_IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # mean and deviation in 0..255, as in torchvision
_SCALES: dict[str, tuple[Any, Any]] = {
    "arcface": (127.5, 127.5),
    "arcface128": (127.5, 128.0),
    "imagenet": _IMAGENET,
    "raw": (0.0, 1.0),
    "unit": (0.0, 255.0),
}

_PROCESSOR = "CPUExecutionProvider"
_log = logging.getLogger(__name__)


class OnnxEmbedder:
    """A recognizer in an ONNX file: faces to unit vectors.

    It is run by insightface's `ArcFaceONNX` (insightface/model_zoo/arcface_onnx.py), whose guess of the
    preprocessing from node names is replaced by the declared one; where that class refuses the file,
    onnxruntime runs it alone.
    """

    def __init__(self, path: Path, preprocessing: Preset, *, bgr: bool = False, threads: int | None = None) -> None:
        """Load and try the model on one grey face.

        Args:
            path: an ONNX file with one float32 input [N, 3, 112, 112] and one output [N, D]; N may be fixed.
            preprocessing: what the model expects; it cannot be told from the file, and a wrong one is no error.
            bgr: whether it expects blue first.
            threads: how many; all available processors unless told.

        Raises:
            WeightsError: the file is missing, too large, no ONNX file, keeps weights elsewhere, needs operators that
                are not there, or has other inputs or outputs.

        """
        if preprocessing not in _SCALES:
            raise WeightsError(
                f"judge {path}: preprocessing: expected one of {', '.join(_SCALES)}, got {preprocessing!r}; "
                "look it up where the file comes from"
            )
        check_size(path)
        _refuse_files_beside(path)
        self.path = path
        self._session = _session(path, threads or available_processors())
        self._fixed = _fixed_batch(self._session, path)
        self._forward = _forward(path, self._session, *_SCALES[preprocessing], bgr=bgr)
        self.dim = self._try_out()

    def embed(
        self,
        images: Tensor,
        *,
        flip: bool = True,
        batch: int = 64,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> NDArray[np.float32]:
        """Embed faces: image plus mirror image, then unit length, as `embedder.embed` does.

        Args:
            images: uint8 [N, 3, 112, 112], RGB.
            flip: whether to add the mirror image's embedding.
            batch: faces a step, where the model leaves it open.
            progress: called with (done, total).

        Returns:
            [N, D], unit length; NaN where the model gave a value that is not finite, or only zeros.

        Raises:
            WeightsError: the model fails, or gives no usable embedding for any of the faces.

        """
        if images.dtype != torch.uint8 or images.shape[1:] != (3, SIZE, SIZE):
            raise TypeError(f"expected uint8 [N, 3, {SIZE}, {SIZE}], got {images.dtype} {list(images.shape)}")
        pixels = images.cpu().numpy()
        step = self._fixed or batch
        rows = np.zeros((len(pixels), self.dim), np.float32)
        for start in range(0, len(pixels), step):
            part = pixels[start : start + step]
            vectors = self._run(part)
            rows[start : start + step] = vectors + self._run(part[..., ::-1]) if flip else vectors
            progress(min(start + step, len(pixels)), len(pixels))
        vectors = unit(rows)
        failed = int(np.isnan(vectors).any(axis=1).sum())
        if failed and failed == len(vectors):
            raise WeightsError(
                f"judge {self.path}: expected finite embeddings, got NaN, infinity or zeros for all {failed} faces; "
                "check its preprocessing, or use another file"
            )
        if failed:
            _log.warning("judge %s: no usable embedding for %d of %d faces", self.path, failed, len(vectors))
        return vectors

    def _run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed up to one batch; a fixed batch is filled up with its first image."""
        missing = (self._fixed or len(images)) - len(images)
        full = np.concatenate([images, np.repeat(images[:1], missing, axis=0)]) if missing else images
        try:
            got = self._forward(full.astype(np.float32))
        except Exception as error:  # onnxruntime's exceptions share no class
            if self._leave_gpu(error):
                return self._run(images)
            raise WeightsError(
                f"judge {self.path}: failed on {len(full)} faces ({_line(error)}); use another file"
            ) from error
        if not isinstance(got, np.ndarray) or got.ndim != 2 or len(got) != len(full) or not got.shape[1]:
            raise WeightsError(
                f"judge {self.path}: output: expected [{len(full)}, D] for {len(full)} faces, "
                f"got {list(np.shape(got))}; export the model with one embedding a face"
            )
        return got[: len(images)].astype(np.float32)

    def _leave_gpu(self, error: Exception) -> bool:
        """Go on with the processor where a GPU failed, once; whether it did."""
        if type(error).__name__ != "EPFail" or self._session.get_providers() == [_PROCESSOR]:
            return False
        _log.warning("judge %s: the GPU failed (%s), the processor goes on", self.path, _line(error))
        self._session.set_providers([_PROCESSOR])
        return True

    def _try_out(self) -> int:
        """Learn D; and find out whether an open batch is really one, since exporters bake in a batch of 1."""
        grey = np.full((2, 3, SIZE, SIZE), 127, np.uint8)
        if self._fixed is None:
            try:
                return int(self._run(grey).shape[1])
            except WeightsError:
                self._fixed = 1
        return int(self._run(grey[:1]).shape[1])


def available_processors() -> int:
    """Processors this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _refuse_files_beside(path: Path) -> None:
    """Refuse weights outside the file: a path in a foreign file may name anything, and no digest covers it."""
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:
        raise WeightsError(
            f"judge {path}: expected an ONNX file, got something else ({_line(error)}); get the file again"
        ) from error
    graphs = [model.graph, *model.functions]
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for g in graphs for tensor in _tensors(g)):
        raise WeightsError(
            f"judge {path}: expected all weights inside the file, got tensors that point to other files; "
            "save it as one file: onnx.save(onnx.load(IN), OUT)"
        )


def _tensors(graph: Any) -> Iterator[Any]:
    """All tensors of a graph or function, also those of nested graphs; protobuf bounds the nesting."""
    yield from getattr(graph, "initializer", ())
    for sparse in getattr(graph, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for nested in (attribute.g, *attribute.graphs):
                yield from _tensors(nested)


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # idle threads that spin take processors away from the rest of the run
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong is raised, and told below
    wanted = ("CUDAExecutionProvider", _PROCESSOR)
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    while True:
        try:  # its own fallback to the processor prints to standard output, where `--json` belongs
            return onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
        except Exception as error:  # onnxruntime's exceptions share no class
            if len(providers) > 1:
                _log.warning("judge %s: no GPU for it (%s), trying the processor", path, _line(error))
                providers = [_PROCESSOR]
                continue
            raise WeightsError(
                f"judge {path}: expected a model that onnxruntime {onnxruntime.__version__} runs with its own "
                f"operators, got: {_line(error)}; export it with standard operators, or get the file again"
            ) from error


def _fixed_batch(session: Any, path: Path) -> int | None:
    """The batch size that the model insists on, None where it takes any.

    Raises:
        WeightsError: inputs or outputs are not those of a face embedder.

    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise WeightsError(
            f"judge {path}: expected one input (faces) and one output (embeddings), got {len(inputs)} and "
            f"{len(outputs)}; export the embedding network alone"
        )
    try:
        kind, shape = inputs[0].type, list(inputs[0].shape or [])
    except UnicodeDecodeError as error:
        raise WeightsError(f"judge {path}: input: expected names in UTF-8 ({error}); export the model anew") from error
    fits = len(shape) == 4 and all(
        not isinstance(got, int) or got == want for got, want in zip(shape[1:], (3, SIZE, SIZE), strict=True)
    )
    if kind != "tensor(float)" or not fits:
        last = "channels last; " if shape[-1:] == [3] else ""
        raise WeightsError(
            f"judge {path}: input: expected float32 [N, 3, {SIZE}, {SIZE}], got {kind} {shape}; {last}"
            f"use a model for aligned faces of {SIZE} x {SIZE} pixels, channels first"
        )
    return shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None


def _forward(path: Path, session: Any, mean: Any, deviation: Any, *, bgr: bool) -> Callable[[Any], Any]:
    """RGB float32 0..255 to embeddings, by insightface's class where it takes the file."""
    order = slice(None, None, -1 if bgr else 1)
    mean, deviation = (np.float32(number).reshape(1, -1, 1, 1)[:, order] for number in (mean, deviation))
    try:
        from insightface.model_zoo.arcface_onnx import ArcFaceONNX

        model = ArcFaceONNX(str(path), session=session)
    except Exception as error:  # it asserts and indexes its way through the file
        _log.info("judge %s: insightface refuses it (%s), onnxruntime runs it alone", path, _line(error))
        name = session.get_inputs()[0].name
        return lambda faces: session.run(None, {name: (faces[:, order] - mean) / deviation})[0]
    model.input_mean, model.input_std = mean, deviation  # in place of its guess
    return lambda faces: model.forward(faces[:, order])


def _line(error: Exception) -> str:
    """The first line of a foreign error, short enough for a message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
