"""What every method promises, asked of every method there is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facebench.bench import plugins
from facebench.datasets.base import SIZE, Face, Faces
from facebench.datasets.files.codec import encode
from facebench.facemae.recognition import embedder
from facebench.facemae.runtime.randomness import key_of_seed
from facebench.methods.base import Fit, Method, PrivateFaces, Privatizer, Publish
from numpy.typing import NDArray
from pydantic import ValidationError

CPU = torch.device("cpu")
NAMES = sorted(name for name, says in plugins.names(Method).items() if not says.startswith("(not"))

FACEWISE = [name for name in NAMES if plugins.load(Method, name).load is not Method.load]
"""Methods that make each private face from its original alone."""

TINY: dict[str, dict[str, Any]] = {
    "facemae": {"steps": 2, "batch": 8},
    "mae": {"steps": 2, "batch": 8},
    "gan": {"steps": 2, "batch": 8, "width": 16, "least_variety": 0},
}
"""Parameters that make a method that learns learn little; a new one gets its line here where it is slow."""


class RandomFaces:
    """24 random images of four people."""

    identities = 4
    labels: NDArray[np.int64] = np.arange(24) % 4
    names: Sequence[str] = ("0", "1", "2", "3")

    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> Face:
        return Face(images(24)[index], int(self.labels[index]))

    def encoded(self, index: int) -> bytes:
        return encode(self[index].image)


def images(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randint(0, 256, (count, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def required(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Parameters without which a method cannot be built, by its name."""
    folder = tmp_path_factory.mktemp("external")
    for number, image in enumerate(images(24)):
        (folder / f"{number}.png").write_bytes(encode(255 - image))
    lines = [f"{number}.png,{number + 100}" for number in range(24)]
    (folder / "manifest.csv").write_text("\n".join(["private,source", *lines]))
    return {"external": {"path": folder, "manifest": folder / "manifest.csv"}}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, required: dict[str, dict[str, Any]]) -> Any:
    """A method and the folder it was fitted into, by its name; fitted once where it learns."""

    @cache
    def make(name: str) -> tuple[Method, Path]:
        method = plugins.load(Method, name)(**required.get(name, {}), **TINY.get(name, {}))
        folder = tmp_path_factory.mktemp(name)
        if method.learns:
            teacher = None
            if method.needs_teacher:
                teacher = folder.parent / f"teacher-of-{name}.pt"
                torch.manual_seed(0)
                embedder.save(embedder.build("small", dim=16), teacher, architecture="small", dim=16)
            faces: Faces = RandomFaces()
            method.fit(faces, folder, Fit(seed=0, device=CPU, teacher=teacher))
        return method, folder

    return make


@pytest.fixture(scope="module")
def privatizer(fitted: Any) -> Any:
    """A face-by-face method's privatizer by its name."""

    @cache
    def make(name: str) -> Privatizer:
        method, folder = fitted(name)
        return method.load(folder, device=CPU)

    return make


def publish(made: tuple[Method, Path], *, seed: int = 0) -> PrivateFaces:
    method, folder = made
    return method.publish(folder, RandomFaces(), Publish(key_of_seed(seed, "test"), CPU, np.arange(24) + 100))


def test_there_are_methods_to_ask() -> None:
    assert {"original", "noise", "masking", "pixelate", "blur"} <= set(NAMES)


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("name", FACEWISE)
def test_private_faces_keep_shape_and_type_and_leave_the_originals_alone(
    name: str, count: int, privatizer: Any
) -> None:
    faces, seeds = images(count), torch.arange(count)
    got = privatizer(name)(faces, seeds)
    assert (got.shape, got.dtype) == (faces.shape, torch.uint8)
    assert torch.equal(faces, images(count))
    assert torch.equal(seeds, torch.arange(count))
    got.fill_(0)
    assert torch.equal(faces, images(count)), "what was given back is the input itself"


@pytest.mark.parametrize("name", FACEWISE)
def test_equal_seeds_give_equal_faces_and_other_seeds_others_where_there_is_chance(name: str, privatizer: Any) -> None:
    privatize, faces = privatizer(name), images(4)
    first = privatize(faces, torch.tensor([1, 2, 3, 2**62]))
    assert torch.equal(first, privatize(faces, torch.tensor([1, 2, 3, 2**62])))
    other = privatize(faces, torch.tensor([5, -6, 7, 2**62 - 1]))
    changed = (first != other).flatten(1).any(1)
    assert changed.all() if plugins.load(Method, name).random else not changed.any()


@pytest.mark.parametrize("name", FACEWISE)
def test_a_private_face_does_not_depend_on_its_batch_or_its_place_in_it(name: str, privatizer: Any) -> None:
    privatize, faces, seeds = privatizer(name), images(6), torch.arange(100, 106)
    together = privatize(faces, seeds)
    alone = torch.cat([privatize(faces[i : i + 1], seeds[i : i + 1]) for i in range(6)])
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = torch.empty_like(together)
    shuffled[order] = privatize(faces[order], seeds[order])
    # a learned method may round differently where a matrix product sums in another order
    slack = 1 if plugins.load(Method, name).learns else 0
    for got in (alone, shuffled):
        assert int((got.int() - together.int()).abs().max()) <= slack
        assert float((got != together).float().mean()) < 0.001


@pytest.mark.parametrize("name", FACEWISE)
def test_global_randomness_is_neither_used_nor_moved(name: str, privatizer: Any) -> None:
    privatize = privatizer(name)
    torch.manual_seed(1)
    first, state = privatize(images(2), torch.arange(2)), torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    assert torch.equal(first, privatize(images(2), torch.arange(2)))


@pytest.mark.parametrize("name", NAMES)
def test_a_private_set_is_equal_however_it_is_read_and_says_where_its_faces_come_from(name: str, fitted: Any) -> None:
    private, again = publish(fitted(name)), publish(fitted(name))
    rows = np.arange(len(private))
    whole = private.take(rows)
    assert (whole.dtype, whole.shape) == (torch.uint8, (len(rows), 3, SIZE, SIZE))
    parts = torch.cat([again.take(part) for part in (rows[:5], rows[5:6], rows[6:])])
    # a learned method may round differently where a matrix product sums in another order
    slack = 1 if fitted(name)[0].learns else 0
    assert int((whole.int() - parts.int()).abs().max()) <= slack
    assert torch.equal(private[3].image, private.take(rows[3:4])[0])
    assert private.labels.shape == rows.shape
    assert set(private.labels.tolist()) == set(range(private.identities))
    assert len(private.names) == private.identities
    if fitted(name)[0].sourced:
        assert np.array_equal(private.labels, RandomFaces.labels[private.source])
    else:
        assert private.source is None
    other = publish(fitted(name), seed=1).take(rows)
    assert torch.equal(whole, other) is not fitted(name)[0].random


def test_a_method_that_makes_no_faces_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="Idle: a method implements `load` or `publish`"):

        class Idle(Method):
            """Does nothing."""


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_frozen_and_closed(name: str, required: dict[str, dict[str, Any]]) -> None:
    kind, given = plugins.load(Method, name), required.get(name, {})
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        kind(no_such_parameter=1)
    method = kind(**given)
    for field in kind.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(method, field, getattr(method, field))
    assert kind(**method.model_dump()) == method
    assert plugins.spell(method) == plugins.spell(kind(**given))


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    said = plugins.load(Method, name).__doc__ or ""
    assert said.strip().splitlines()[0].endswith(".")
    assert "Source:" in said or "arXiv" in said
    assert plugins.names(Method)[name] == said.strip().splitlines()[0]


@pytest.mark.parametrize("name", [name for name in NAMES if plugins.load(Method, name).learns])
def test_a_method_that_learns_writes_what_it_learned(name: str, fitted: Any, tmp_path: Path) -> None:
    _, folder = fitted(name)
    assert any(folder.iterdir())
    with pytest.raises(ValueError, match=name):
        publish((plugins.load(Method, name)(), tmp_path))
