"""Encoded images to verification pairs, on all processors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ..base import SIZE, DataError, Pairs

MAX_PAIRS = 100_000
"""Decoded, so many pairs fill 7.5 GB; verification sets have 6,000 to 7,000."""

_Places = list[tuple[int, int]]


def decode_pairs(
    images: Sequence[bytes], same: NDArray[np.bool_], where: Sequence[str], *, resize: bool = False
) -> Pairs:
    """Decode the images of pairs; an object that occurs several times is decoded once.

    Args:
        images: [2N] encoded; 2i and 2i + 1 are pair i.
        same: [N], genuine or impostor.
        where: [2N], each image's place, for messages.
        resize: whether to scale square faces of another size.

    Raises:
        DataError: an image is not a face of SIZE x SIZE pixels.
    """
    import torch

    from .codec import decode
    from .image_header import of_pairs

    everywhere: dict[int, _Places] = {}
    for index, image in enumerate(images):
        everywhere.setdefault(id(image), []).append((index % 2, index // 2))
    sides = [torch.empty((len(same), 3, SIZE, SIZE), dtype=torch.uint8) for _ in range(2)]

    def fill(places: _Places) -> None:
        side, pair = places[0]
        index = 2 * pair + side
        try:
            face = decode(images[index], where=where[index], resize=resize)
        except DataError as error:
            raise DataError(of_pairs(str(error))) from None
        for side, pair in places:
            sides[side][pair] = face

    with ThreadPoolExecutor(_processors()) as pool:
        for _ in pool.map(fill, everywhere.values()):
            pass  # raises what `fill` raised
    return Pairs(sides[0], sides[1], same)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
