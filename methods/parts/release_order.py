"""The order of a release: that of the private images' digests, which tells nothing of the originals' order or names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def release_order(
    identity: NDArray[np.int64], digest: NDArray[np.uint8], ties: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number people by their smallest image digest, and a person's faces by theirs.

    Args:
        identity: [N], whose face each is, by any number.
        digest: [N, 32], SHA-256 of the image files.
        ties: [N], secret numbers by which equal images are ordered: in the originals' order they would tell who is who
            in a group of equal faces, which a bound of 1 / k counts on nobody telling.

    Returns:
        [N], each person's number in the release, ascending, and [N], which face stands there.
    """
    words = np.ascontiguousarray(digest[:, :16]).view(">u8")  # half of a digest tells any two images apart
    by_image = np.lexsort((ties, words[:, 1], words[:, 0]))
    _, first = np.unique(identity[by_image], return_index=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    labels = number[np.unique(identity, return_inverse=True)[1]]
    order = np.lexsort((ties, words[:, 1], words[:, 0], labels))
    return labels[order], order
