"""A small pack made by hand, byte for byte as MXNet and InsightFace write it."""

import struct
from pathlib import Path

import numpy as np
import torch
from facebench.datasets.files.codec import encode

MAGIC = 0xCED7230A
LABELS = (0, 0, 1, 2, 2, 2)


def face(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    image: bytes = encode(torch.from_numpy(np.repeat(rng.integers(0, 256, (3, 112, 1), dtype=np.uint8), 112, axis=2)))
    return image


FACES = tuple(face(seed) for seed in range(len(LABELS)))


def record(flag: int, label: float, number: int, values: tuple[float, ...] = (), image: bytes = b"") -> bytes:
    """One record as MXNet's `recordio.pack` and dmlc-core's writer lay it out, by hand."""
    payload = struct.pack("<IfQQ", flag, label, number, 0) + struct.pack(f"<{len(values)}f", *values) + image
    return struct.pack("<II", MAGIC, len(payload)) + payload + b"\0" * (-len(payload) % 4)


def store(folder: Path, records: list[bytes], about: str = "3,112,112") -> Path:
    folder.mkdir(exist_ok=True)
    offsets = np.cumsum([0, *map(len, records)]).tolist()
    (folder / "train.rec").write_bytes(b"".join(records))
    (folder / "train.idx").write_text("".join(f"{n}\t{at}\n" for n, at in enumerate(offsets[:-1])))
    (folder / "property").write_text(about)
    return folder


def insightface_records() -> list[bytes]:
    count = len(LABELS)
    ranges = [(1.0, 3.0), (3.0, 4.0), (4.0, 7.0)]
    return [
        record(2, 0, 0, (count + 1.0, count + 4.0)),
        *(record(0, label, n, image=FACES[n - 1]) for n, label in enumerate(LABELS, 1)),
        *(record(2, 0, count + 1 + person, pair) for person, pair in enumerate(ranges)),
    ]


def plain_records() -> list[bytes]:
    return [record(0, label, n, image=FACES[n]) for n, label in enumerate(LABELS)]
