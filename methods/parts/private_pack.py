"""Run a fitted method over faces, and write the private dataset: an ordinary pack with a manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Faces, Progress, silent
from ..base import Method, MethodError, PrivateFaces, Publish
from .owner_only import owner_only

if TYPE_CHECKING:
    import torch

Encoding = Literal["png", "jpeg"]
MANIFEST = "manifest.parquet"
BRAND = {"facebench_repeatable": "from a benchmark's public seed, in the originals' order: not for publication"}
"""What a manifest of a benchmark's private set says in its schema."""
_BATCH = 256


def release(
    method: Method,
    name: str,
    parameters: Mapping[str, Any],
    fitted: Path,
    faces: Faces,
    places: NDArray[np.int64],
    out: Path,
    *,
    key: bytes,
    device: torch.device,
    encoding: Encoding = "png",
    progress: Progress = silent,
) -> None:
    """Write the private version of some faces into the folder `out`, in their order: for a benchmark, not to be shared.

    The key follows from the run's seed, so anybody can make the faces again, and the order is that of the originals.

    Args:
        method: fitted into the folder `fitted`.
        name: of the method, for the manifest.
        parameters: of the method, spelled out, for the manifest.
        fitted: what `Method.fit` wrote.
        faces: the originals, sorted by identity.
        places: [N], where each face stands in its dataset, the manifest's `source_index`.
        out: gets `train.rec`, `train.idx`, `property` and the manifest.
        key: 32 bytes, from which all randomness follows.
        device: where to compute.
        encoding: `png` is lossless; `jpeg` has quality 95.
        progress: told of faces done.

    Raises:
        MethodError: the method gave images of another shape or type, or its own reason.
        DataError: a face cannot be read.
    """
    from ...datasets.recordio import RecordIOWriter

    private = method.publish(fitted, faces, Publish(key, device, places))
    hashes: list[str] = []
    with RecordIOWriter(out, private.identities) as pack:
        for row, image in encoded(private, range(len(private)), encoding):
            pack.add(image, int(private.labels[row]))
            hashes.append(hashlib.sha256(image).hexdigest())
            if len(hashes) % _BATCH == 0 or len(hashes) == len(private):
                progress(len(hashes), len(private))
    index = None if private.source is None else places[private.source]
    write_manifest(out / MANIFEST, name, parameters, private.labels, hashes, index=index, notes=BRAND)


def encoded(private: PrivateFaces, rows: range, encoding: Encoding) -> Iterator[tuple[int, bytes]]:
    """Some rows of a private set as image files, in order; while one batch is encoded, the next is made.

    Raises:
        MethodError, DataError: a face cannot be made, or its original cannot be read.
    """
    from ...datasets.files import codec

    with ThreadPoolExecutor() as pool:
        ahead: Iterator[tuple[int, bytes]] = iter(())
        for start in range(rows.start, rows.stop, _BATCH):
            batch = range(start, min(start + _BATCH, rows.stop))
            images = private.take(np.arange(batch.start, batch.stop))
            done = zip(batch, pool.map(lambda image: codec.encode(image, kind=encoding), images), strict=True)
            yield from ahead
            ahead = done
        yield from ahead


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


def write_manifest(
    path: Path,
    name: str,
    parameters: Mapping[str, Any],
    labels: NDArray[np.int64],
    hashes: Sequence[str],
    *,
    index: NDArray[np.int64] | None,
    linked: bool = True,
    private: bool = False,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write what is known of every private face, one row each.

    Args:
        path: of the Parquet file.
        name: of the method.
        parameters: of the method, spelled out.
        labels: [N], whose face it is.
        hashes: [N], SHA-256 of the image files.
        index: [N], which original each was made from; None where none was.
        linked: False leaves the column `source_index` out, for a manifest that may be shared.
        private: whether the file is for its owner alone.
        notes: kept in the file's schema.
    """
    import pyarrow as pa
    from pyarrow import parquet

    n = len(hashes)
    columns = {
        "private_index": np.arange(n),
        "identity": labels,
        "source_index": pa.array([None] * n if index is None else index, pa.int64()),
        "sha256": hashes,
        "method": pa.array([name] * n).dictionary_encode(),
        "parameters": pa.array([json.dumps(parameters, sort_keys=True)] * n).dictionary_encode(),
    }
    if not linked:
        del columns["source_index"]
    table = pa.table(columns)
    with owner_only(path) if private else path.open("wb") as file:
        parquet.write_table(table.replace_schema_metadata(dict(notes)) if notes else table, file)
