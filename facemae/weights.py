"""A trained masked autoencoder as one safetensors file; read as untrusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from .model import Architecture, MaskedAutoencoder
from .runtime.checkpoint import fill, read_safetensors, write_safetensors


def save(model: MaskedAutoencoder, path: Path, *, metadata: Mapping[str, str]) -> None:
    """Write weights, whole or not at all.

    Args:
        model: its positions are saved, too.
        path: of the file.
        metadata: what the file shall say of itself; one entry, since safetensors would write several in any order.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    write_safetensors(model.state_dict(), path, metadata=metadata)


def load(path: Path, architecture: Architecture, *, device: torch.device) -> MaskedAutoencoder:
    """Read what `save` wrote, in evaluation mode and frozen; the file fills a network, it never describes one.

    Raises:
        WeightsError: the file is missing, too large, damaged, of another architecture, or not finite.
    """
    tensors = read_safetensors(path)
    model = MaskedAutoencoder(architecture)
    fill(model, tensors, path)
    return model.to(device).eval().requires_grad_(False)
