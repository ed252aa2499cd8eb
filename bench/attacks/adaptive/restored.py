"""Private faces as a restoring network gives them, and a picture of some."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....datasets.base import Faces
from ....methods.base import PrivateFaces
from ..base import Paired

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Restored(PrivateFaces):
    """Faces that a network restores as they are read; labels and order are those of the private ones."""

    source = None

    def __init__(self, private: Faces, network: nn.Module, device: torch.device) -> None:
        self._private, self._network, self._device = private, network, device
        self.identities, self.labels, self.names = private.identities, private.labels, private.names

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        """Some of them, uint8 [B, 3, SIZE, SIZE]."""
        import torch

        from ....facemae.runtime.pixels import to_float, to_uint8

        images = torch.stack([self._private[row].image for row in rows.tolist()])
        made = []
        with torch.inference_mode():
            for part in images.split(256):
                x = to_float(part.to(self._device)).contiguous(memory_format=torch.channels_last)
                made.append(to_uint8(self._network(x)).cpu())
        return torch.cat(made)


def picture(people: Paired, restored: Faces, path: Path, *, shown: int) -> None:
    """Draw a face of some people three times: original above, private in the middle, restored below."""
    import torch

    from ....datasets.views.grid import write_grid

    _, first = np.unique(people.private.identity, return_index=True)
    rows = first[:shown].tolist()
    originals = [people.original_faces[int(people.source[row])].image for row in rows]
    lines = [originals, [people.private_faces[row].image for row in rows], [restored[row].image for row in rows]]
    write_grid([torch.stack(line) for line in lines], path)
