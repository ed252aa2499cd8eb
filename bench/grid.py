"""A picture of some faces before and after they were made private."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..datasets.recordio import RecordIO
from .steps import Steps

COLUMNS = 10
_GAP = 4


def draw_grid(steps: Steps, path: Path) -> None:
    """Draw the first face of some people of role P above its private version, as a PNG.

    It shows faces: callers see to it that they are synthetic, or that the user asked.

    Args:
        steps: of a run whose release is made.
        path: the file to write.
    """
    import cv2

    original, private = steps.data.role("P"), RecordIO(root=steps.path(steps.release)).open()
    first = np.unique(original.labels, return_index=True)[1][:COLUMNS]
    rows = [
        np.concatenate([_framed(faces[int(index)].image.permute(1, 2, 0).numpy()) for index in first], axis=1)
        for faces in (original, private)
    ]
    picture = np.concatenate(rows, axis=0)
    done, data = cv2.imencode(".png", picture[..., ::-1])
    assert done  # noqa: S101 - OpenCV encodes any uint8 image
    path.write_bytes(data.tobytes())


def _framed(image: np.ndarray) -> np.ndarray:
    return np.pad(image, ((_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=255)
