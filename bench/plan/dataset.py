"""From what a user names as a dataset to descriptions that can be opened: a card, a path, or a plug-in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ...datasets.base import DataError, FaceSource, PairSource
from ...datasets.catalog import cards
from ..plugins import build, names, provided

Source = TypeVar("Source", FaceSource, PairSource)
Entry = str | Mapping[str, Any]
"""A name or a path, or `{use: NAME, ...}` with parameters."""
SET_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
"""What a verification set may be called: stages and scores have its name."""


@dataclass(frozen=True)
class Found:
    """A dataset that is there, and what it is called."""

    name: str
    """Of the card or the plug-in, or the last part of the path."""
    data: cards.Resolved


def find(
    entry: Entry,
    root: Path,
    *,
    synthetic: Mapping[str, Any] | None = None,
    verification: Mapping[str, Entry] | None = None,
    resize: bool = False,
) -> Found:
    """Find a dataset and its verification sets.

    A bare name is that of a card, else of a folder that is there, else of a plug-in.

    Args:
        entry: what the user named.
        root: the folder in which cards look for their data.
        synthetic: parameters of the card `synthetic`; those of the entry win over them.
        verification: further verification sets, plug-ins by the name they get.
        resize: whether square faces of another size are scaled, by every format that has a parameter of this name.

    Raises:
        MissingData: a card is known, and its data is not there.
        DataError: there is no such dataset, it cannot be used, or a verification set has no name of its own.
        PluginError, UnknownPlugin: a plug-in cannot be built from its parameters.
    """
    found = _find(entry, root, synthetic or {})
    pairs = dict(found.data.pairs)
    for name, given in (verification or {}).items():
        if name in pairs:
            raise DataError(
                f"verification.{name}: the dataset {found.name} has a set of that name; choose another name"
            )
        pairs[name] = build(PairSource, given, where=f"verification.{name}")
    source = found.data.source
    if resize:
        source, pairs = _scaled(source), {name: _scaled(each) for name, each in pairs.items()}
    return Found(found.name, replace(found.data, source=source, pairs=pairs))


def called(entry: Entry) -> str:
    """What an entry names, for messages."""
    return entry if isinstance(entry, str) else str(entry.get("use", entry))


def _find(entry: Entry, root: Path, synthetic: Mapping[str, Any]) -> Found:
    use = entry if isinstance(entry, str) else entry.get("use")
    parameters = {} if isinstance(entry, str) else {key: value for key, value in entry.items() if key != "use"}
    if isinstance(use, str) and use in cards.names():
        if parameters and cards.load(use).layout != "synthetic":
            raise DataError(
                f"dataset.{next(iter(parameters))}: a known dataset such as {use} has no parameters; leave it out, or "
                f"name a format of `bench list datasets` in place of {use}"
            )
        return Found(use, cards.resolve(use, root, synthetic={**synthetic, **parameters}))
    if isinstance(entry, str) and not (_bare(entry) and provided(FaceSource, entry)):
        data = cards.resolve(entry, root, others=_faces())  # first: it refuses a path that cannot be followed
        return Found(Path(entry).resolve().name, data)
    source = build(FaceSource, entry, where="dataset")
    name = called(entry)
    return Found(name, cards.Resolved(None, source, _own_sets(name, source), None))


def _scaled(source: Source) -> Source:
    return source.model_copy(update={"resize": True}) if "resize" in type(source).model_fields else source


def _bare(entry: str) -> bool:
    """Whether it is a name, and not that of a folder that is there."""
    with suppress(OSError, ValueError):
        return len(Path(entry).parts) == 1 and not Path(entry).exists()
    return False


def _faces() -> tuple[str, ...]:
    return tuple(name for name in names(FaceSource) if provided(FaceSource, name))


def _own_sets(name: str, source: FaceSource) -> dict[str, PairSource]:
    """The verification sets that come with the faces of a plug-in.

    Raises:
        DataError: they are not what the contract says.
    """
    found = source.verification()
    for each, pairs in found.items():
        if not isinstance(pairs, PairSource) or not re.fullmatch(SET_NAME, str(each)):
            raise DataError(
                f"dataset {name}: verification: expected `PairSource`s by names of letters, digits, _ . and -, got "
                f"{str(each)[:40]!r}: {type(pairs).__name__}; correct the plug-in"
            )
    return dict(found)
