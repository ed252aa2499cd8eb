"""The judge: the attacker's recognizer, in whose eyes leakage is measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ... import FacebenchError
from ...datasets.base import Progress, silent
from ..store.store import file_digest

if TYPE_CHECKING:
    import torch

Embed: TypeAlias = "Callable[[torch.Tensor, Progress], NDArray[np.float32]]"
"""uint8 [N, 3, SIZE, SIZE] to float32 [N, D]: flip-summed, unit length; a failed face is a row of NaN."""

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 2 << 30
"""Of an ONNX file; the format holds no more."""
Preprocessing = Literal["arcface", "arcface128", "imagenet", "raw", "unit"]


class JudgeError(FacebenchError, ValueError):
    """A judge that cannot be used; the message says what, expected, got and what to do."""


class Judge(BaseModel):
    """Which recognizer the attacker uses: an ONNX file, or none, for one trained on the attacker's own people."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    embedder: Path | None = None
    """An ArcFace-style ONNX file that takes aligned faces of 112 x 112 pixels."""
    preprocessing: Preprocessing | None = None
    """What the file expects: RGB as (x - 127.5) / 127.5, / 128, ImageNet's mean and deviation, 0..255, or 0..1."""
    bgr: bool = False
    """Whether the file expects channels as blue, green, red."""
    flip: bool = True
    """Whether to add the mirror image's embedding, as InsightFace does; without, a face costs half the time."""
    output: str | None = Field(default=None, exclude_if=lambda output: output is None)
    """Which output of the file is the embedding, where it has several; younger than keys of kept stages, so no part of
    one where it is not given."""

    def spelled(self, entry: str = "attack") -> dict[str, Any]:
        """The judge's own part of a key: the file's content and how images are handed to it.

        Args:
            entry: of the plan, which errors name.

        Raises:
            JudgeError: the file is missing or no file, or its preprocessing was not declared.
        """
        if self.embedder is None:
            return {"embedder": "in-house", "flip": self.flip}
        try:
            content = file_digest(self.embedder, most=MAX_BYTES)
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or error
            raise JudgeError(f"{entry}.embedder: {self.embedder} cannot be read ({why}); name an ONNX file") from error
        if self.preprocessing is None:
            raise JudgeError(
                f"{entry}.preprocessing: {self.embedder.name} needs its preprocessing declared, since a wrong one "
                "makes leakage look low without any error; expected arcface, arcface128, imagenet, raw or unit, got "
                f"nothing; look it up where the file comes from and {_declared(entry)} (InsightFace's own: arcface)"
            )
        how = {"embedder": content, "preprocessing": self.preprocessing, "bgr": self.bgr, "flip": self.flip}
        return {**how, **self._named_output()}

    def _named_output(self) -> dict[str, str]:
        return {} if self.output is None else {"output": self.output}

    def described(self, spelled: dict[str, Any]) -> dict[str, Any]:
        """The judge as a record names it."""
        if self.embedder is None:
            return {"kind": "in-house: trained by the run on the originals of role A", "flip": self.flip}
        return {
            "kind": "onnx",
            "file": self.embedder.name,
            "sha256": spelled["embedder"],
            "preprocessing": spelled["preprocessing"],
            "bgr": self.bgr,
            "flip": self.flip,
            **self._named_output(),
        }

    def open(self, trained: Path | None, *, device: torch.device) -> Embed:
        """Make the judge live.

        Args:
            trained: weights of the in-house recognizer, where there is no file.
            device: where to compute.
        """
        if self.embedder is None:
            assert trained is not None  # noqa: S101 - run.py trains one exactly then
            return network_embed(trained, device=device, flip=self.flip)
        from ...facemae.onnx.embedder import OnnxEmbedder

        assert self.preprocessing is not None  # noqa: S101 - `spelled` refused it
        model = OnnxEmbedder(self.embedder, self.preprocessing, bgr=self.bgr, output=self.output)
        return _onnx_embed(model, flip=self.flip)


def _declared(entry: str) -> str:
    if entry == "attack":
        return "add --set attack.preprocessing=NAME"
    return "add it there: --set 'judges=[{embedder: FILE, preprocessing: NAME}]'"


def network_embed(weights: Path, *, device: torch.device, flip: bool = True) -> Embed:
    """A recognizer of ours, as a function on images."""
    from ...facemae.recognition import embedder

    network = embedder.load(weights, device=device)

    def embed(images: torch.Tensor, progress: Progress = silent) -> NDArray[np.float32]:
        return embedder.embed(network, images, device=device, flip=flip, progress=progress)

    return embed


def _onnx_embed(model: Any, *, flip: bool) -> Embed:
    def embed(images: torch.Tensor, progress: Progress = silent) -> NDArray[np.float32]:
        return np.asarray(model.embed(images, flip=flip, progress=progress), dtype=np.float32)

    return embed
