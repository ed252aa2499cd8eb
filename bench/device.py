"""Where to compute, from what the command line asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .config import ConfigError

if TYPE_CHECKING:
    import torch


def processor(asked: str) -> torch.device:
    """`cpu`, `cuda`, or `auto` for the latter where there is one.

    Raises:
        ConfigError: CUDA was asked for, and PyTorch cannot use it.
    """
    import torch

    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise ConfigError("--device cuda: expected a CUDA device, got none that PyTorch can use; use --device cpu")
    return torch.device("cuda" if there and asked != "cpu" else "cpu")
