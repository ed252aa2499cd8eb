"""What is known of each dataset before it is opened, and from a name or a path to its files.

A card is a YAML file in `cards/`: what the set is, where it is looked for, how it is obtained and under what
terms. Nothing is ever downloaded.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..base import DataError, FaceSource, PairSource
from ..files import safe_yaml
from ..files.entries import is_litter, nobodys
from .formats import format_of
from .verification_sets import beside

FOLDER = Path(__file__).parent.parent / "cards"
PACK = ("train.rec", "property")
"""Without these a pack cannot be read; `train.idx` is made up where it is missing."""

Layout = Literal["recordio", "folder", "synthetic"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$")]

_NOTHING = "no such folder"


class MissingData(DataError):
    """A known dataset whose files are not there; the message says what it is and how to get it."""


class Verification(BaseModel):
    """A verification set that belongs to a dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    use: Literal["bin", "pairs", "synthetic"]
    file: Name | None = None
    """Beside the faces; for `bin` and `pairs`."""
    kind: Name | None = None
    """For `synthetic`."""

    @model_validator(mode="after")
    def _fits(self) -> Verification:
        if (self.use == "synthetic") != (self.file is None) or (self.use == "synthetic") != (self.kind is not None):
            raise ValueError("`bin` and `pairs` have a file and no kind, `synthetic` has a kind and no file")
        return self


class Card(BaseModel):
    """What is known of a dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    name: Name
    title: str
    about: str
    layout: Layout
    """The usual one; a pack that was converted to folders, or the other way round, is found as well."""
    folders: tuple[Name, ...] = ()
    """Where it is looked for, below the data root; the first that has it is taken."""
    identities: Annotated[int, Field(ge=1, le=10**12)] | None = None
    images: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """Of the full set; None where a parameter decides."""
    exact: bool = True
    """Whether a copy with other counts is damaged; else counts depend on how the copy was made."""
    verification: dict[Name, Verification]
    obtain: str
    terms: str
    overlap: str
    """What is known of people who are in the verification sets, too."""

    @model_validator(mode="after")
    def _fits(self) -> Card:
        if self.layout != "synthetic" and not (self.folders and self.identities and self.images):
            raise ValueError("a dataset of files has folders, identities and images")
        return self


@dataclass(frozen=True)
class Resolved:
    """A dataset that is there: descriptions that can be opened."""

    card: Card | None
    """None for a path."""
    source: FaceSource
    pairs: dict[str, PairSource]
    """The verification sets that are there, those of the card first; may be empty."""
    root: Path | None
    """Where the files are; None where there are none."""
    absent: dict[str, Path] = field(default_factory=dict)
    """Verification sets that the card knows and that are not there."""
    unused: dict[str, str] = field(default_factory=dict)
    """What lies beside the faces, looks as if it belonged to them, and is left out; and why."""


def names() -> tuple[str, ...]:
    """The names of all cards, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load(name: str, *, others: Sequence[str] = ()) -> Card:
    """Read a card.

    Args:
        name: of the card.
        others: names that would have been understood as well, to be offered where they are near.

    Raises:
        DataError: there is none of that name; the message offers near ones.
    """
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, [*known, *others], n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(known)}."
        raise DataError(
            f"no dataset named {name!r}, and no such path. {hint} Or give the path of a pack (train.rec, property) or "
            "of a folder with one folder an identity."
        )
    path = FOLDER / f"{name}.yaml"
    content = safe_yaml.load(path)
    try:
        card = Card.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{path}: not a dataset card: {place}: {first['msg']}. Correct it there.") from error
    if card.name != name:
        raise DataError(f"{path}: expected the card of {name}, got that of {card.name}. Rename one of them.")
    return card


def resolve(
    dataset: str, data_root: Path, *, synthetic: Mapping[str, Any] | None = None, others: Sequence[str] = ()
) -> Resolved:
    """Find a dataset's files.

    Args:
        dataset: a card's name; or the path of a pack or of a folder of identities, with `*.bin` or LFW's `pairs.txt`
            beside the faces.
        data_root: the folder in which cards look for their data.
        synthetic: for the card `synthetic`: people, images (a person), seed; pairs (of each verification set).
        others: names that the caller knows beside cards, for the message where there is neither.

    Raises:
        MissingData: the card is known and its data is not there, or not all of it.
        DataError: there is no such card or path, or nothing of ours at the path.
    """
    if dataset in names():
        card = load(dataset)
        return _synthetic(card, dict(synthetic or {})) if card.layout == "synthetic" else _known(card, data_root)
    try:
        root = Path(dataset).expanduser()
    except RuntimeError as error:
        raise DataError(f"{dataset}: there is no such user; expected a card's name or a path") from error
    if root.name == "train.rec":
        root = root.parent
    lack = _lack(root)
    if lack == _NOTHING and len(Path(dataset).parts) == 1:
        load(dataset, others=others)  # raises, with near names
    if lack:
        raise DataError(
            f"{root}: {lack}. Expected a pack (train.rec, property) or a folder with one folder an identity. Check the "
            f"path; known datasets are {', '.join(names())}."
        )
    return _found(None, root)


def _known(card: Card, data_root: Path) -> Resolved:
    looked = []
    for folder in card.folders:
        root = data_root.absolute() / folder
        lack = _lack(root)
        if not lack:
            return _found(card, root)
        looked.append(f"  {root}: {lack}")
    sets = ", ".join(known.file for known in card.verification.values() if known.file)
    what = " and ".join(PACK) if card.layout == "recordio" else "one folder an identity"
    raise MissingData(
        f"dataset {card.name}: {card.title} ({card.identities:,} identities, {card.images:,} images) is not there.\n"
        f"Looked for {what} in:\n" + "\n".join(looked) + f"\nPut it into one of these folders, with its verification "
        f"sets beside it ({sets}); or name another data folder with --data or $FACEBENCH_DATA; or give the path of the "
        f"set itself.\nHow it is obtained: {card.obtain}\nTerms: {card.terms}"
    )


def _lack(root: Path) -> str:
    """What a folder lacks to be a dataset; empty where it lacks nothing."""
    try:
        if not root.is_dir():
            return "not a folder" if root.exists() else _NOTHING
        missing = [name for name in PACK if not (root / name).is_file()]
        if not missing or (len(missing) == len(PACK) and _has_folders(root)):
            return ""
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if missing == ["property"]:
        return _without_property(root)
    return f"a pack without its {missing[0]}" if len(missing) == 1 else f"neither {' nor '.join(PACK)} nor folders"


def _without_property(root: Path) -> str:
    from ..files.mxnet_pack import likely_property

    line = likely_property(root)
    found = f"; by its labels the line is `{line}`" if line else ", such as `10572,112,112`"
    return (
        "a pack without its property, a text file of one line, `identities,112,112`: how many people there are, and "
        f"height and width of the faces{found}"
    )


def _has_folders(root: Path) -> bool:
    return any(entry.is_dir() and not is_litter(entry.name) for entry in root.iterdir())


def _found(card: Card | None, root: Path) -> Resolved:
    packed = (root / PACK[0]).is_file()
    try:
        sets = beside(root, card.verification if card else {}, packed=packed)
        lost = 0 if packed else nobodys(root)
    except OSError as error:
        raise DataError(f"{root}: cannot be read ({error.strerror}); check the path and its rights") from error
    source = format_of(FaceSource, "recordio" if packed else "folder").model_validate({"root": root})
    unused = dict(sets.unused)
    if lost:
        unused[f"{lost:,} images beside the folders of people"] = "nobody's; put each into the folder of its person"
    return Resolved(card, source, sets.pairs, root, sets.absent, unused)


def _synthetic(card: Card, parameters: dict[str, Any]) -> Resolved:
    of_pairs = {key: parameters[key] for key in ("pairs", "seed") if key in parameters}
    of_faces = {key: value for key, value in parameters.items() if key != "pairs"}
    try:
        source = format_of(FaceSource, card.layout).model_validate(of_faces)
        pairs = {
            name: format_of(PairSource, known.use).model_validate({"kind": known.kind, **of_pairs})
            for name, known in card.verification.items()
        }
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(["synthetic", *(str(part) for part in first["loc"])])
        raise DataError(
            f"{place}: {first['msg']}, got {str(first['input'])[:40]!r}. Parameters are people, images, seed and pairs."
        ) from error
    return Resolved(card, source, dict(pairs), None)
