"""Find the images of a dataset that cannot be decoded, so that a run may pass over them."""

from __future__ import annotations

import json
from pathlib import Path

from ...datasets.base import Progress
from ..store.store import Store
from ..terminal.progress import Display
from .data import Data

DECODER = 2
"""Raised when other images count as damaged: since 2, those of which the decoder only warns do as well."""


def undecodable(data: Data, store: Store, display: Display) -> list[int]:
    """The indices of images that cannot be decoded; found once, then kept as a stage.

    Raises:
        DataError: the dataset itself is damaged.
    """

    def make(out: Path, progress: Progress) -> None:
        from ...datasets.catalog.check import check

        found = check(data.faces, progress=progress)
        (out / "bad.json").write_text(json.dumps([index for index, _ in found.undecodable]), encoding="utf-8")

    with display.stage("scan", "faces") as progress:
        stage = store.stage("scan", {"faces": data.fingerprint, "decoder": DECODER}, lambda out: make(out, progress))
    return [int(index) for index in json.loads((stage.path / "bad.json").read_bytes())]
