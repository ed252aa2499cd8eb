"""Where torch.compile cannot work: on machines without a C++ compiler, which torch tells in a page of its own words."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .errors import TrainingError


@functools.cache  # of what works; an error is raised each time
def try_out(device: torch.device) -> None:
    """Compile something small, so that it is known before hours are spent.

    Raises:
        TrainingError: nothing can be compiled on this machine.
    """

    def small(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.gelu(x) * 2 + x.sum()

    with explained():
        torch.compile(small)(torch.ones(64, device=device))


@contextmanager
def explained() -> Iterator[None]:
    """Tell errors of torch.compile as what they are: something this machine lacks.

    Raises:
        TrainingError: something could not be compiled.
    """
    try:
        yield
    except Exception as error:
        if not _is_compilers(error):
            raise
        says = " ".join(str(error).partition("\n")[0].split())[:200]
        raise TrainingError(
            f"torch.compile: expected a machine that can compile ({says}); install a C++ compiler (g++, or name one "
            "in $CXX; a GPU also needs Triton), or go without: --set method.compile=false"
        ) from error


def _is_compilers(error: Exception) -> bool:
    """Whether an error comes from torch's compilers: their classes share no other mark than where they are defined."""
    seen: BaseException | None = error
    while seen is not None:
        if any(
            kind.__module__.startswith(("torch._inductor", "torch._dynamo", "triton")) for kind in type(seen).__mro__
        ):
            return True
        seen = seen.__cause__
    return False
