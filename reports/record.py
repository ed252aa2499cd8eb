"""What a result is: measures, scores, and the record of one run, as small JSON files."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

LAYOUT: Literal[1] = 1


class RecordError(ValueError):
    """A record that cannot be read or written; the message says which file and why."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measure(_Closed):
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


class Interval(_Closed):
    """An interval for a score."""

    low: FiniteFloat
    high: FiniteFloat
    level: FiniteFloat = 0.95
    kind: str
    """How it was made: `wilson`, `cluster-bootstrap`, `fold-sd`."""


class Score(_Closed):
    """One measured number with what is needed to judge it."""

    measure: Measure
    on: str
    """What it was measured on: a verification set's name, or an attack's."""
    value: FiniteFloat | None
    """None where it could not be measured; `note` says why. Never NaN, never a stand-in zero."""
    n: int = Field(ge=0)
    """Number of trials: pairs, or probes."""
    intervals: tuple[Interval, ...] = ()
    """The first one is printed."""
    chance: FiniteFloat | None = None
    """What guessing gives, where that is defined."""
    detail: dict[str, FiniteFloat | None] = {}
    """Numbers that belong to this one, such as fold_sd, threshold, gallery, failure_rate."""
    note: str = ""


class Curve(_Closed):
    """A curve that boards draw: ROC, CMC, leakage against gallery size, loss against step."""

    name: str
    on: str
    x_label: str
    y_label: str
    x: tuple[FiniteFloat, ...]
    y: tuple[FiniteFloat, ...]


class Check(_Closed):
    """A sanity bound: when it fails, the numbers it guards are not to be relied on."""

    name: str
    passed: bool
    says: str
    """Expected and got, in one line."""
    guards: Literal["utility", "privacy", "run"]


class StageTrace(_Closed):
    """What one stage cost."""

    name: str
    key: str
    seconds: FiniteFloat
    """What making it took, also where it was only looked up this time."""
    cached: bool


class Role(_Closed):
    """The people who play one role in a run, as numbers and a digest: no name, no list."""

    identities: int
    images: int
    digest: str


class RunRecord(_Closed):
    """All that is known of one run: one method, one dataset, one seed."""

    layout: Literal[1] = LAYOUT
    name: str
    """File name of the record, without `.json`."""
    method: str
    method_spec: dict[str, Any]
    """The method as it was spelled out: version, parameters, digests of the files they name."""
    dataset: str
    recipe: str
    recipe_hash: str
    """Of all that must be equal for two rows to be compared: recognizer, roles, encoding, judge, attacks."""
    data_hash: str
    """Of the faces and the verification pairs; the roles follow from it, the recipe and the seed."""
    seed: int
    created: str
    """ISO 8601, UTC."""
    config: dict[str, Any]
    roles: dict[str, Role]
    judge: dict[str, Any]
    """Who the attacker's recognizer is, its preprocessing, and how good it is on clear pairs."""
    stages: tuple[StageTrace, ...]
    scores: tuple[Score, ...]
    curves: tuple[Curve, ...] = ()
    checks: tuple[Check, ...] = ()
    attackers: tuple[str, ...] = ()
    sourced: bool = True
    """Whether private faces were made from originals; where not, leakage is memorisation."""
    not_run: dict[str, str] = {}
    """Attacks that do not apply to the method, and why."""
    quality: dict[str, FiniteFloat] = {}
    """What the method measured of itself while it was fitted."""
    overlap: str = "unchecked"
    """Whether people of the training faces are in the verification sets: `unchecked`, `disjoint`, or a digest."""
    skipped: dict[str, int] = {}
    """Undecodable images passed over by `--skip-bad`, by role."""
    machine: dict[str, Any] = {}
    """Hardware and versions: recorded, never part of a hash."""
    notes: tuple[str, ...] = ()

    def score(self, measure: str, on: str) -> Score | None:
        """The score of a measure on something, if there is one."""
        return next((s for s in self.scores if s.measure.name == measure and s.on == on), None)


def plain(value: Any) -> Any:
    """A value as JSON gives it back: tuples become lists, keys strings."""
    return json.loads(json.dumps(value, allow_nan=False))


def write(record: RunRecord, folder: Path) -> Path:
    """Write a record whole or not at all; an older one of the same name is replaced.

    Raises:
        RecordError: the folder cannot be written.
    """
    path = folder / f"{record.name}.json"
    text = json.dumps(record.model_dump(mode="json"), indent=1, sort_keys=True, allow_nan=False) + "\n"
    partial = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, suffix=".part", delete=False) as file:
            partial = file.name
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)  # temporary files are for their owner alone; records are for all
        Path(partial).replace(path)
    except OSError as error:
        if partial:
            Path(partial).unlink(missing_ok=True)
        raise RecordError(
            f"record {path}: cannot be written ({error.strerror or error}); "
            "free space or choose another folder with --store, then run the same command again: "
            "finished stages are kept"
        ) from error
    return path


def read(path: Path) -> RunRecord:
    """Read and check a record.

    Raises:
        RecordError: the file is missing, is no JSON, or is not a record of this layout.
    """
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RecordError(f"record {path}: cannot be read ({error.strerror or error})") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise RecordError(
            f"record {path}: {where}: {first['msg']}; expected a record of layout {LAYOUT}, as `bench run` writes it"
        ) from error
