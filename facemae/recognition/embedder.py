"""The face embedder: the network a recognizer trains, and the space in which faces are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..runtime.checkpoint import WeightsError, fill, read_any, write
from ..runtime.pixels import to_float
from ..runtime.precision import layout
from ..runtime.wrapped import states, without_heads
from .iresnet import DEPTHS, IResNet
from .mobilefacenet import MobileFaceNet
from .small import SmallNet

__all__ = ["ARCHITECTURES", "SIZE", "WeightsError", "build", "embed", "load", "save", "unit"]

ARCHITECTURES = ("small", "mobilefacenet", *DEPTHS)
"""From the smallest to the largest."""

SIZE = 112
"""Height and width in pixels of the faces that embedders take."""

MAX_DIM = 4096


def build(architecture: str, *, dim: int) -> nn.Module:
    """Make an untrained embedder: float [B, 3, 112, 112] in [-1, 1] to [B, dim], not normalised.

    Initial weights come from torch's global generator: seed it, or fork it, before.

    Raises:
        ValueError: there is no such architecture, or `dim` is not within 1..4096.
    """
    if not 1 <= dim <= MAX_DIM:
        raise ValueError(f"embedder: dim: expected 1..{MAX_DIM}, got {dim}")
    if architecture == "small":
        return SmallNet(dim=dim)
    if architecture == "mobilefacenet":
        return MobileFaceNet(dim=dim)
    if architecture in DEPTHS:
        return IResNet(DEPTHS[architecture], dim=dim)
    raise ValueError(f"embedder: architecture: expected one of {', '.join(ARCHITECTURES)}, got {architecture!r}")


def save(network: nn.Module, path: Path, *, architecture: str, dim: int) -> None:
    """Write an embedder so that `load` reads it.

    Raises:
        WeightsError: the file cannot be written.
    """
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    write({"architecture": architecture, "dim": dim, "state": state}, path)


def load(path: Path, *, device: torch.device) -> nn.Module:
    """Read an embedder, ready for use: in evaluation mode, frozen.

    Args:
        path: what `save` wrote, or a state dict of one of the architectures, told by its names: bare, or as training
            programs wrap it (`runtime.wrapped`), in `torch.save`'s format or as safetensors.
        device: where it shall compute.

    Raises:
        WeightsError: the file is missing, too large, damaged, of no known architecture, or not finite.
    """
    content = read_any(path)
    if isinstance(content, dict) and content.keys() == {"architecture", "dim", "state"}:
        architecture, dim, state = content["architecture"], content["dim"], content["state"]
        if architecture not in ARCHITECTURES or type(dim) is not int or not 1 <= dim <= MAX_DIM:
            raise WeightsError(
                f"weights {path}: expected architecture one of {', '.join(ARCHITECTURES)} and dim within "
                f"1..{MAX_DIM}, got others; write the file with `save`"
            )
    else:
        architecture, dim, state = _recognise(content, path)
    network = build(architecture, dim=dim)
    if isinstance(state, dict):
        state = without_heads(state, network.state_dict().keys())
    fill(network, state, path)
    return layout(network, device).eval().requires_grad_(False)


def _recognise(content: Any, path: Path) -> tuple[str, int, Any]:
    """Architecture and dim of a state dict, told by its names, and what of it is the network's."""
    for inside, _ in states(content):
        if told := _told(inside):
            return *told, inside
    raise WeightsError(
        f"weights {path}: expected a state dict of {', '.join(ARCHITECTURES)}, got names of none of them; "
        "use weights of one of these architectures, or an ONNX file where one is taken"
    )


def _told(state: Mapping[str, Any]) -> tuple[str, int] | None:
    depths = tuple(len({k.split(".")[1] for k in state if k.startswith(f"layer{i}.")}) for i in range(1, 5))
    marks = {"small": "pool.0.weight" in state, "mobilefacenet": "GDC_dw.weight" in state}
    marks |= {name: depths == wanted for name, wanted in DEPTHS.items()}
    for architecture in (name for name, there in marks.items() if there):
        scale = state.get("last_bn.weight" if architecture == "mobilefacenet" else "features.weight")
        if isinstance(scale, Tensor) and 1 <= scale.numel() <= MAX_DIM:
            return architecture, scale.numel()
    return None


def _silent(done: int, total: int) -> None:
    """Show no progress."""


@torch.inference_mode()
def embed(
    network: nn.Module,
    images: Tensor,
    *,
    device: torch.device,
    batch: int = 256,
    flip: bool = True,
    progress: Callable[[int, int], None] = _silent,
) -> NDArray[np.float32]:
    """Embed faces as insightface's verification does: image plus mirror image, then unit length.

    Computed in float32 on every processor, so that numbers of two machines can be compared.
    Source: insightface, `arcface_torch/eval/verification.py`, `test`.

    Args:
        network: float [B, 3, 112, 112] in [-1, 1] to [B, D]; used in evaluation mode.
        images: uint8 [N, 3, 112, 112], RGB.
        device: where the network is.
        batch: faces a step; it changes nothing but speed and memory.
        flip: whether to add the mirror image's embedding.
        progress: called with (done, total).

    Returns:
        [N, D], unit length; NaN where the network gave a value that is not finite, or only zeros.
    """
    training = network.training
    network.eval()
    rows: list[Tensor] = []
    try:
        for start in range(0, max(len(images), 1), batch):
            part = to_float(images[start : start + batch].to(device))
            part = part.contiguous(memory_format=torch.channels_last)
            vectors = network(part)
            rows.append(vectors + network(part.flip(3)) if flip else vectors)
            progress(min(start + batch, len(images)), len(images))
    finally:
        network.train(training)
    return unit(torch.cat(rows).float().cpu().numpy())


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale the rows of [N, D] to unit length; a row that is not finite, or zero, becomes NaN."""
    length = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = vectors / length
    scaled[~(np.isfinite(length[:, 0]) & (length[:, 0] > 0))] = np.nan
    result: NDArray[np.float32] = scaled.astype(np.float32)
    return result
