"""Rows of faces as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_GAP = 4
"""White pixels around every face."""


def write_grid(rows: Sequence[Tensor], path: Path) -> None:
    """Write a PNG of faces, one row of the picture a tensor.

    It shows faces: callers see to it that they stay in the store, are of nobody, or that the user asked.

    Args:
        rows: uint8 [B, 3, H, W] each, of one size.
        path: the file to write.

    Raises:
        OSError: it cannot be written.
    """
    import cv2
    import torch
    from torch.nn.functional import pad

    framed = [pad(faces.cpu(), (_GAP, _GAP, _GAP, _GAP), value=255) for faces in rows]
    picture = torch.cat([torch.cat(list(faces), dim=2) for faces in framed], dim=1).permute(1, 2, 0).numpy()
    done, data = cv2.imencode(".png", picture[..., ::-1])
    assert done  # noqa: S101 - OpenCV encodes any uint8 image
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_bytes(data.tobytes())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
