"""A trained masked autoencoder as one safetensors file; read as untrusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from .checkpoint import WeightsError, check_size, fill
from .model import Architecture, MaskedAutoencoder


def save(model: MaskedAutoencoder, path: Path, *, metadata: Mapping[str, str]) -> None:
    """Write weights, whole or not at all.

    Args:
        model: its positions are saved, too.
        path: of the file.
        metadata: what the file shall say of itself; one entry, since safetensors would write several in any order.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    tensors = {name: weight.detach().cpu().contiguous() for name, weight in model.state_dict().items()}
    partial = path.with_suffix(".part")
    try:
        partial.write_bytes(to_bytes(tensors, metadata=dict(metadata)))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path, architecture: Architecture, *, device: torch.device) -> MaskedAutoencoder:
    """Read what `save` wrote, in evaluation mode and frozen; the file fills a network, it never describes one.

    Raises:
        WeightsError: the file is missing, too large, damaged, of another architecture, or not finite.
    """
    check_size(path)
    model = MaskedAutoencoder(architecture)
    try:
        fill(model, load_file(path), path)
    except SafetensorError as error:
        raise WeightsError(
            f"weights {path}: expected a safetensors file, got one that cannot be read ({str(error)[:100]}); "
            "train again, or get the file again from where it was made"
        ) from error
    return model.to(device).eval().requires_grad_(False)
