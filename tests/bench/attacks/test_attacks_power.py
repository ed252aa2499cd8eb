"""An attacker who knows the method against methods that people use: mild pixelation and mild blur."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attacked import evidence, leak, roles
from facebench.bench.attacks.alignment import Alignment
from facebench.bench.attacks.base import Embeddings
from facebench.bench.attacks.ignorant import Ignorant
from facebench.bench.biometrics.embeddings import embed_all
from facebench.datasets.base import Faces
from facebench.methods.base import Method
from facebench.methods.blur import Blur
from facebench.methods.pixelate import Pixelate

FILTERS = torch.randn(32, 3, 5, 5, generator=torch.Generator().manual_seed(0))
FILTERS -= FILTERS.mean(dim=(2, 3), keepdim=True)  # blind to plain colour
MAPS: Any = ("procrustes", "ridge")


def strokes(images: torch.Tensor) -> np.ndarray:
    """How much of each of 32 fine patterns is where: what blurring and pixelating take away."""
    response = torch.nn.functional.conv2d(images.float() / 255, FILTERS, stride=2).abs()
    return torch.nn.functional.adaptive_avg_pool2d(response, 4).flatten(1).numpy()


@pytest.fixture(scope="module")
def seen() -> Any:
    """A recognizer of fine patterns, less the average face of role A."""
    average = embed_all(strokes, roles()["A"]).vectors.mean(axis=0)

    def look(images: torch.Tensor) -> np.ndarray:
        vectors = strokes(images) - average
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def embed(faces: Faces) -> Embeddings:
        return embed_all(look, faces)

    return embed


@pytest.mark.parametrize("method", [Pixelate(block=4), Blur(sigma=1)], ids=["pixelate", "blur"])
def test_who_knows_a_mild_method_finds_far_more_than_who_does_not(method: Method, seen: Any, tmp_path: Path) -> None:
    given = evidence(method, seen=seen)
    ignorant, aligned = leak(Ignorant(), given, tmp_path / "i"), leak(Alignment(maps=MAPS), given, tmp_path / "a")
    assert ignorant.chance < ignorant.value < 0.6
    assert aligned.value > ignorant.value + 0.3
