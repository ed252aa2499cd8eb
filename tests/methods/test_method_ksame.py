"""k-Same-Eigen: groups as the paper forms them, means as eigenfaces give them, and the bound of 1/k where it holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facebench.bench.attacks.base import Embeddings
from facebench.bench.biometrics.ranks import Ranks, ranks
from facebench.datasets.base import Face, Faces
from facebench.datasets.files.codec import encode
from facebench.datasets.synthetic import Synthetic
from facebench.methods.base import MethodError, PrivateFaces, Publish
from facebench.methods.ksame import KSame, groups
from facebench.methods.parts import eigenfaces as space
from numpy.typing import NDArray
from pydantic import ValidationError


class Given:
    """Faces from an array of images."""

    def __init__(self, images: NDArray[np.uint8], labels: Sequence[int] | None = None) -> None:
        self.images = images
        self.labels: NDArray[np.int64] = np.asarray(range(len(images)) if labels is None else labels)
        self.identities = int(self.labels.max()) + 1
        self.names = [str(label) for label in range(self.identities)]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Face:
        return Face(torch.from_numpy(self.images[index].copy()), int(self.labels[index]))

    def encoded(self, index: int) -> bytes:
        return encode(self[index].image)


def noise(count: int, *, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 112, 112), dtype=np.uint8)


def publish(faces: Faces, *, k: int, **more: Any) -> PrivateFaces:
    how = Publish(bytes(32), torch.device("cpu"), np.arange(len(faces)))
    return KSame(k=k, **more).publish(Path("nothing-is-read-here"), faces, how)


def released(faces: Faces, *, k: int, **more: Any) -> NDArray[np.uint8]:
    return publish(faces, k=k, **more).take(np.arange(len(faces))).numpy()


def pixels(faces: Faces) -> NDArray[np.float64]:
    return np.stack([faces[i].image.numpy().reshape(-1) for i in range(len(faces))]).astype(np.float64)


def attack(probes: NDArray[np.float64], originals: NDArray[np.float64], identity: NDArray[np.int64]) -> Ranks:
    """Search every probe among all originals by the cosine around the originals' mean."""

    def seen(vectors: NDArray[np.float64]) -> Embeddings:
        centred = vectors - originals.mean(axis=0)
        return Embeddings((centred / np.linalg.norm(centred, axis=1, keepdims=True)).astype(np.float32), identity)

    return ranks(seen(probes), seen(originals), np.arange(len(probes)))


def test_groups_are_those_found_by_hand() -> None:
    # on a line, k = 2: 0 takes 2 (not 9), 9 takes 10, and the last three stay together
    points = np.array([[0.0], [9.0], [2.0], [10.0], [30.0], [20.0], [90.0]])
    assert groups(points, 2).tolist() == [0, 1, 0, 1, 2, 2, 2]


def test_of_equally_near_points_the_first_is_taken() -> None:
    assert groups(np.array([[0.0], [1.0], [-1.0], [1.0]]), 2).tolist() == [0, 0, 1, 1]
    assert groups(np.zeros((7, 3)), 3).tolist() == [0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(("n", "k"), [(2, 2), (3, 2), (50, 2), (101, 3), (200, 10), (29, 10), (10, 10)])
def test_groups_are_those_of_the_algorithm_as_the_paper_writes_it(n: int, k: int) -> None:
    points = np.random.default_rng(n).normal(size=(n, 5))
    left, expected, number = list(range(n)), np.zeros(n, int), 0
    while left:
        size = k if len(left) >= 2 * k else len(left)  # "if |H| < 2k then k = |H|"
        near = sorted(left, key=lambda i: float(np.linalg.norm(points[i] - points[left[0]])))[:size]
        expected[near] = number
        left, number = [i for i in left if i not in near], number + 1
    got = groups(points, k)
    assert got.tolist() == expected.tolist()
    assert np.bincount(got).min() >= k
    assert np.bincount(got).max() < 2 * k


def test_eigenfaces_span_what_a_singular_value_decomposition_finds() -> None:
    faces = Given(noise(12))
    found = space.eigenfaces(faces, 5)
    flat = pixels(faces)
    axes = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][:5]
    assert np.allclose(found.mean, flat.mean(axis=0))
    assert np.allclose(found.axes @ found.axes.T, np.eye(5), atol=1e-9)
    assert np.allclose(np.abs(np.sum(found.axes * axes, axis=1)), 1, atol=1e-9)  # up to the sign
    assert np.allclose(found.project(faces), (flat - flat.mean(axis=0)) @ found.axes.T)


def test_of_a_large_set_a_sample_over_all_of_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "SAMPLE", 4)
    faces = Given(noise(10))
    found, expected = space.eigenfaces(faces, 3), space.eigenfaces(Given(faces.images[[0, 3, 6, 9]]), 3)
    assert np.array_equal(found.axes, expected.axes)
    assert found.project(faces).shape == (10, 3)


def test_equal_faces_have_no_eigenfaces_and_are_published_as_they_are() -> None:
    same = np.repeat(noise(1), 6, axis=0)
    assert space.eigenfaces(Given(same), 3).axes.shape == (0, 3 * 112 * 112)
    assert np.array_equal(released(Given(same), k=3), same)


def test_with_all_components_a_group_is_the_mean_of_its_pixels() -> None:
    images = noise(9)
    got = released(Given(images), k=5, components=100)  # nine faces: one group, with eight components
    assert len(got) == 9
    assert (got == got[0]).all()
    assert np.abs(got[0] - images.mean(axis=0)).max() <= 0.5 + 1e-6


def test_with_one_component_the_mean_is_drawn_along_it() -> None:
    faces = Given(noise(8))
    flat = pixels(faces)
    axis = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][0]
    along = (flat - flat.mean(axis=0)) @ axis
    group = groups(along[:, None], 2)
    expected = flat.mean(axis=0) + np.array([along[group == own].mean() for own in group])[:, None] * axis
    assert np.abs(released(faces, k=2, components=1).reshape(8, -1) - expected.clip(0, 255)).max() <= 0.5 + 1e-5


def test_labels_and_sources_stay_those_of_the_originals() -> None:
    faces = Given(noise(6), [0, 0, 1, 1, 2, 2])
    private = publish(faces, k=3)
    assert private.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert private.source.tolist() == list(range(6))
    assert (private.identities, private.names) == (3, ["0", "1", "2"])


@pytest.mark.parametrize("k", [2, 3, 5, 10])
@pytest.mark.parametrize("seen", ["pixels", "eigenfaces"])
def test_with_each_person_once_no_more_than_one_in_k_is_found(k: int, seen: str) -> None:
    """Newton et al. 2005, section 4: the bound for who searches each released face among all originals."""
    originals = Synthetic(people=60, images=1, seed=1).open()
    private = Given(released(originals, k=k))
    if seen == "pixels":
        probes, gallery = pixels(private), pixels(originals)
    else:
        basis = space.eigenfaces(originals, 20)
        probes, gallery = basis.project(private), basis.project(originals)
    identity = originals.labels
    assert (attack(gallery, gallery, identity).image == 1).all(), "the attack finds every face that is not private"
    found = attack(probes, gallery, identity)
    copies = [tuple(image.reshape(-1)) for image in private.images]
    assert min(copies.count(copy) for copy in set(copies)) >= k
    hits = found.neighbours[:, 0] == np.arange(60)  # one name for each released face
    assert hits.sum() <= len(set(copies))
    assert hits.mean() <= 1 / k
    assert (found.image == 1).mean() <= 1 / k, "no ties here that would count twice against the method"
    assert (found.identity == 1).mean() <= 1 / k
    assert hits.mean() >= 0.5 / k, "an attack near chance would say nothing about the bound"


def test_with_several_images_of_a_person_the_bound_does_not_hold() -> None:
    originals = Synthetic(people=8, images=10, seed=1).open()
    k = 5
    found = attack(pixels(Given(released(originals, k=k))), pixels(originals), originals.labels)
    assert (found.identity == 1).mean() > 1.5 / k


def test_ties_among_the_originals_count_more_than_the_bound_allows_but_name_nobody() -> None:
    images = noise(20)
    images[1::2] = images[::2]  # ten pairs of twins
    originals = Given(images)
    found = attack(pixels(Given(released(originals, k=2))), pixels(originals), originals.labels)
    assert (found.image == 1).all()
    assert (found.neighbours[:, 0] == np.arange(20)).mean() <= 1 / 2


def test_fewer_faces_than_k_are_refused() -> None:
    with pytest.raises(MethodError, match=r"ksame: expected at least k = 10 faces to release, got 9; lower method\.k"):
        publish(Given(noise(9)), k=10)


def test_a_release_that_would_fill_the_memory_is_refused_before_a_face_is_read() -> None:
    class Many(Given):
        def __len__(self) -> int:
            return 2_000_000

        def __getitem__(self, index: int) -> Face:
            raise AssertionError("read")

    with pytest.raises(MethodError, match=r"at most 4 GiB of memory, got 2,000,000 faces, which take 10\.8 GiB; raise"):
        publish(Many(noise(1)), k=10)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [({"k": 1}, "greater than or equal to 2"), ({"components": 0}, "greater than or equal to 1")],
)
def test_parameters_out_of_range_say_what_was_expected(parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        KSame(**parameters)
