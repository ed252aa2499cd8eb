"""The recognizer that guides a method, where the user gave its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...datasets.base import Faces

if TYPE_CHECKING:
    import torch
    from torch import nn

_FACES = 4


def load(path: Path, device: torch.device) -> nn.Module:
    """Read it, ready for use.

    Raises:
        WeightsError: it cannot be used; the message begins with `teacher`.
    """
    from ...facemae.recognition import embedder
    from ...facemae.runtime.checkpoint import WeightsError

    try:
        return embedder.load(path, device=device)
    except WeightsError as error:
        raise WeightsError(f"teacher: {error}") from error


def try_out(path: Path, originals: Faces, device: torch.device) -> None:
    """Read it, and show it a few faces.

    Raises:
        WeightsError: it cannot be used, or gives no finite features.
    """
    import numpy as np
    import torch

    from ...facemae.recognition import embedder
    from ...facemae.runtime.checkpoint import WeightsError

    network = load(path, device)
    if not len(originals):
        return
    rows = np.unique(np.linspace(0, len(originals) - 1, _FACES).round().astype(np.int64))
    seen = embedder.embed(network, torch.stack([originals[int(row)].image for row in rows]), device=device)
    if not np.isfinite(seen).all():
        raise WeightsError(
            f"teacher: weights {path}: expected finite features of faces, got NaN, infinity or zeros; get the file "
            "again, or use another"
        )
