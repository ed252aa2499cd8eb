"""The threads of the library that multiplies matrices, taken for whole pieces of work instead of for each product."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


@contextmanager
def threads() -> Iterator[int]:
    """Hold NumPy's products to one thread each, and give the number that they took.

    So many threads of Python then take a piece of work each: what comes between products is done side by side, too.
    Where the library cannot be asked, it stays as it is, and the number is 1.
    """
    blas = ThreadpoolController().select(user_api="blas")
    most = max((int(library["num_threads"]) for library in blas.info()), default=1)
    with blas.limit(limits=1):
        yield most
