"""Verification sets and weights of others, both of which may be pickles: nothing in them is run."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facebench.datasets import bin as bins
from facebench.datasets.base import DataError
from facebench.datasets.bin import Bin
from facebench.datasets.files.codec import encode
from facebench.facemae.runtime import checkpoint
from facebench.facemae.runtime.checkpoint import WeightsError
from facebench.methods.base import MethodError
from facebench.methods.parts import fitted_file
from mutate import campaign, damaged
from safetensors.torch import save_file

FACES = [encode(torch.full((3, 112, 112), 20 * n, dtype=torch.uint8)) for n in range(4)]


class Trap:
    """Makes a folder when it is unpickled, if anything lets it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def sets(trap: Path) -> list[bytes]:
    """Verification sets in every spelling, and some that would run something."""
    arrays = [np.frombuffer(face, np.uint8) for face in FACES]
    contents: list[Any] = [
        (FACES, [True, False]), (arrays, [True, False]), (FACES, np.array([True, False])), (FACES, [1, 0]),
        (FACES, [Trap(trap), False]), ([Trap(trap), *FACES], [True, False]), Trap(trap),
    ]  # fmt: skip
    return [pickle.dumps(content, protocol=protocol) for content in contents for protocol in range(6)]


def test_verification_sets(tmp_path: Path) -> None:
    path, trap = tmp_path / "set.bin", tmp_path / "trap"
    good = sets(trap)

    def make(rng: random.Random) -> bytes:
        return damaged(rng.choice(good), rng, good) if rng.random() < 0.95 else rng.choice(good)

    def read(given: bytes) -> bool:
        path.write_bytes(given)
        images, same = bins.read(path)
        Bin(path=path).open()
        return images == FACES and same.tolist() == [True, False]

    campaign("verification set", make, read, DataError)
    assert not trap.exists(), "something was run"


def test_a_set_with_digests_is_read_as_it_was_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "set.bin"
    bins.write(path, FACES, [True, False])
    Bin(path=path).write_sums()
    good = path.read_bytes()

    def make(rng: random.Random) -> bytes:
        return damaged(good, rng) if rng.random() < 0.95 else good

    def read(given: bytes) -> bool:
        path.write_bytes(given)
        images, same = bins.read(path)
        return images == FACES and same.tolist() == [True, False]

    assert not campaign("verification set with digests", make, read, DataError).other


def weights(root: Path, trap: Path) -> dict[str, list[bytes]]:
    tensors = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.ones(3)}
    said = '{"method": "masking", "version": 1, "parameters": {"ratio": 0.5}}'
    save_file(tensors, root / "a.safetensors", metadata={fitted_file.KEY: said})
    found: dict[str, list[bytes]] = {"safetensors": [(root / "a.safetensors").read_bytes()], "pth": []}
    planted = {**tensors, "trap": Trap(trap)}
    for content in (tensors, {"state_dict": tensors}, planted, Trap(trap)):
        for zipped in (True, False):
            torch.save(content, root / "a.pth", _use_new_zipfile_serialization=zipped)
            found["pth"].append((root / "a.pth").read_bytes())
    return found


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_weights(kind: str, tmp_path: Path) -> None:
    trap, path = tmp_path / "trap", tmp_path / f"given.{kind}"
    good = weights(tmp_path, trap)[kind]

    def make(rng: random.Random) -> bytes:
        return damaged(rng.choice(good), rng, good) if rng.random() < 0.9 else rng.choice(good)

    def read(given: bytes) -> bool:
        path.write_bytes(given)
        if kind == "safetensors":
            said = fitted_file.read(path)
            found = checkpoint.read_safetensors(path)
            return said.parameters == {"ratio": 0.5} and set(found) == {"a.weight", "a.bias"}
        content = checkpoint.read(path)
        return isinstance(content, dict) and (set(content) == {"a.weight", "a.bias"} or set(content) == {"state_dict"})

    campaign(f"weights, {kind}", make, read, (WeightsError, MethodError))
    assert not trap.exists(), "something was run"
