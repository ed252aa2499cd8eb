"""The verification sets that lie beside the faces of a dataset: those that its card knows, and others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from ..base import DataError, PairSource
from ..files.entries import is_litter
from .formats import format_of

LIST = "pairs.txt"
"""LFW's list of pairs, beside the faces."""
LONGEST = 100
"""Characters of a set's name: it becomes part of the names of files and scores."""
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


class Known(Protocol):
    """A set as a card knows it."""

    @property
    def use(self) -> str: ...
    @property
    def file(self) -> str | None: ...


class Beside(NamedTuple):
    """What lies beside the faces."""

    pairs: dict[str, PairSource]
    """Those of the card first."""
    absent: dict[str, Path]
    """Those that the card knows and that are not there."""
    unused: dict[str, str]
    """Files that look like a set and cannot be one here, and why."""


def beside(root: Path, known: Mapping[str, Known], *, packed: bool) -> Beside:
    """Find the verification sets of a folder.

    Args:
        root: the folder of the faces.
        known: the sets that the dataset's card knows; none where it has no card.
        packed: whether the faces are a pack, which has no files that LFW's list could name.

    Raises:
        DataError: a file cannot be a set because of its name.
    """
    bins, lists = format_of(PairSource, "bin"), format_of(PairSource, "pairs")
    pairs: dict[str, PairSource] = {}
    absent: dict[str, Path] = {}
    unused: dict[str, str] = {}
    for name, each in known.items():
        path = root / str(each.file)
        if each.use == "pairs" and packed:
            continue
        if not path.is_file():
            absent[name] = path
        elif each.use == "bin":
            pairs[name] = bins.model_validate({"path": path})
        else:
            pairs[name] = lists.model_validate({"root": root, "path": path})
    taken = {each.file for each in known.values()}
    for number, path in enumerate(_bins(root)):
        if path.name in taken:
            continue
        if not _NAME.fullmatch(path.stem) or len(path.stem) > LONGEST or path.stem in pairs:
            raise DataError(
                f"{root}: file {number} of those named *.bin (from 0, in the order of their names): its name cannot be "
                f"that of a verification set. Expected letters, digits, _ . - (at most {LONGEST}) and a name of its "
                "own; rename the file."
            )
        pairs[path.stem] = bins.model_validate({"path": path})
    if (root / LIST).is_file():
        if packed:
            unused[LIST] = "it names image files, which a pack has not; give the folder of people that it belongs to"
        elif LIST not in taken:
            if "pairs" in pairs:
                raise DataError(f"{root}: expected one verification set named pairs, got {LIST} and a .bin; rename one")
            pairs["pairs"] = lists.model_validate({"root": root, "path": root / LIST})
    return Beside(pairs, absent, unused)


def _bins(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if path.suffix.lower() == ".bin" and not is_litter(path.name) and not path.is_dir():
            yield path
