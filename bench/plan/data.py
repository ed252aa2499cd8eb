"""The faces and pairs of a run, opened once, and who plays which role in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import DataError, Faces, FaceSource, PairSource
from ...reports.result import record as results
from ...reports.result.harmless import storable
from ..store.store import Store, digest
from ..subgroups.assignment import Groupings, groupings
from .dataset import called, find
from .overlap import Shared, shared, told
from .plan import Plan
from .roles import ROLES, Role, members, role_digest, split

OWN = "own_people"
"""What the verification set is called that is made of people of role H, where a dataset brings none."""


@dataclass(frozen=True)
class Data:
    """One dataset, opened, with its verification sets and the roles of its people."""

    name: str
    faces: Faces
    fingerprint: str
    pairs: dict[str, PairSource]
    pair_fingerprints: dict[str, str]
    places: dict[Role, NDArray[np.int64]]
    """The indices in `faces` of each role's images, sorted by identity."""
    synthetic: bool
    overlap: str
    """What a record says of people who are in the dataset and in a verification set."""
    shared: tuple[Shared, ...] = ()
    """The same as counts, of the sets whose people are known."""
    unused: Mapping[str, str] = field(default_factory=dict)
    """What lies beside the faces and looks as if it belonged to them, and why it is left out."""
    skipped: frozenset[int] = frozenset()
    groups: Groupings = field(default_factory=Groupings)
    """What the user's tables tell of faces and pairs; no key is made of it."""

    @cached_property
    def ids(self) -> dict[Role, list[str]]:
        """What a role's faces are in a key."""
        return {role: [self.fingerprint, role_digest(places)] for role, places in self.places.items()}

    @property
    def hash(self) -> str:
        """Of all images and pairs; the roles follow from it, the shares and the seed."""
        pairs = {name: name if name == OWN else each for name, each in self.pair_fingerprints.items()}  # drawn by seed
        return digest({"faces": self.fingerprint, "pairs": pairs})

    def role(self, role: Role) -> Faces:
        """The faces of one role, relabelled from zero; none where its share is zero."""
        from ...datasets.views.subset import Nobody, Subset

        places = self.places[role]
        return Subset(self.faces, places) if len(places) else Nobody()

    def recorded(self) -> dict[str, results.Role]:
        """The roles as numbers and digests."""
        return {
            role: results.Role(
                identities=len(np.unique(self.faces.labels[places])),
                images=len(places),
                digest=self.ids[role][1],
            )
            for role, places in self.places.items()
        }


def open_data(plan: Plan, store: Store, *, root: Path, skip: Sequence[int] = ()) -> Data:
    """Open a dataset and draw the roles.

    Args:
        plan: names the dataset, the shares and the seed.
        store: keeps fingerprints of large files.
        root: folder in which cards look for their data.
        skip: indices of images to leave out.

    Raises:
        DataError: the data is missing or damaged; it has no verification set, and too few people to make one; or a
            list of people cannot be used.
        ConfigError: a list of people is given for a verification set that is not there.
        SplitError: it has too few people.
        GroupError: a table of groups cannot be used.
    """
    named = find(plan.dataset, root, synthetic=plan.synthetic, verification=plan.verification, resize=plan.resize)
    found = named.data
    faces = found.source.open()
    labels = faces.labels
    if skip:
        labels = labels.copy()
        labels[list(skip)] = -1
    kept = np.where(labels >= 0, labels, 0)
    roles = split(
        kept[labels >= 0], faces.names, plan.roles, min_images=plan.min_images, seed=plan.seed,
        min_images_fit=plan.min_images_fit,
    )  # fmt: skip
    if plan.protocol == "in-sample":
        roles["G"] = roles["P"]
    places = {role: members(labels, roles[role]) for role in ROLES}
    fingerprint = _fingerprint(found.source, store)
    pairs = dict(found.pairs) or {OWN: _own_pairs(plan, faces, fingerprint, places["H"], found.unused)}
    met = shared(plan.people_of, pairs, found.source, faces.names, roles["P"].tolist())
    synthetic = bool(found.card and found.card.layout == "synthetic")
    return Data(
        name=storable(named.name),
        faces=faces,
        fingerprint=fingerprint,
        pairs=pairs,
        pair_fingerprints={name: _fingerprint(each, store) for name, each in pairs.items()},
        places=places,
        synthetic=synthetic,
        overlap="disjoint" if synthetic or not found.pairs else told(met, pairs),
        shared=met,
        unused=found.unused,
        skipped=frozenset(skip),
        groups=groupings(plan.groups, faces, pairs),
    )


def _own_pairs(
    plan: Plan, faces: Faces, fingerprint: str, rows: NDArray[np.int64], unused: Mapping[str, str]
) -> PairSource:
    """Pairs of held-out people, for a dataset that brings none.

    Raises:
        DataError: role H has too few people.
    """
    from ...datasets.views.own_pairs import OwnPairs

    made = OwnPairs(faces=faces, rows=rows, basis=f"{fingerprint} {role_digest(rows)}", seed=plan.seed)
    try:
        made.drawn()
    except DataError as error:
        left_out = "".join(f". {name} is not used: {why}" for name, why in unused.items())
        raise DataError(f"dataset {called(plan.dataset)}: {error}{left_out}") from error
    return made


def _fingerprint(source: FaceSource | PairSource, store: Store) -> str:
    """A source's fingerprint, kept under the size and time stamp of its files so that it is hashed once."""
    named = [_files(value) for _, value in source if isinstance(value, Path)]
    if not named or not all(named):  # of a folder of images no time stamp tells whether one has changed
        return source.fingerprint()
    files = [file for group in named for file in group]
    state = [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    key = digest([type(source).__name__, type(source).version, source.model_dump(mode="json"), state])
    kept = store.root / "fingerprints" / f"{key}.json"
    try:
        return str(json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        found = source.fingerprint()
    store.keep(kept, json.dumps(found))
    return found


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    pack = [path / name for name in ("train.rec", "train.idx", "property")]
    return [file for file in pack if file.is_file()] if pack[0].is_file() else []
