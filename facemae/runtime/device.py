"""Where to compute, from what the command line asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ... import FacebenchError

if TYPE_CHECKING:
    import torch


class DeviceError(FacebenchError, ValueError):
    """A device that is not there; the message says what to ask for."""


def processor(asked: str) -> torch.device:
    """`cpu`, `cuda`, or `auto` for the latter where there is one.

    Raises:
        DeviceError: CUDA was asked for, and PyTorch cannot use it.
    """
    import torch

    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise DeviceError("--device cuda: expected a CUDA device, got none that PyTorch can use; use --device cpu")
    return torch.device("cuda" if there and asked != "cpu" else "cpu")
