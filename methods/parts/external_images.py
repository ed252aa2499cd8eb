"""The private images of another tool, as a private set: read from a folder or a pack, decoded when they are asked for.

Errors name an image by its row in the manifest: the name of its file may be a person's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import DataError, Faces
from ...datasets.files.image_header import MAX_BYTES
from ..base import PrivateFaces
from .external_manifest import rows

if TYPE_CHECKING:
    from torch import Tensor


class Images(ABC):
    """Encoded images, one for each original."""

    @abstractmethod
    def read(self, index: int, where: str) -> bytes:
        """The image of original `index`, which has one, as its file has it.

        Raises:
            DataError: it cannot be read; the message begins with `where`.
        """

    def there(self, index: int) -> bool:
        """Whether there is anything in the place of the image of original `index`."""
        return True


class PackImages(Images):
    """Images in a pack, at `indices` [N]."""

    def __init__(self, pack: Faces, indices: NDArray[np.int64]) -> None:
        self._pack, self._indices = pack, indices

    def read(self, index: int, where: str) -> bytes:
        return self._pack.encoded(int(self._indices[index]))


class FileImages(Images):
    """Images in files below a folder, at relative `paths` [N] that are not to be trusted."""

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self._root, self._inside, self._paths = root, root.resolve(), paths

    def there(self, index: int) -> bool:
        """Whether there is anything of this name, be it no image."""
        try:
            (self._root / self._paths[index]).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except (OSError, ValueError):  # too long, or a zero in it: told when it is read
            return True
        return True

    def read(self, index: int, where: str) -> bytes:
        text = self._paths[index]
        try:
            file = (self._root / text).resolve()
            if not file.is_relative_to(self._inside):  # absolute, or by way of .. or a link
                raise DataError(f"{where}: expected the path of a file inside the folder, got one that leads out of it")
            if not file.is_file():  # what is no file may never end
                raise DataError(f"{where}: expected an image file, got no file of this name")
            with file.open("rb") as opened:
                data = opened.read(MAX_BYTES + 1)
        except (OSError, RuntimeError, ValueError) as error:  # the latter two: a link to itself, a zero in the name
            if isinstance(error, DataError):
                raise
            said = error.strerror if isinstance(error, OSError) else "no possible path"
            raise DataError(f"{where}: cannot be read ({said})") from None
        return data


class ExternalFaces(PrivateFaces):
    """One private face for each original that has one, in their order.

    Args:
        originals: [N].
        images: of each original.
        row: [N], of the manifest.
        made: [Q], the originals that have a private face.
        resize: whether to scale images of another size.
    """

    def __init__(
        self, originals: Faces, images: Images, row: NDArray[np.int64], made: NDArray[np.int64], *, resize: bool
    ) -> None:
        self._images, self._row, self._resize = images, row, resize
        self.identities, self.labels, self.names = originals.identities, originals.labels[made], originals.names
        self.source: NDArray[np.int64] = made

    def take(self, rows: NDArray[np.int64]) -> Tensor:
        import torch

        from ...datasets.files.codec import decode

        return torch.stack([decode(self.encoded(i), where=self._where(i), resize=self._resize) for i in rows.tolist()])

    def encoded(self, index: int) -> bytes:
        """As the other tool wrote it."""
        return self._images.read(int(self.source[index]), self._where(index))

    def _where(self, index: int) -> str:
        return rows(self._row[self.source[[index]]])
