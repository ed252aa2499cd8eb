"""What a result is: measures, scores, and the record of one run, as small JSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, FiniteFloat

from .digest import content_digest
from .files import RecordError, read_object, replace, validated
from .harmless import storable
from .loose import Configured, Judged
from .parts import AttackTraits, Check, Closed, Count, Learning, Link, Released, Role, StageTrace, Unreliable

LAYOUT: Literal[2] = 2

__all__ = ["LAYOUT", "AttackTraits", "Check", "Closed", "Count", "Curve", "GroupScore", "GroupTable", "Groups",
           "Interval", "Learning", "Link", "Measure", "RecordError", "Released", "Role", "RunRecord", "Score",
           "StageTrace", "Unreliable", "plain", "read", "sealed", "write"]  # fmt: skip


KNOWLEDGE = (
    "nothing of the method",
    "all that is published but the key, and the very originals",
    "the method, and photos of other people to learn from",
)
"""What attackers hold beside the release, a judge and originals to search in; the strongest last."""
NOT_MEASURED = "not measured"
"""How the reason begins why an attack that applies has no result."""


class Measure(Closed):
    """A quantity that can be measured; the board knows no measure by name, only what is said here."""

    name: str
    side: Literal["utility", "privacy", "cost"]
    better: Literal["higher", "lower"]
    unit: str = "share"
    """`share` is a number from 0 to 1 that boards print as a percentage."""
    says: str
    """One line for a reader who does not know the measure."""
    headline: bool = False
    """Whether boards show it by default."""


class Interval(Closed):
    """An interval for a score."""

    low: FiniteFloat
    high: FiniteFloat
    level: FiniteFloat = 0.95
    kind: str
    """How it was made: `wilson`, `cluster-bootstrap`, the wider of both, `cluster-bootstrap of both groups`,
    `fold-sd`."""


class Score(Closed):
    """One measured number with what is needed to judge it."""

    measure: Measure
    on: str
    """What it was measured on: a verification set's name, or an attack's."""
    value: FiniteFloat | None
    """None where it could not be measured; `note` says why. Never NaN, never a stand-in zero."""
    n: Count
    """Number of trials: pairs, or probes."""
    intervals: tuple[Interval, ...] = ()
    """The first one is printed."""
    chance: FiniteFloat | None = None
    """What guessing gives, where that is defined."""
    detail: dict[str, FiniteFloat | None] = Field(default={})
    """Numbers that belong to this one, such as fold_sd, threshold, gallery, failure_rate."""
    note: str = ""


class GroupTable(Closed):
    """A table that says which group each face, or each pair, is in. Users give it; no group is inferred."""

    of: str
    """`faces`, or a verification set's name."""
    file: str
    """Its name without folders."""
    digest: str
    """SHA-256 of its content."""
    columns: tuple[str, ...]
    told: Count
    """How many of the dataset's faces, or pairs, it tells of."""
    untold: Count


class GroupScore(Closed):
    """A score over the trials of one group alone."""

    column: str
    """The table's column."""
    group: str
    score: Score


class Groups(Closed):
    """Scores of a run by group."""

    tables: tuple[GroupTable, ...]
    scores: tuple[GroupScore, ...]
    notes: tuple[str, ...] = ()
    """What could not be told by group, and why."""


class Curve(Closed):
    """A curve that boards draw: ROC, CMC, leakage against gallery size, loss against step."""

    name: str
    on: str
    x_label: str
    y_label: str
    x: tuple[FiniteFloat, ...]
    y: tuple[FiniteFloat, ...]


class RunRecord(Closed):
    """All that is known of one run: one method, one dataset, one seed."""

    layout: Literal[2] = LAYOUT
    name: str
    """File name of the record, without `.json`."""
    method: str
    method_spec: dict[str, Any]
    """The method as it was spelled out: version, parameters, digests of the files they name; and the recipe of its
    teacher, where the run trained one."""
    dataset: str
    recipe: str
    recipe_hash: str
    """Of all that must be equal for two rows to be compared: recognizer, roles, encoding, judge, attacks."""
    data_hash: str
    """Of the faces and the verification pairs; the roles follow from it, the recipe and the seed."""
    seed: Count
    created: str
    """ISO 8601, UTC."""
    config: Configured
    roles: dict[str, Role]
    judge: Judged
    """Who the attacker's recognizer is, its preprocessing, and how good it is on clear pairs."""
    stages: tuple[StageTrace, ...]
    scores: tuple[Score, ...]
    curves: tuple[Curve, ...] = ()
    checks: tuple[Check, ...] = ()
    attackers: tuple[str, ...] = ()
    sourced: bool = True
    """Whether private faces were made from originals; where not, leakage is memorisation."""
    not_run: dict[str, str] = Field(default={})
    """Attacks without a result, and why: one that starts with `not measured` failed, others do not apply."""
    versions: dict[str, Count] = Field(default={}, exclude_if=lambda versions: not versions)
    """Of the attacks that were run: raised when equal parameters find other people. Older records have none."""
    knows: dict[str, str] = Field(default={}, exclude_if=lambda knows: not knows)
    """By attack that was run, what the attacker holds: one of `KNOWLEDGE`, or a plug-in's own words."""
    known_attacks: dict[str, AttackTraits] = Field(default={}, exclude_if=lambda known: not known)
    """By name, every attack of the suite and of this run as it describes itself: those in neither `attackers` nor
    `not_run` were not asked for. Older records have none; read it with `attack_traits.traits`."""
    metric_versions: dict[str, Count] = Field(default={}, exclude_if=lambda versions: not versions)
    """Of the metrics: raised when equal scores give another number. Older records have none: their metrics are of
    version 1."""
    quality: dict[str, FiniteFloat] = Field(default={})
    """What the method measured of itself while it was fitted."""
    learning: Learning | None = Field(default=None, exclude_if=lambda learning: learning is None)
    """Of the recognizer; older records do not tell, nor do trainings of a few steps."""
    released: Released | None = Field(default=None, exclude_if=lambda released: released is None)
    """What was released; `roles` tells of the originals. Older records do not tell."""
    precision: str | None = Field(default=None, exclude_if=lambda precision: precision is None)
    """In which arithmetic the run trains its networks; older records do not tell it but of single stages."""
    overlap: str = "unchecked"
    """Whether people of the dataset are in the verification sets: `unchecked`, `disjoint`, or how many, set by set."""
    skipped: dict[str, Count] = Field(default={})
    """Undecodable images passed over by `--skip-bad`, by role."""
    machine: dict[str, Any] = Field(default={})
    """Hardware and versions: recorded, never part of a hash."""
    notes: tuple[str, ...] = ()
    groups: Groups | None = Field(default=None, exclude_if=lambda groups: groups is None)
    """Scores by group, where a table of groups was given; the entry is left out where none was."""
    unreliable: Unreliable | None = None
    """Put in by hand where a flaw was found later; not part of the digest."""
    digest: str = ""
    """Of the content, see `content_digest`; `sealed` makes it, and what is read has the file's."""

    @property
    def flaws(self) -> tuple[str, ...]:
        """Why its numbers are not to be relied on: what people found later, then the sanity bounds that failed."""
        marked = (str(self.unreliable),) if self.unreliable else ()
        return (*marked, *(f"{check.name}: {check.says}" for check in self.checks if not check.passed))

    @property
    def inapplicable(self) -> tuple[str, ...]:
        """Attacks that do not apply; one that failed is not among them, since it may have found somebody."""
        return tuple(name for name, reason in self.not_run.items() if not reason.startswith(NOT_MEASURED))

    @property
    def arithmetic(self) -> str:
        """In which arithmetic its networks were trained: `float32`, `bfloat16`, `mixed`, or nothing where none is told.

        Of older records the stages tell it, where they tell.
        """
        told = {stage.precision for stage in self.stages if stage.precision}
        return self.precision or ("" if not told else told.pop() if len(told) == 1 else "mixed")

    @property
    def group(self) -> tuple[str, ...]:
        """What has to be equal in records that are compared: data, recipe, and any arithmetic but float32.

        Records that do not tell their arithmetic are older, and stand with those of float32.
        """
        other = () if self.arithmetic in ("", "float32") else (self.arithmetic,)
        return (self.dataset, self.recipe, self.recipe_hash, self.data_hash, *other)

    def score(self, measure: str, on: str) -> Score | None:
        """The score of a measure on something, if there is one."""
        return next((s for s in self.scores if s.measure.name == measure and s.on == on), None)


def parameters(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A method's parameters as its record spells them out, with those of a teacher that the run trained for it."""

    def within(part: object) -> dict[str, Any]:
        found = part.get("parameters") if isinstance(part, Mapping) else None
        return dict(found) if isinstance(found, Mapping) else {}

    taught = spec.get("teacher")
    version = {"version": taught.get("version")} if isinstance(taught, Mapping) else {}
    return {**within(spec), **{f"teacher.{name}": value for name, value in {**within(taught), **version}.items()}}


def plain(value: Any) -> Any:
    """A value as JSON gives it back: tuples become lists, keys strings."""
    return json.loads(json.dumps(value, allow_nan=False))


def sealed(record: RunRecord) -> RunRecord:
    """The record with the digest of its content; text in it that no file can hold is spelled out.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    content = record.model_dump(mode="json")
    if (spelled := _storable(content)) != content:
        record, content = RunRecord.model_validate(spelled), spelled
    return record.model_copy(update={"digest": content_digest(content)})


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(key): _storable(inner) for key, inner in value.items()}
    return [_storable(inner) for inner in value] if isinstance(value, list) else value


def write(record: RunRecord, folder: Path) -> Path:
    """Seal a record and write it whole or not at all; an older one of the same name is replaced.

    Raises:
        RecordError: the folder cannot be written.
    """
    path = folder / f"{record.name}.json"
    text = json.dumps(sealed(record).model_dump(mode="json"), indent=1, sort_keys=True, allow_nan=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace(path, text.encode())
    except OSError as error:
        raise RecordError(
            f"record {path}: cannot be written ({error.strerror or error}); "
            "free space or choose another folder with --store, then run the same command again: "
            "finished stages are kept"
        ) from error
    return path


def read(path: Path) -> RunRecord:
    """Read and check a record; one of an older layout is brought to this one, in memory.

    Raises:
        RecordError: the file is missing, too large, no record, of a newer facebench, or edited after it was written.
    """
    wanted = f"expected a record of layout {LAYOUT}, as `bench run` writes it"
    content = read_object(path, "record", wanted)
    layout = content.get("layout")
    if type(layout) is not int or layout < 1:
        raise RecordError(f"record {path}: layout: got {str(layout)[:20]!r}; {wanted}")
    if layout > LAYOUT:
        raise RecordError(
            f"record {path}: it has layout {layout}, so a newer facebench made it; {wanted}, or an older one: "
            "update facebench"
        )
    try:
        digest = content_digest(content)
    except ValueError as error:
        raise RecordError(f"record {path}: got NaN or an infinite number, expected finite numbers; {wanted}") from error
    if layout == 1:  # had neither digest nor mark; a mark may have been added
        content = {"digest": digest, **content, "layout": LAYOUT}
    record = validated(RunRecord, content, f"record {path}", wanted)
    if record.digest != digest:
        raise RecordError(
            f"record {path}: its content was changed after it was written: expected the digest {record.digest[:12]!r}, "
            f"got {digest[:12]!r}; take the file from where it came, or run the experiment again"
        )
    return record
