"""A private set that another tool made, read from its files."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import DirectoryPath

from ..datasets.base import DataError, Faces
from .base import Method, MethodError, NotMadeError, PrivateFaces, Publish
from .parts import external_manifest
from .parts.external_images import ExternalFaces, FileImages, Images, PackImages
from .parts.external_manifest import Column, Manifest, rows
from .parts.external_paths import relative

_SAMPLE = 64
"""Private faces that are looked at before a run."""


class External(Method):
    """A private set that another tool made, so that a published anonymizer is measured without porting it.

    Its images lie in a folder of any depth or in an InsightFace pack; a manifest says from which original each was
    made. A run releases the people it draws for role P: rows of others are passed over, so one set of the whole dataset
    serves every seed. Several originals may share a private face, as in k-Same. Labels are the originals'; what the
    other tool calls its people is not looked at.

    An original without a private face is a failure of the method: the tool found no face in it. It has no row, an empty
    cell for its private image, or a row whose file is not there. The recognizer is trained without it; attackers do
    not find it, and what they find among the others is told beside that. Where more than half of the
    originals have none, the manifest is most likely that of other people, and is refused.

    What it does not protect: nothing is known of the other tool. On which people it was trained, which of its images it
    was tuned on, and whether an attacker may have it is for the user to say beside the record; attacks
    that make faces of other people private work only where the manifest has these people, too.

    Source: our own. Tools that give one image for each original, and so can be measured, are CIAGAN
    (arXiv 2005.09544) and DeepPrivacy2 (arXiv 2211.09454).
    """

    version: ClassVar[int] = 3  # what attackers lack of it was kept as a reason why they do not apply
    random: ClassVar[bool] = False
    repeatable: ClassVar[bool] = False
    complete: ClassVar[bool] = False

    path: DirectoryPath
    """The folder of the images, or of a pack (`train.rec`, `train.idx`, `property`); keys spell it by its content."""
    manifest: Path
    """CSV or Parquet with the columns `private` and `source`. `private` is an index in the pack, or a path relative to
    `path`. `source` is an index in the dataset, or, where that is a folder, a path relative to it. Indices count
    from 0, in a folder of identities in the order of the names of people and then of files. Paths may have
    backslashes, or be full paths of the machine on which the tool ran."""
    resize: bool = False
    """Whether to scale square private images of another size; else they have 112 x 112 pixels."""

    def publish(self, fitted: Path, originals: Faces, how: Publish) -> PrivateFaces:
        from ..datasets.catalog.check import check

        private = self._set(originals, how)
        if bad := check(private).undecodable:
            raise MethodError(_unusable(f"{len(bad):,} of {len(private):,}", bad[0].reason))
        return private

    def _set(self, originals: Faces, how: Publish) -> ExternalFaces:
        """The private faces of some originals, not looked at."""
        table = external_manifest.read(self.manifest)
        row = self._rows(table, originals, how)
        images = self._images(table.private, row)
        made = np.flatnonzero(row >= 0)
        made = made[[images.there(index) for index in made.tolist()]]
        self._refuse_few(row, made, how)
        return ExternalFaces(originals, images, row, made, resize=self.resize)

    def try_out(self, originals: Faces, how: Publish) -> None:
        """Read the manifest, and some of the images that it names.

        Raises:
            MethodError: it does not fit these originals, or an image cannot be used.
        """
        private = self._set(originals, how)
        some = np.unique(np.linspace(0, len(private) - 1, min(len(private), _SAMPLE)).astype(int))
        try:
            private.take(some)
        except DataError as error:
            raise MethodError(_unusable("one", str(error))) from None

    def _refuse_few(self, row: NDArray[np.int64], made: NDArray[np.int64], how: Publish) -> None:
        """Refuse a set that has private faces of few of these people."""
        if 2 * len(made) >= len(row):
            return
        lost = np.flatnonzero(row >= 0)
        if len(lost) and not len(made):
            self._fail(f"expected image files, got no file of this name for any, the first in {rows(row[lost])}")
        first = int(how.places[np.setdiff1d(np.arange(len(row)), made)[0]])
        raise NotMadeError(
            f"external: manifest {self.manifest}: expected private faces of at least half of the {len(row):,} released "
            f"originals, got none for {len(row) - len(made):,}, the first of them face {first} of the dataset; this "
            "method makes none: make them with the other tool, or name the manifest that belongs to this dataset"
        )

    def _rows(self, table: Manifest, originals: Faces, how: Publish) -> NDArray[np.int64]:
        """[N], the row of the manifest that belongs to each original; -1 where there is no private face."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from ..datasets.folder import FolderFaces
        from ..datasets.views.subset import Subset, origin

        # a view knows where its faces come from, even where a caller numbers them anew
        whole, places = origin(originals) if isinstance(originals, Subset) else (originals, how.places)
        unique, inverse = np.unique(places, return_inverse=True)
        source = table.source
        if isinstance(source, np.ndarray):
            wanted = pa.array(unique)
            beyond = np.flatnonzero(source >= len(whole))
            if isinstance(originals, Subset) and len(beyond):
                self._fail(
                    f"expected sources below {len(whole):,}, the size of the dataset, got others in {rows(beyond)}; "
                    "is it the manifest of another dataset?"
                )
        elif isinstance(whole, FolderFaces):
            files = [unicodedata.normalize("NFC", file) for file in whole.files]
            wanted = pa.array([files[place] for place in unique.tolist()])
            source = relative(source, set(files).__contains__, whole.root.name)
        else:
            self._fail("expected indices as sources, since the dataset is no folder of images, got paths")
        hit = pc.index_in(pa.array(source), value_set=wanted).fill_null(-1).to_numpy()
        used = np.flatnonzero(hit >= 0)
        count = np.bincount(hit[used], minlength=len(unique))
        if (count > 1).any():
            again = used[count[hit[used]] > 1]
            self._fail(
                f"expected one private face for each original, got several for {int((count > 1).sum()):,} of "
                f"{len(unique):,}, the first in {rows(again)}; leave one of them"
            )
        row = np.full(len(unique), -1)
        row[hit[used]] = np.where(table.made[used], used, -1)
        return row[inverse]

    def _images(self, private: Column, row: NDArray[np.int64]) -> Images:
        """Where the private image of each original is."""
        from ..datasets.recordio import RecordIO

        if (self.path / "train.rec").is_file():
            pack = RecordIO(root=self.path, resize=self.resize).open()
            if not isinstance(private, np.ndarray):
                self._fail("expected indices as private images, since they are in a pack, got paths")
            beyond = row[(row >= 0) & (private[row] >= len(pack))]
            if len(beyond):
                self._fail(
                    f"expected private images below {len(pack):,}, the size of the pack, got others in "
                    f"{rows(np.sort(beyond))}"
                )
            return PackImages(pack, private[row])
        if isinstance(private, np.ndarray):
            self._fail("expected paths as private images, since they are in a folder without train.rec, got indices")
        private = relative(private, self._is_file, self.path.name)
        return FileImages(self.path, private.take(row.clip(min=0)).to_pylist())

    def _is_file(self, text: str) -> bool:
        with suppress(OSError, ValueError):  # too long, or a zero in it
            return (self.path / text).is_file()
        return False

    def _fail(self, says: str) -> NoReturn:
        raise MethodError(f"external: manifest {self.manifest}: {says}")


def _unusable(count: str, reason: str) -> str:
    return (
        f"external: expected images of 112x112 pixels, got {count} that cannot be used, the first is that of the "
        f"manifest's {reason.partition('; ')[0]}; make them again, or set method.resize=true if they are aligned "
        "squares of another size"
    )
