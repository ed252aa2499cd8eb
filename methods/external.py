"""A private set that another tool made, read from its files."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import DirectoryPath

from ..datasets.base import Faces
from .base import Method, MethodError, NotMadeError, PrivateFaces, Publish
from .parts import external_manifest
from .parts.external_images import ExternalFaces, FileImages, Images, PackImages
from .parts.external_manifest import Column, rows


class External(Method):
    """A private set that another tool made, so that a published anonymizer is measured without porting it.

    Its images lie in a folder of any depth or in an InsightFace pack; a manifest says from which original each was
    made. A run releases the people it draws for role P: every original of theirs needs one private face,
    rows of others are passed over, so one set of the whole dataset serves every seed. Several originals may share a
    private face, as in k-Same. Labels are the originals'; what the other tool calls its people is not looked at.

    What it does not protect: nothing is known of the other tool. On which people it was trained, which of its images it
    was tuned on, and whether an attacker may have it is for the user to say beside the record; attacks
    that make faces of other people private work only where the manifest has these people, too.

    Source: our own. Tools that give one image for each original, and so can be measured, are CIAGAN
    (arXiv 2005.09544) and DeepPrivacy2 (arXiv 2211.09454).
    """

    version: ClassVar[int] = 2  # what attackers lack of it was kept as a reason why they do not apply
    random: ClassVar[bool] = False
    repeatable: ClassVar[bool] = False

    path: DirectoryPath
    """The folder of the images, or of a pack (`train.rec`, `train.idx`, `property`); keys spell it by its content."""
    manifest: Path
    """CSV or Parquet with the columns `private` and `source`. `private` is an index in the pack, or a path relative to
    `path`. `source` is an index in the dataset, or, where that is a folder, a path relative to it. Indices count
    from 0, in a folder of identities in the order of the names of people and then of files."""
    resize: bool = False
    """Whether to scale square private images of another size; else they have 112 x 112 pixels."""

    def publish(self, fitted: Path, originals: Faces, how: Publish) -> PrivateFaces:
        from ..datasets.catalog.check import check

        table = external_manifest.read(self.manifest)
        row = self._rows(table.source, originals, how)
        private = ExternalFaces(originals, self._images(table.private, row), row, resize=self.resize)
        bad = check(private).undecodable
        if bad:
            says = bad[0].reason.partition("; ")[0]
            raise MethodError(
                f"external: expected images of 112x112 pixels, got {len(bad):,} of {len(private):,} that cannot be "
                f"used, the first is that of the manifest's {says}; make them again, or set method.resize=true if "
                "they are aligned squares of another size"
            )
        return private

    def _rows(self, source: Column, originals: Faces, how: Publish) -> NDArray[np.int64]:
        """[N], the row of the manifest that belongs to each original."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from ..datasets.folder import FolderFaces
        from ..datasets.views.subset import Subset, origin

        # a view knows where its faces come from, even where a caller numbers them anew
        whole, places = origin(originals) if isinstance(originals, Subset) else (originals, how.places)
        unique, inverse = np.unique(places, return_inverse=True)
        if isinstance(source, np.ndarray):
            wanted = pa.array(unique)
            beyond = np.flatnonzero(source >= len(whole))
            if isinstance(originals, Subset) and len(beyond):
                self._fail(
                    f"expected sources below {len(whole):,}, the size of the dataset, got others in {rows(beyond)}; "
                    "is it the manifest of another dataset?"
                )
        elif isinstance(whole, FolderFaces):
            wanted = pa.array([unicodedata.normalize("NFC", whole.files[place]) for place in unique.tolist()])
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
        if (count == 0).any():
            missing = unique[count == 0]
            raise NotMadeError(
                f"external: manifest {self.manifest}: expected a private face for each of the {len(unique):,} released "
                f"originals, got none for {len(missing):,}, the first of them face {int(missing[0])} of the dataset; "
                "make the missing ones with the other tool, too: this method makes none"
            )
        row = np.empty(len(unique), np.int64)
        row[hit[used]] = used
        return row[inverse]

    def _images(self, private: Column, row: NDArray[np.int64]) -> Images:
        """Where the private image of each original is."""
        from ..datasets.recordio import RecordIO

        if (self.path / "train.rec").is_file():
            pack = RecordIO(root=self.path, resize=self.resize).open()
            if not isinstance(private, np.ndarray):
                self._fail("expected indices as private images, since they are in a pack, got paths")
            beyond = row[private[row] >= len(pack)]
            if len(beyond):
                self._fail(
                    f"expected private images below {len(pack):,}, the size of the pack, got others in "
                    f"{rows(np.sort(beyond))}"
                )
            return PackImages(pack, private[row])
        if isinstance(private, np.ndarray):
            self._fail("expected paths as private images, since they are in a folder without train.rec, got indices")
        return FileImages(self.path, private.take(row).to_pylist())

    def _fail(self, says: str) -> NoReturn:
        raise MethodError(f"external: manifest {self.manifest}: {says}")
