"""How fast faces are drawn: `pytest --benchmark-enable tests/perf`; the aim is a thousand a second on two cores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from facebench.datasets.base import SIZE
from facebench.datasets.drawn.draw import draw
from facebench.datasets.synthetic import Synthetic


def test_drawing_a_batch(benchmark: Callable[..., Any]) -> None:
    drawn = benchmark(draw, seed=0, identities=[i // 10 for i in range(200)], images=[i % 10 for i in range(200)])
    assert drawn.shape == (200, SIZE, SIZE, 3)


def test_drawing_one_by_one(benchmark: Callable[..., Any]) -> None:
    faces = Synthetic(people=20, images=10).open()
    drawn = benchmark(lambda: [faces.pixels(i) for i in range(len(faces))])
    assert np.array_equal(drawn[0], draw(seed=0, identities=[0], images=[0])[0])
