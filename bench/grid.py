"""A picture of some faces before and after they were made private."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..datasets.base import Faces
from ..datasets.grid import write_grid
from ..datasets.recordio import RecordIO
from .steps import Steps

COLUMNS = 10


def draw_grid(steps: Steps, path: Path) -> None:
    """Draw the first face of some people of role P above its private version, as a PNG.

    Where private faces show new people there is nothing above: three rows of private faces, a person a column.
    It shows faces: callers see to it that they are synthetic, or that the user asked.

    Args:
        steps: of a run whose release is made.
        path: the file to write.
    """
    import torch

    private: Faces = RecordIO(root=steps.path(steps.release)).open()

    def row(faces: Faces, number: int) -> torch.Tensor:
        first = np.unique(faces.labels, return_index=True)[1][:COLUMNS]
        return torch.stack([faces[min(int(index) + number, len(faces) - 1)].image for index in first])

    if steps.method.sourced:
        write_grid([row(steps.data.role("P"), 0), row(private, 0)], path)
    else:
        write_grid([row(private, number) for number in range(3)], path)
