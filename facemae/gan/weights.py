"""A trained generator and its people's codes as one safetensors file; read as untrusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..recognition.embedder import MAX_DIM
from ..runtime.checkpoint import WeightsError, fill, read_safetensors, write_safetensors
from .networks import Generator, Shape

_CODES = "codes"


def save(generator: Generator, codes: Tensor, path: Path, *, metadata: Mapping[str, str]) -> None:
    """Write weights and codes, whole or not at all.

    Args:
        generator: trained.
        codes: float [P, D], unit length, of the people it was trained on; no name goes with them.
        path: the file.
        metadata: what the file shall say of itself; one entry, since safetensors would write several in any order.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    write_safetensors({**generator.state_dict(), _CODES: codes.float()}, path, metadata=metadata)


def load(path: Path, *, resolution: int, nuisance: int, width: int, device: torch.device) -> tuple[Generator, Tensor]:
    """Read what `save` wrote: the generator on `device`, in evaluation mode and frozen, and the codes on the CPU.

    The file fills a network and never describes one; only the length of a code is its own: a recognizer
    decided it.

    Raises:
        WeightsError: the file is missing, too large, damaged, of another shape, or not finite.
    """
    tensors = read_safetensors(path)
    codes = _checked(tensors.pop(_CODES, None), path)
    shape = Shape(code=codes.shape[1], resolution=resolution, nuisance=nuisance, width=width)
    generator = Generator(shape)
    fill(generator, tensors, path)
    return generator.to(device).eval().requires_grad_(False), codes


def _checked(codes: Tensor | None, path: Path) -> Tensor:
    if codes is None or codes.ndim != 2 or codes.dtype != torch.float32 or not 1 <= codes.shape[1] <= MAX_DIM:
        got = "none" if codes is None else f"{codes.dtype} {list(codes.shape)}"
        raise WeightsError(f"weights {path}: codes: expected float32 [people, 1..{MAX_DIM}], got {got}; train again")
    lengths = codes.norm(dim=1)
    if len(codes) < 2 or not bool(((lengths - 1).abs() < 1e-3).all()):
        raise WeightsError(
            f"weights {path}: codes: expected two or more of unit length, got {len(codes)}, or other lengths; "
            "train again, or get the file again"
        )
    return codes
