"""Run a fitted method over faces, and write the private dataset: an ordinary pack with a manifest."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ..datasets.base import Face, Faces, Progress, silent
from ..methods.base import Method, MethodError, Privatizer
from .plugins import spell

if TYPE_CHECKING:
    import torch

Encoding = Literal["png", "jpeg"]
MANIFEST = "manifest.parquet"
_BATCH = 256


def seeds(seed: int, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """A face's own seed, from the run's seed and the face's place in its dataset.

    Shards and reruns agree, whatever else is released with it.
    """
    return np.int64(seed) * np.int64(1 << 40) + indices


def release(
    method: Method,
    name: str,
    fitted: Path,
    faces: Faces,
    indices: NDArray[np.int64],
    out: Path,
    *,
    seed: int,
    device: torch.device,
    encoding: Encoding = "png",
    progress: Progress = silent,
) -> None:
    """Write the private version of some faces into the folder `out`, in their order.

    Args:
        method: fitted into the folder `fitted`.
        name: of the method, for the manifest.
        fitted: what `Method.fit` wrote.
        faces: the originals, sorted by identity.
        indices: [N], place of each face in its dataset; its seed and the manifest's `source_index`.
        out: gets `train.rec`, `train.idx`, `property` and the manifest.
        seed: of the release.
        device: where to compute.
        encoding: `png` is lossless; `jpeg` has quality 95.
        progress: told of faces done.

    Raises:
        MethodError: the method gave images of another shape or type, or its own reason.
        DataError: a face cannot be read.
    """
    import torch

    from ..datasets import codec
    from ..datasets.loader import in_order
    from ..datasets.recordio import RecordIOWriter

    privatize = method.load(fitted, device=device)
    hashes: list[str] = []
    with RecordIOWriter(out, faces.identities) as pack, ThreadPoolExecutor() as pool:
        for places, images, labels in in_order(faces, _BATCH):
            private = _checked(privatize, images, torch.from_numpy(seeds(seed, indices[places])), device)
            for encoded, label in zip(pool.map(lambda i: codec.encode(i, kind=encoding), private), labels, strict=True):
                pack.add(encoded, int(label))
                hashes.append(hashlib.sha256(encoded).hexdigest())
            progress(len(hashes), len(faces))
    _write_manifest(out / MANIFEST, method, name, faces.labels, indices, hashes)


def _checked(privatize: Privatizer, images: torch.Tensor, own: torch.Tensor, device: torch.device) -> torch.Tensor:
    import torch

    with torch.inference_mode():
        private = privatize(images.to(device), own.to(device))
    if private.shape != images.shape or private.dtype != torch.uint8:
        raise MethodError(
            f"private faces: expected uint8 {list(images.shape)}, got {private.dtype} {list(private.shape)}; "
            "a method keeps shape, type and order"
        )
    return private.cpu()


def _write_manifest(
    path: Path,
    method: Method,
    name: str,
    labels: NDArray[np.int64],
    indices: NDArray[np.int64],
    hashes: list[str],
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    n = len(hashes)
    parquet.write_table(
        pa.table(
            {
                "private_index": np.arange(n),
                "identity": labels,
                "source_index": indices,
                "sha256": hashes,
                "method": pa.array([name] * n).dictionary_encode(),
                "parameters": pa.array(
                    [json.dumps(spell(method)["parameters"], sort_keys=True)] * n
                ).dictionary_encode(),
            }
        ),
        path,
    )


class Privatized:
    """Private versions of some faces, made as they are read: what anybody can do who has the published method."""

    def __init__(self, faces: Faces, privatize: Privatizer, *, seed: int, device: torch.device) -> None:
        self._faces, self._privatize, self._device = faces, privatize, device
        self._seeds = seeds(seed, np.arange(len(faces), dtype=np.int64))
        self.identities, self.labels, self.names = faces.identities, faces.labels, faces.names

    def __len__(self) -> int:
        return len(self._faces)

    def __getitem__(self, index: int) -> Face:
        import torch

        image, identity = self._faces[index]
        private = _checked(self._privatize, image[None], torch.from_numpy(self._seeds[[index]]), self._device)
        return Face(private[0], identity)

    def encoded(self, index: int) -> bytes:
        """As a lossless file."""
        from ..datasets import codec

        return codec.encode(self[index].image)
