"""Which group every face of a dataset, and every pair of its verification sets, is in: as tables of the user's tell."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ...datasets.base import Faces, PairSource
from ...reports.board.subgroup_gaps import NOT_TOLD
from ...reports.result.record import GroupTable
from ..store.store import file_digest
from . import keys as group_keys
from .keys import Keys
from .table import LONGEST, GroupError, Table, fail, opened

if TYPE_CHECKING:
    from ...datasets.synthetic import SyntheticFaces, SyntheticPairs

MOST_NUMBERS = 20
"""Different values of a column of numbers; with more, it is a measurement, and has to be put into bins."""
MOST_GROUPS = 50
"""Groups of one column."""
OWN = "synthetic"
"""In place of a file: what the drawn faces know of themselves."""


class Tables(BaseModel):
    """Tables of groups, as a run names them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    table: Path | None = None
    """Of the faces: a column `image` or `identity`, and columns of groups; `synthetic` for drawn faces and pairs."""
    columns: tuple[str, ...] = ()
    """Those that are told; all where none is named."""
    pairs: dict[str, Path] = {}
    """Of verification sets, by name: a column `pair`, and columns of groups."""


@dataclass(frozen=True)
class Column:
    """One way to put trials into groups."""

    name: str
    groups: tuple[str, ...]
    """Sorted."""
    code: NDArray[np.int32]
    """[N], which of the groups each face or pair is in; -1 where the table does not tell."""


@dataclass(frozen=True)
class Grouping:
    """A table, read, over the faces or the pairs of one set."""

    table: GroupTable
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Groupings:
    """All that was told of groups; nothing by default."""

    faces: Grouping | None = None
    pairs: Mapping[str, Grouping] = field(default_factory=dict)
    """By the verification set's name."""

    def __bool__(self) -> bool:
        return self.faces is not None or bool(self.pairs)


def groupings(given: Tables, faces: Faces, pairs: Mapping[str, PairSource]) -> Groupings:
    """Read and check all tables of a run, before anything is made.

    Args:
        given: which tables.
        faces: of the dataset, all roles.
        pairs: its verification sets.

    Raises:
        GroupError: a table cannot be read, or does not fit the dataset.
    """
    from ...datasets.synthetic import SyntheticFaces, SyntheticPairs

    unknown = [name for name in given.pairs if name not in pairs]
    if unknown:
        raise GroupError(f"groups.pairs: {unknown[0]!r:.80}: no such verification set; there are {', '.join(pairs)}")
    of_pairs: dict[str, Grouping] = {}
    own = str(given.table) == OWN
    if own and not isinstance(faces, SyntheticFaces):
        raise GroupError(f"groups.table: {OWN} goes with the dataset synthetic alone; expected a CSV or Parquet file")
    for name, source in pairs.items():
        path = given.pairs.get(name, Path(OWN) if own else None)
        if path is None:
            continue
        if str(path) != OWN:
            of_pairs[name] = _read(path, name, given.columns, group_keys.of_pairs)
        elif isinstance(source, SyntheticPairs):
            of_pairs[name] = _own(source, name, given.columns)
        else:
            raise GroupError(f"groups.pairs: {name}: {OWN} goes with the dataset synthetic alone; expected a file")
    of_faces = None
    if isinstance(faces, SyntheticFaces) and own:
        of_faces = _own(faces, "faces", given.columns)
    elif given.table is not None:
        keyed = partial(group_keys.of_faces, faces=faces)
        of_faces = _read(given.table, "faces", given.columns, keyed)
    found = [*([of_faces] if of_faces else []), *of_pairs.values()]
    known = dict.fromkeys(name for grouping in found for name in grouping.table.columns)
    missing = [name for name in given.columns if name not in known]
    if missing and found:
        raise GroupError(
            f"groups.columns: no table has the column {missing[0]!r:.80}; expected one of the {len(known)} columns of "
            "groups that the tables' first lines name"
        )
    return Groupings(of_faces, of_pairs)


def _read(path: Path, of: str, wanted: Sequence[str], keyed: Callable[[Sequence[str], str], Keys]) -> Grouping:
    where = f"groups {path}"
    with opened(path) as table:
        keys = keyed(table.columns, where)
        chosen = [name for name in table.columns if name != keys.column and (name in wanted or not wanted)]
        if not chosen:
            hint = "none of groups.columns" if wanted else "none"
            fail(where, f"expected columns of groups beside {keys.column}, got {hint} in {len(table.columns)} columns")
        codes, groups = _codes(table, where, keys, chosen)
    columns = []
    for name, known in groups.items():
        order = sorted(known)
        place = np.array([order.index(group) for group in known] + [-1], np.int32)  # -1, not told, is the last
        columns.append(Column(name, tuple(order), place[codes[name]]))
    seen = codes[keys.column] == 0
    about = GroupTable(
        of=of,
        file=path.name,
        digest=file_digest(path),
        columns=tuple(chosen),
        told=int(seen.sum()),
        untold=int((~seen).sum()),
    )
    return Grouping(about, tuple(columns))


def _codes(
    table: Table, where: str, keys: Keys, chosen: Sequence[str]
) -> tuple[dict[str, NDArray[np.int32]], dict[str, dict[str, int]]]:
    """[N] of each column the group's number in order of appearance, and these numbers; the key's is 0 where told."""
    at, of = table.columns.index(keys.column), [table.columns.index(name) for name in chosen]
    groups: dict[str, dict[str, int]] = {name: {} for name in chosen}
    seen, place, rows = bytearray(keys.places), array("q"), [array("i") for _ in chosen]
    for line, cells in table.rows:
        place.append(keys.find(cells[at], line))
        if seen[place[-1]]:
            fail(line, f"expected one row for every {keys.column}, got a second one; remove one of them")
        seen[place[-1]] = True
        for n, name, row in zip(of, chosen, rows, strict=True):
            row.append(_group(cells[n], n + 1, groups[name], line))
    if not place:
        fail(where, "expected at least one row below the header, got none")
    for name in chosen:
        if not groups[name]:
            number = table.columns.index(name) + 1
            fail(where, f"column {number}: expected groups, got empty cells alone; leave the column out")
    size = keys.places if keys.column != "pair" else max(place) + 1
    codes = {}
    for name, row in zip((*chosen, keys.column), (*rows, array("i", bytes(4 * len(place)))), strict=True):
        code = np.full(size, -1, np.int32)
        code[np.asarray(place)] = np.asarray(row)
        codes[name] = code if keys.spread is None else code[keys.spread]
    return codes, groups


def _group(cell: str, number: int, groups: dict[str, int], line: str) -> int:
    if cell in ("", NOT_TOLD):
        return -1
    if cell in groups:
        return groups[cell]
    if len(cell) > LONGEST:
        fail(line, f"column {number}: expected a group's name of at most {LONGEST} characters, got {len(cell)}")
    others = "or name other columns with --set groups.columns=[...]"
    if len(groups) >= MOST_NUMBERS and all(_number(group) for group in (*groups, cell)):
        fail(
            line,
            f"column {number}: more than {MOST_NUMBERS} different numbers; put them into bins, such as 30-49, {others}",
        )
    if len(groups) >= MOST_GROUPS:
        fail(line, f"column {number}: more than {MOST_GROUPS} groups; put them together, {others}")
    return groups.setdefault(cell, len(groups))


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _own(drawn: SyntheticFaces | SyntheticPairs, of: str, wanted: Sequence[str]) -> Grouping:
    """What drawn faces know of themselves."""
    told = {name: values for name, values in drawn.groups().items() if name in wanted or not wanted}
    if not told:
        raise GroupError(f"groups.columns: the synthetic {of} have {', '.join(drawn.groups())}, got none of these")
    columns, digest = [], hashlib.sha256()
    for name, values in told.items():
        groups, code = np.unique(values, return_inverse=True)
        columns.append(Column(name, tuple(groups.tolist()), code.astype(np.int32)))
        digest.update("\n".join([name, *values.tolist(), ""]).encode())
    about = GroupTable(
        of=of, file=OWN, digest=digest.hexdigest(), columns=tuple(told), told=len(columns[0].code), untold=0
    )
    return Grouping(about, tuple(columns))


def refuse_beyond(told: Grouping, name: str, pairs: int) -> int:
    """Refuse a table that names a pair which its verification set does not have.

    Args:
        told: the table.
        name: of the set.
        pairs: of the set.

    Returns:
        One more than the highest pair that it names.

    Raises:
        GroupError: it does.
    """
    named = len(told.columns[0].code)
    if named > pairs:
        raise GroupError(
            f"groups {told.table.file}: pair {named - 1}: {name} has {pairs:,} pairs, expected numbers from 0 to "
            f"{pairs - 1}; correct the table and run again: finished stages are kept"
        )
    return named
