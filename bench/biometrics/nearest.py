"""The most alike face of a gallery, where no ranks are asked."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from .embeddings import Embeddings


def nearest(probes: Embeddings, gallery: Embeddings) -> NDArray[np.float32]:
    """[S], the highest similarity of each probe to any face of a gallery; NaN where nothing could be compared."""
    images = gallery.vectors[~np.isnan(gallery.vectors).any(axis=1)]
    asked = np.flatnonzero(~np.isnan(probes.vectors).any(axis=1))
    best = np.full(len(probes.identity), np.nan, np.float32)
    if len(images) and len(asked):
        similarity, _ = faiss.knn(
            np.ascontiguousarray(probes.vectors[asked]), images, 1, metric=faiss.METRIC_INNER_PRODUCT
        )
        best[asked] = similarity[:, 0]
    return best
