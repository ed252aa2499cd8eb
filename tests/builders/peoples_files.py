"""Folders of drawn people with verification sets beside them, as users bring them."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import torch
from facebench.datasets.files.codec import encode
from facebench.datasets.synthetic import Synthetic

PEOPLE, IMAGES = 16, 3


def images(count: int, *, size: int = 112) -> list[bytes]:
    """Encoded drawn faces, two of each person in turn."""
    faces = Synthetic(people=-(-count // 2), images=2, seed=3).open()
    return [resized(faces[index].image, size) for index in range(count)]


def resized(image: torch.Tensor, size: int) -> bytes:
    """A face as a PNG of another size."""
    pixels = cv2.resize(image.permute(1, 2, 0).numpy(), (size, size))
    return cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()


def flags(count: int) -> list[bool]:
    """Genuine and impostor by turns."""
    return [index % 2 == 0 for index in range(count)]


def pairs(path: Path, content: Any = None, *, size: int = 112, count: int = 20) -> Path:
    """A pickled verification set."""
    path.write_bytes(
        pickle.dumps((images(2 * count, size=size), flags(count)) if content is None else content, protocol=4)
    )
    return path


def folder(root: Path, *, names: Sequence[str] = (), ending: str = ".png") -> Path:
    """A folder of people, without a verification set."""
    faces = Synthetic(people=PEOPLE, images=IMAGES, seed=1).open()
    for index, label in enumerate(faces.labels.tolist()):
        person = root / (names[label] if names else f"p{label:02}")
        person.mkdir(parents=True, exist_ok=True)
        (person / f"{index % IMAGES}{ending}").write_bytes(encode(faces[index].image))
    return root


def dataset(root: Path, **more: Any) -> Path:
    """A folder of people with one verification set."""
    folder(root, **more)
    pairs(root / "lfw.bin")
    return root
