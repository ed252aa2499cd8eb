"""Damaged images, and packs of them: refused, or read as they were; what no format tells, digests tell."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from facebench.datasets.base import DataError, FaceSource
from facebench.datasets.files.codec import decode
from facebench.datasets.recordio import RecordIO, RecordIOWriter
from mutate import WORDS, campaign, cut, damaged, flipped
from PIL import Image


def photograph(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(30, 226, (9, 9, 3)).astype(np.float32), (112, 112), interpolation=cv2.INTER_CUBIC)
    return Image.fromarray(np.clip(coarse + rng.normal(0, 4, (112, 112, 1)), 0, 255).astype(np.uint8))


def saved(seed: int, kind: str, **how: object) -> bytes:
    file = io.BytesIO()
    photograph(seed).save(file, kind, **how)  # type: ignore[arg-type]
    return file.getvalue()


KINDS: dict[str, list[bytes]] = {
    "jpeg": [saved(n, "JPEG", quality=85) for n in range(4)],
    "progressive jpeg": [saved(n, "JPEG", quality=85, progressive=True) for n in range(4)],
    "png": [saved(n, "PNG") for n in range(4)],
    "webp": [saved(n, "WEBP", quality=80) for n in range(4)],
    "lossless webp": [saved(n, "WEBP", lossless=True) for n in range(4)],
    "bmp": [saved(n, "BMP") for n in range(4)],
}


def ended(data: bytes, rng: random.Random, others: object = ()) -> bytes:
    """Cut inside the scan, with an end mark put on, as repair tools do."""
    return data[: rng.randrange(data.index(b"\xff\xda") + 14, len(data) - 8)] + b"\xff\xd9"


def spliced(data: bytes, rng: random.Random, others: object = ()) -> bytes:
    """A part of another image's scan."""
    other = rng.choice(KINDS["jpeg"])
    at = rng.randrange(data.index(b"\xff\xda") + 14, len(data) - 300)
    return data[:at] + other[at : at + rng.randrange(20, 300)] + data[at + 300 :]


@pytest.mark.parametrize("kind", list(KINDS))
def test_images(kind: str) -> None:
    pixels = [decode(data, where="record 1") for data in KINDS[kind]]

    def make(rng: random.Random) -> tuple[int, bytes]:
        which = rng.randrange(len(pixels))
        return which, damaged(KINDS[kind][which], rng, KINDS[rng.choice(list(KINDS))])

    def read(given: tuple[int, bytes]) -> bool:
        return torch.equal(decode(given[1], where="record 1"), pixels[given[0]])

    tally = campaign(f"image, {kind}", make, read, DataError)
    if kind == "png":
        assert not tally.other, "every byte of a PNG that counts has a sum"


@pytest.mark.parametrize(("fault", "told"), [(ended, 1.0), (cut, 1.0), (spliced, 0.6), (flipped, 0.1)])
def test_faults_of_a_jpeg_that_its_decoder_only_warns_of(fault: Callable[..., bytes], told: float) -> None:
    pixels = [decode(data, where="record 1") for data in KINDS["jpeg"]]

    def make(rng: random.Random) -> tuple[int, bytes]:
        which = rng.randrange(len(pixels))
        return which, fault(KINDS["jpeg"][which], rng)

    def read(given: tuple[int, bytes]) -> bool:
        return torch.equal(decode(given[1], where="record 1"), pixels[given[0]])

    tally = campaign(f"jpeg, {fault.__name__}", make, read, DataError, least=0)
    assert tally.refused >= told * (tally.tried - tally.right)


def written(root: Path) -> Path:
    root.mkdir()
    with RecordIOWriter(root, 3) as writer:
        for label, data in enumerate((*KINDS["jpeg"], KINDS["webp"][0], KINDS["bmp"][0])):
            writer.add(data, label // 2)
    return root


@pytest.mark.parametrize("with_sums", [True, False])
def test_packs(with_sums: bool, tmp_path: Path) -> None:
    good = written(tmp_path / "good")
    source: FaceSource = RecordIO(root=good)
    if with_sums:
        source.write_sums()
    faces = source.open()
    expected = [(faces.encoded(face), int(faces.labels[face])) for face in range(len(faces))]
    files = {path.name: path.read_bytes() for path in good.iterdir()}
    root = tmp_path / "changed"
    root.mkdir()

    def make(rng: random.Random) -> dict[str, bytes]:
        name = rng.choice(("train.rec", "train.rec", "train.rec", "train.idx", "property"))
        if name == "train.rec" and rng.random() < 0.2:  # a label inside a record
            record = rng.choice([int(line.split(b"\t")[1]) for line in files["train.idx"].splitlines()])
            label = struct.pack("<f", rng.choice((0.0, 1.0, 2.0, 3.0, -1.0, float("nan"), 0.5)))
            return {**files, name: files[name][: record + 12] + label + files[name][record + 16 :]}
        if name == "property" and rng.random() < 0.5:
            return {**files, name: rng.choice(WORDS).encode() + files[name][rng.randrange(3) :]}
        if rng.random() < 0.05:
            return {key: value for key, value in files.items() if key != name}
        return {**files, name: damaged(files[name], rng, list(files.values()))}

    def read(given: dict[str, bytes]) -> bool:
        for name in files:
            (root / name).unlink(missing_ok=True)
        for name, data in given.items():
            (root / name).write_bytes(data)
        faces = RecordIO(root=root).open()
        for face in range(len(faces)):
            faces[face]
        return expected == [(faces.encoded(face), int(faces.labels[face])) for face in range(len(faces))]

    tally = campaign(f"pack{' with digests' if with_sums else ''}", make, read, DataError)
    if with_sums:
        assert not tally.other, "what is read is what was there when the digests were written"
