"""Reading and decoding a pack against torchvision's ImageFolder on the same images, one thread each.

`pytest tests/perf/test_perf_packs.py -n0 --benchmark-enable` prints both and their ratio.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from facebench.datasets.base import Faces
from facebench.datasets.catalog.convert import to_folder
from facebench.datasets.recordio import RecordIO, RecordIOWriter

IMAGES, PEOPLE = 500, 25


def photograph(rng: np.random.Generator) -> bytes:
    """Smooth light and shade with some grain, as a JPEG of about the size that aligned faces have."""
    coarse = rng.integers(30, 226, (9, 9, 3)).astype(np.float32)
    image = cv2.resize(coarse, (112, 112), interpolation=cv2.INTER_CUBIC) + rng.normal(0, 4, (112, 112, 1))
    done, data = cv2.imencode(".jpg", np.clip(image, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return bytes(data)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pack")
    rng = np.random.default_rng(0)
    with RecordIOWriter(root, PEOPLE) as writer:
        for number in range(IMAGES):
            writer.add(photograph(rng), number * PEOPLE // IMAGES)
    return root


@pytest.fixture(scope="module")
def folder(pack: Path) -> Path:
    out = pack.parent / "folder"
    to_folder(RecordIO(root=pack).open(), out)
    return out


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def image_folder(root: Path) -> Any:
    datasets = pytest.importorskip("torchvision.datasets")
    transforms = pytest.importorskip("torchvision.transforms")
    return datasets.ImageFolder(root, transform=transforms.PILToTensor())


def read_all(faces: Any) -> None:
    for index in range(len(faces)):
        faces[index]


def test_both_give_the_same_images_and_labels(pack: Path, folder: Path) -> None:
    ours: Faces = RecordIO(root=pack).open()
    theirs = image_folder(folder)
    assert len(ours) == len(theirs) == IMAGES
    sizes = [len(ours.encoded(index)) for index in range(0, IMAGES, 10)]
    assert 2_000 < np.mean(sizes) < 6_000, "about what aligned faces take"
    for index in range(0, IMAGES, 10):
        (image, label), (expected, other) = ours[index], theirs[index]
        assert label == other and (image.float() - expected.float()).abs().mean() < 1


@pytest.mark.benchmark(group="read and decode 500 faces")
def test_pack(benchmark: Callable[..., None], pack: Path) -> None:
    faces = RecordIO(root=pack).open()
    benchmark(read_all, faces)


@pytest.mark.benchmark(group="read and decode 500 faces")
def test_torchvision_image_folder(benchmark: Callable[..., None], folder: Path) -> None:
    benchmark(read_all, image_folder(folder))
