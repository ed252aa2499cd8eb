"""A word beside private faces that lie in a store, for whoever finds the folder."""

from __future__ import annotations

from pathlib import Path

NOTICE = "NOT-FOR-SHARING.txt"
TEXT = """This folder is not for sharing.

It is a working stage of a benchmark. The private faces in it stand in the order of their originals, and
manifest.parquet says which original each of them was made from: whoever has both can undo the privacy
without any attack. The random numbers behind these faces follow from a seed that is published, too.

A private dataset to give away is made by `bench privatize`, which mixes the order and leaves the sources out.
"""


def warn(folder: Path) -> None:
    """Leave the notice in a folder of private faces that a stage writes; it is no part of any key."""
    (folder / NOTICE).write_text(TEXT, encoding="utf-8")
