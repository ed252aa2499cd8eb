"""A trained masked autoencoder as one safetensors file that carries its architecture; read as untrusted."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from .checkpoint import WeightsError, check_size, fill
from .model import Architecture, MaskedAutoencoder

_KEY = "masked_autoencoder"
"""The one entry of the file's metadata; of several, safetensors would write the order at random."""


def save(model: MaskedAutoencoder, path: Path) -> None:
    """Write weights and architecture, whole or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    tensors = {name: weight.detach().cpu().contiguous() for name, weight in model.state_dict().items()}
    partial = path.with_suffix(".part")
    try:
        partial.write_bytes(to_bytes(tensors, metadata={_KEY: _describe(model.architecture)}))
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
        with safe_open(path, framework="pt", device="cpu") as file:
            found, wanted = (file.metadata() or {}).get(_KEY, "nothing"), _describe(architecture)
            if found != wanted:
                raise WeightsError(
                    f"weights {path}: expected a masked autoencoder with {wanted}, got {found[:300]!r}; "
                    "name size and patch as they were when it was trained, or train again"
                )
            fill(model, {name: file.get_tensor(name) for name in file.keys()}, path)  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        raise WeightsError(
            f"weights {path}: expected a safetensors file, got one that cannot be read ({str(error)[:100]}); "
            "train again, or get the file again from where it was made"
        ) from error
    return model.to(device).eval().requires_grad_(False)


def _describe(architecture: Architecture) -> str:
    return json.dumps(asdict(architecture))
