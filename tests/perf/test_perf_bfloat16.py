"""A first pass in bfloat16 for the exact search, tried: what it takes beside the float32 product that it would replace.

Both count how many images of a tile of the gallery are more alike than each probe's bar, the similarity to its source,
and give equal counts. The first pass knows of most images on which side of the bar they are: by Cauchy and Schwarz a
similarity of rounded vectors is off by at most |x - x'| |y'| + |x| |y - y'|. The others are compared again in float32.

`OMP_NUM_THREADS=1 pytest tests/perf/test_perf_bfloat16.py -n0 --benchmark-enable`; what came of it is told in
`docs/retrieval.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from facebench.bench.biometrics.ranks import BLOCK, TIE, TILE, _count
from numpy.typing import NDArray

WIDTH, EACH = 512, 20
LEAKAGE = {"hidden": 0.95, "found": 0.3}
"""How much of a private face is noise: nearly nobody is found, or everybody is."""
ROUNDING = 1e-4
"""More than float32 adds to an error, at 512 dimensions."""
OUTPUT = 2**-8
"""A product's share that is lost where it is rounded to bfloat16."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Tile(NamedTuple):
    """A block of probes and a tile of the gallery that holds none of their sources."""

    probes: Floats
    images: Floats
    bar: Floats


class Rounded(NamedTuple):
    """Vectors in bfloat16, and how far they are from what they were."""

    vectors: torch.Tensor
    off: Floats


@pytest.fixture(scope="module", params=LEAKAGE)
def tile(request: Any) -> Tile:
    """People of twenty images each; the tile holds other images of some probes' people."""
    rng = np.random.default_rng(0)

    def unit(vectors: Floats) -> Floats:
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def noise(n: int) -> Floats:
        return unit(rng.standard_normal((n, WIDTH), np.float32))

    identity = np.arange(TILE + BLOCK) % (TILE // EACH)
    faces = unit(0.8 * noise(TILE // EACH)[identity] + noise(TILE + BLOCK))
    images, sources = faces[:TILE], faces[TILE:]
    share = LEAKAGE[request.param]
    probes = unit((1 - share) * sources + share * noise(BLOCK))
    return Tile(probes, images, (probes * sources).sum(axis=1) + np.float32(TIE))


def in_float32(tile: Tile) -> Callable[[], Ints]:
    product = np.empty((BLOCK, TILE), np.float32)

    def count() -> Ints:
        np.matmul(tile.probes, tile.images.T, out=product)
        return _count(product > tile.bar[:, None])

    return count


def rounded(vectors: Floats) -> Rounded:
    near = torch.from_numpy(vectors).bfloat16()
    return Rounded(near, np.linalg.norm(vectors - near.float().numpy(), axis=1))


def in_bfloat16(tile: Tile) -> tuple[Callable[[], Ints], Callable[[], float]]:
    """The count, and the share of images that had to be compared again."""
    probes, images = rounded(tile.probes), rounded(tile.images)
    error = (probes.off + images.off.max()) * 1.01 + OUTPUT * (np.abs(tile.bar) + 0.02) + ROUNDING
    # a bar that is moved outward once more by its own rounding
    high = torch.from_numpy(tile.bar + error + OUTPUT).bfloat16()[:, None]
    low = torch.from_numpy(tile.bar - error - OUTPUT).bfloat16()[:, None]
    again = 0

    def count() -> Ints:
        nonlocal again
        product = probes.vectors @ images.vectors.T
        rows = torch.nonzero(product.amax(dim=1) > low[:, 0])[:, 0]
        total = np.zeros(BLOCK, np.int64)
        part = product if len(rows) == BLOCK else product[rows]
        above, maybe = (part > high[rows]).numpy(), (part > low[rows]).numpy()
        total[rows.numpy()] = _count(above)
        again = 0
        for row, near in zip(rows.tolist(), maybe & ~above, strict=True):
            place = np.flatnonzero(near)
            again += len(place)
            total[row] += np.count_nonzero(tile.images[place] @ tile.probes[row] > tile.bar[row])
        return total

    return count, lambda: again / BLOCK / TILE


@pytest.mark.benchmark(group="counting the images above a bar")
def test_in_float32(benchmark: Any, tile: Tile) -> None:
    benchmark.pedantic(in_float32(tile), rounds=5, warmup_rounds=1)


@pytest.mark.benchmark(group="counting the images above a bar")
def test_in_bfloat16(benchmark: Any, tile: Tile) -> None:
    count, again = in_bfloat16(tile)
    benchmark.pedantic(count, rounds=5, warmup_rounds=1)
    benchmark.extra_info |= {"compared again": again(), "native": torch.backends.cpu.get_cpu_capability()}


@pytest.mark.benchmark(group="the product alone")
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=str)
def test_product(benchmark: Any, tile: Tile, kind: torch.dtype) -> None:
    probes, images = (torch.from_numpy(faces).to(kind) for faces in (tile.probes, tile.images))
    product = torch.empty(BLOCK, TILE, dtype=kind)
    benchmark.pedantic(lambda: torch.matmul(probes, images.T, out=product), rounds=5, warmup_rounds=1)


def test_counts_are_equal(tile: Tile) -> None:
    count, again = in_bfloat16(tile)
    found, wanted = count(), in_float32(tile)()
    product = tile.probes @ tile.images.T
    tied = (np.abs(product - tile.bar[:, None]) < TIE).sum(axis=1)  # float32 itself may take them for either
    assert (np.abs(found - wanted) <= tied).all()
    assert (tied == 0).mean() > 0.5
    assert again() < 0.2
