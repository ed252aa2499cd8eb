"""Run a fitted method over faces, and write the private dataset: an ordinary pack with a manifest."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ..datasets.base import Faces, Progress, silent
from ..methods.base import Method, MethodError, Publish
from .plugins import spell

if TYPE_CHECKING:
    import torch

Encoding = Literal["png", "jpeg"]
MANIFEST = "manifest.parquet"
_BATCH = 256


def release(
    method: Method,
    name: str,
    fitted: Path,
    faces: Faces,
    places: NDArray[np.int64],
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
        places: [N], where each face stands in its dataset: its seed, and the manifest's `source_index`.
        out: gets `train.rec`, `train.idx`, `property` and the manifest.
        seed: of the release.
        device: where to compute.
        encoding: `png` is lossless; `jpeg` has quality 95.
        progress: told of faces done.

    Raises:
        MethodError: the method gave images of another shape or type, or its own reason.
        DataError: a face cannot be read.
    """
    from ..datasets import codec
    from ..datasets.recordio import RecordIOWriter

    private = method.publish(fitted, faces, Publish(seed=seed, device=device, places=places))
    hashes: list[str] = []
    with RecordIOWriter(out, private.identities) as pack, ThreadPoolExecutor() as pool:
        for start in range(0, len(private), _BATCH):
            rows = np.arange(start, min(start + _BATCH, len(private)))
            images = private.take(rows)
            for encoded, row in zip(pool.map(lambda i: codec.encode(i, kind=encoding), images), rows, strict=True):
                pack.add(encoded, int(private.labels[row]))
                hashes.append(hashlib.sha256(encoded).hexdigest())
            progress(len(hashes), len(private))
    index = None if private.source is None else places[private.source]
    _write_manifest(out / MANIFEST, method, name, private.labels, index, hashes)


def sources(release: Path, places: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """[N], which of the originals at `places` each private face was made from; None where none was from one.

    Raises:
        MethodError: the manifest names an original that is not among them.
    """
    from pyarrow import parquet

    column = parquet.read_table(release / MANIFEST, columns=["source_index"])["source_index"]
    if column.null_count:
        return None
    index = column.to_numpy()
    order = np.argsort(places)
    at = np.searchsorted(places, index, sorter=order).clip(max=len(places) - 1)
    rows: NDArray[np.int64] = order[at]
    if not np.array_equal(places[rows], index):
        raise MethodError(
            f"{release / MANIFEST}: expected sources among the released people, got others; run with --force release"
        )
    return rows


def _write_manifest(
    path: Path,
    method: Method,
    name: str,
    labels: NDArray[np.int64],
    index: NDArray[np.int64] | None,
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
                "source_index": pa.array([None] * n if index is None else index, pa.int64()),
                "sha256": hashes,
                "method": pa.array([name] * n).dictionary_encode(),
                "parameters": pa.array(
                    [json.dumps(spell(method)["parameters"], sort_keys=True)] * n
                ).dictionary_encode(),
            }
        ),
        path,
    )
