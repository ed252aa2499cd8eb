"""Fast arithmetic, only where the processor has it and nobody asked for the same digits everywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TypeVar

import torch
from torch import nn

from ... import FacebenchError

Network = TypeVar("Network", bound=nn.Module)
VARIABLE = "FACEBENCH_PRECISION"
"""Environment variable: `auto` (or nothing) for the fastest training, `float32` for that of any processor."""


_FLOAT32: ContextVar[bool] = ContextVar("float32", default=False)


@contextmanager
def float32(only: bool) -> Iterator[None]:
    """Train in float32 whatever the processor has, as long as this lasts.

    Args:
        only: whether that is asked for; else all is as it was.
    """
    token = _FLOAT32.set(only or _FLOAT32.get())
    try:
        yield
    finally:
        _FLOAT32.reset(token)


class PrecisionError(FacebenchError, ValueError):
    """The environment asks for an arithmetic that there is not."""


def trains_in_bf16(device: torch.device) -> bool:
    """Whether matrix products of training are in bfloat16: where the processor has it, unless float32 is asked for.

    That is asked by the environment, or by `float32` around the training.

    Numbers of the two differ by more than those of two processors in float32 do, so records tell of each stage which
    it was.

    Raises:
        PrecisionError: the environment variable is neither `auto` nor `float32`.
    """
    asked = os.environ.get(VARIABLE) or "auto"
    if asked not in ("auto", "float32"):
        raise PrecisionError(f"{VARIABLE}: expected auto or float32, got {asked!r}; set it to one of them, or unset it")
    return asked == "auto" and not _FLOAT32.get() and native_bf16(device)


def native_bf16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 itself.

    Without such instructions PyTorch converts to float32 and back around every product: ten times slower than
    float32, measured on a processor with AVX2 only.
    """
    if device.type == "cuda":
        # Ampere is the first generation with it; `is_bf16_supported` also answers yes where it is emulated
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        # no public call covers all supported versions of torch; one that is gone answers no, which is safe
        asks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(bool(getattr(torch.cpu, ask, bool)()) for ask in asks)
    return False


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 for matrix products where `trains_in_bf16`, else float32 throughout.

    bfloat16 keeps float32's range, so no loss scaling is needed.
    Source: Kalamkar et al., "A Study of BFLOAT16 for Deep Learning Training", 2019.

    Raises:
        PrecisionError: the environment asks for another arithmetic.
    """
    return torch.autocast(device.type, torch.bfloat16) if trains_in_bf16(device) else nullcontext()


def layout(network: Network, device: torch.device) -> Network:
    """Move a convolutional network to a device, with channels last in memory.

    oneDNN and cuDNN compute convolutions in that order and would otherwise reorder around each one.
    Inputs follow by `.contiguous(memory_format=torch.channels_last)`.
    """
    return network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
