"""Who is in the training faces and in a verification set as well, by name; no name leaves this file.

A recognizer that has seen a person verifies pairs of that person better than pairs of strangers, so accuracy on a set
that shares people with the dataset is too high.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...datasets.base import DataError, FaceSource
from ...datasets.files.regular import open_regular
from .plan import ConfigError

LARGEST = 16 << 20
"""Bytes of a list of names that is still read; one of a million people has about as many."""
LONGEST = 300
"""Characters of a name."""
_GAPS = re.compile(r"[\s_-]+")


class Shared(NamedTuple):
    """The people of a verification set that are in the dataset, as counts."""

    on: str
    """The verification set."""
    listed: int
    """People in its list."""
    shared: int
    """Those of them that are in the dataset."""
    released: int
    """Those of them that are in role P, from whose private faces the recognizer learns."""
    digest: str
    """SHA-256 of the list's file. One of the shared names would tell them: few candidates, and they are known."""

    def __str__(self) -> str:
        """What a record says of it."""
        doubt = "" if self.shared else "; are names spelled alike?"
        return (
            f"{self.on}: {self.shared:,} of {self.listed:,} people are also in the dataset, {self.released:,} of them "
            f"in role P (list sha256 {self.digest[:16]}{doubt})"
        )


def shared(
    files: Mapping[str, Path],
    sets: Collection[str],
    source: FaceSource,
    names: Sequence[str],
    released: Collection[int],
) -> tuple[Shared, ...]:
    """Count the people of verification sets that are in the dataset, too.

    Args:
        files: by verification set, a file with a name of its people on each line.
        sets: the verification sets that there are.
        source: of the dataset; only a folder has names.
        names: [identities], of the dataset's people.
        released: labels of role P.

    Raises:
        ConfigError: a set is unknown.
        DataError: the dataset has no names, or a file is missing, empty, far too large, or no text.
    """
    from ...datasets.folder import Folder

    for on in files:
        if on not in sets:
            near = difflib.get_close_matches(on, sets, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(sets))}"
            raise ConfigError(f"people_of.{on[:80]}: no verification set of this name; {hint}")
    if files and not isinstance(source, Folder):
        raise DataError(
            "people_of: expected a dataset that is a folder of people, whose names can be compared, got one without "
            "names (a pack numbers its people, synthetic ones have none); leave people_of out, or give the folder that "
            "the pack was made from"
        )
    known = [spelled(name) for name in names]
    private = {known[label] for label in released}
    found = []
    for on, path in sorted(files.items()):
        listed, digest = _listed(path, f"people_of.{on}")
        found.append(Shared(on, len(listed), len(listed & set(known)), len(listed & private), digest))
    return tuple(found)


def told(found: Sequence[Shared], sets: Collection[str]) -> str:
    """What a record says of all verification sets."""
    unchecked = [on for on in sets if on not in {each.on for each in found}]
    parts = [*map(str, found), *([f"{', '.join(unchecked)}: unchecked"] if unchecked and found else [])]
    return "; ".join(parts) or "unchecked"


def notes(found: Sequence[Shared]) -> list[str]:
    """What a reader of the board has to know: where the recognizer has met people of a verification set."""
    met = [each for each in found if each.released]
    said = "; ".join(f"{each.released:,} of {each.listed:,} people of {each.on} are in role P" for each in met)
    return [f"trained on people of {', '.join(each.on for each in met)}: {said}"] if met else []


def spelled(name: str) -> str:
    """A name as it is compared: without case, compatibility forms, and the kind of gap between its words."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return _GAPS.sub(" ", folded).strip()


def _listed(path: Path, where: str) -> tuple[set[str], str]:
    """The names of a file, as they are compared, and the digest of its content; what follows a tab is no name."""
    wanted = "expected a text file in UTF-8 with one name a line"
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise DataError(f"{where}: {path}: {wanted}, cannot read it ({error.strerror or error})") from error
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where}: {wanted}, got a path with a zero in it") from error
    if len(content) > LARGEST:
        raise DataError(f"{where}: {path}: {wanted}, of at most {LARGEST >> 20} MiB, got more")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: {path}: {wanted}, got other bytes at place {error.start:,}; save it as UTF-8"
        ) from error
    lines = [line.partition("\t")[0] for line in text.splitlines()]
    for number, line in enumerate(lines, start=1):
        if "\0" in line or len(line) > LONGEST:
            raise DataError(
                f"{where}: {path}, line {number}: {wanted}, got {'a zero byte' if chr(0) in line else 'a longer line'}"
                f" (at most {LONGEST} characters); is it a list of names?"
            )
    names = {name for line in lines if (name := spelled(line))}
    if not names:
        raise DataError(f"{where}: {path}: {wanted}, got no name")
    return names, hashlib.sha256(content).hexdigest()
