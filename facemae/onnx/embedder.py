"""Face embedders from other houses: ArcFace-style ONNX files, read as the untrusted files they are."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..recognition.embedder import SIZE, unit
from ..runtime.checkpoint import WeightsError
from . import first_use, scaling, trial
from .file import line, look
from .scaling import Preset
from .session import Session, available_processors
from .trial import TooSlow

_log = logging.getLogger(__name__)


class OnnxEmbedder:
    """A recognizer in an ONNX file: faces to unit vectors.

    It is run by insightface's `ArcFaceONNX` (insightface/model_zoo/arcface_onnx.py), whose guess of the
    preprocessing from node names is replaced by the declared one; where that class refuses the file,
    onnxruntime runs it alone.
    """

    def __init__(
        self,
        path: Path,
        preprocessing: Preset,
        *,
        bgr: bool = False,
        threads: int | None = None,
        output: str | None = None,
        limit: float = trial.LIMIT,
    ) -> None:
        """Load the model, and on the first use in this process try it: apart from it, then with a few images.

        Args:
            path: an ONNX file with one input [N, 3, 112, 112] or [N, 112, 112, 3] and one output [N, D], behind which
                there may be axes of one; N may be fixed. The input is float32, or float16, float64 or uint8.
            preprocessing: what the model expects. Only where its first nodes normalise pixels themselves is a wrong one
                told from the file.
            bgr: whether it expects blue first.
            threads: how many; all available processors unless told.
            output: the name of the embedding, where there are several outputs.
            limit: seconds that the trial may take. Later each batch may take as long, or a hundred times as long as
                the trial took by the face.

        Raises:
            WeightsError: the file is missing, too large, no ONNX file, keeps weights elsewhere, needs operators that
                are not there, has other inputs or outputs, normalises pixels itself as fits another preprocessing,
                asks for too much time or memory, or gives no embedding that depends on its face and on nothing else.

        """
        if preprocessing not in scaling.SCALES:
            raise WeightsError(
                f"judge {path}: preprocessing: expected one of {', '.join(scaling.SCALES)}, got {preprocessing!r}; "
                "look it up where the file comes from"
            )
        self.path = path
        looked = look(path)
        self._hint = scaling.compared(path, preprocessing, looked.inside)
        threads = threads or available_processors()
        state = path.stat()
        use = (path.absolute(), state.st_size, state.st_mtime_ns, state.st_ino, preprocessing, bgr, output, threads)
        if use not in _TRIED:
            trial.try_apart(path, threads=threads, limit=limit, channels_last=looked.channels_last)
        self._session = Session(path, threads=threads, output=output, limit=limit, channels_last=looked.channels_last)
        if self._session.bytes and preprocessing != "raw":
            raise scaling.other(path, preprocessing, ["raw"], "its input is bytes (uint8)")
        self._fixed = self._session.batch
        self._wide: int | None = None
        self._forward = _forward(path, self._session, *scaling.SCALES[preprocessing], bgr=bgr)
        if use not in _TRIED:
            _TRIED[use] = self._try_out()
            if self._hint:
                _log.warning("judge %s: declared %s%s", path, preprocessing, self._hint)
        self._fixed, self.dim, seconds = _TRIED[use]
        self._wide = self.dim
        self._session.limit = max(limit, 100 * seconds)

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
        except TooSlow:
            raise
        except Exception as error:  # onnxruntime's exceptions share no class
            if self._session.leave_gpu(error):
                return self._run(images)
            raise WeightsError(
                f"judge {self.path}: failed on {len(full)} faces ({line(error)}); use another file"
            ) from error
        flat = _flat(got)
        wide = self._wide or (flat.shape[1] if flat is not None else 0)
        if flat is None or flat.shape != (len(full), wide) or not wide:
            raise WeightsError(
                f"judge {self.path}: output: expected [{len(full)}, {self._wide or 'D'}] for {len(full)} faces, "
                f"got {list(np.shape(got))}; export the model with one embedding a face"
            )
        self._wide = wide
        return flat[: len(images)].astype(np.float32)

    def _try_out(self) -> tuple[int | None, int, float]:
        """The batch that the model really wants, since exporters bake in a batch of 1; D; seconds for some faces."""
        if self._fixed is None:
            try:
                self._run(first_use.probes())
            except TooSlow:
                raise
            except WeightsError:
                self._fixed = 1
        started = time.monotonic()
        dim = first_use.ask(self.path, self._some, hint=self._hint)
        return self._fixed, dim, (time.monotonic() - started) * 64 / 6

    def _some(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        step = self._fixed or len(images)
        return np.concatenate([self._run(images[start : start + step]) for start in range(0, len(images), step)])


_TRIED: dict[tuple[Any, ...], tuple[int | None, int, float]] = {}
"""What was found out of files on their first use in this process."""


def _flat(got: Any) -> NDArray[Any] | None:
    """[N, D] of [N, D] and of what has axes of one beside it, such as [N, D, 1, 1]; None of all else."""
    if not isinstance(got, np.ndarray) or got.ndim < 2 or got.dtype.kind != "f":
        return None
    wide = [size for size in got.shape[1:] if size != 1]
    return got.reshape(len(got), *(wide or [1])) if len(wide) <= 1 else None


def _forward(path: Path, session: Any, mean: Any, deviation: Any, *, bgr: bool) -> Callable[[Any], Any]:
    """RGB float32 0..255 to embeddings, by insightface's class where it takes the file."""
    order = slice(None, None, -1 if bgr else 1)
    mean, deviation = (np.float32(number).reshape(1, -1, 1, 1)[:, order] for number in (mean, deviation))
    try:
        from insightface.model_zoo.arcface_onnx import ArcFaceONNX

        model = ArcFaceONNX(str(path), session=session)
    except Exception as error:  # it asserts and indexes its way through the file
        _log.info("judge %s: insightface refuses it (%s), onnxruntime runs it alone", path, line(error))
        name = session.get_inputs()[0].name
        return lambda faces: session.run(None, {name: (faces[:, order] - mean) / deviation})[0]
    model.input_mean, model.input_std = mean, deviation  # in place of its guess
    return lambda faces: model.forward(faces[:, order])
