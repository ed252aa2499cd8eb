"""What the gate compares with: the numbers of some records, small enough to be reviewed like code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from ... import FacebenchError
from ...reports.result.files import replace
from ...reports.result.harmless import harmless
from ..store.store import digest

LAYOUT: Literal[1] = 1
_LARGEST = 32 << 20


class BaselineError(FacebenchError, ValueError):
    """A baseline that cannot be read, made or used; the message says which, expected, got and what to do."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Layout(BaseModel):
    """What is looked at first: everything else may be another in a newer layout."""

    model_config = ConfigDict(allow_inf_nan=False)
    layout: int


class Gated(_Closed):
    """A measure that is gated."""

    side: Literal["utility", "privacy", "cost"]
    better: Literal["higher", "lower"]
    unit: str
    tolerance: Annotated[FiniteFloat, Field(ge=0)]
    """A change for the worse up to this is none, in the measure's own unit: 0.005 is half a percentage point."""


class BaselineScore(_Closed):
    """One number of the baseline."""

    measure: str
    on: str
    """A verification set's name, or an attack's."""
    value: FiniteFloat
    n: Annotated[int, Field(ge=1, le=1 << 28)]
    interval: tuple[FiniteFloat, FiniteFloat] | None = None
    """Its 95 % interval; the record says of which kind."""
    trials: str = ""
    """Which trials came out right, or were found, packed (see `samples.py`); empty where they are not known."""
    people: str = ""
    """Whose trial each was, packed; empty where trials are independent."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.interval and self.interval[0] > self.interval[1]:
            raise ValueError(f"interval: expected the lower bound first, got {self.interval}")
        return self


class Entry(_Closed):
    """What one run came to: one method, one dataset, one seed."""

    method: str
    method_spec: dict[str, Any]
    """The method as it was spelled out, to tell variants of it apart and to say what has changed."""
    dataset: str
    recipe: str
    recipe_hash: str
    data_hash: str
    seed: int
    precision: str = ""
    """In which arithmetic its networks were trained, see `RunRecord.arithmetic`; empty where that is not known."""
    metric_versions: dict[str, int] = {}
    """Of the metrics; an older baseline has none, and its metrics are of version 1."""
    scores: Annotated[tuple[BaselineScore, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        _refuse_twice(f"{score.measure} on {score.on}" for score in self.scores)
        digest(self.method_spec)  # a number in it that JSON does not know is refused here
        return self

    @property
    def variant(self) -> str:
        """The method's parameters as one short text."""
        return digest(self.method_spec)

    def score(self, measure: str, on: str) -> BaselineScore | None:
        """The number of a measure on something, if there is one."""
        return next((s for s in self.scores if (s.measure, s.on) == (measure, on)), None)


class Baseline(_Closed):
    """What `bench check` compares with, as `bench check --update` writes it."""

    layout: Literal[1] = LAYOUT
    measures: dict[str, Gated]
    """What is gated, by the measure's name."""
    waived: tuple[str, ...] = ()
    """Sanity bounds, by name, that a record may fail and be compared all the same."""
    entries: Annotated[tuple[Entry, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unknown = {s.measure for entry in self.entries for s in entry.scores} - set(self.measures)
        if unknown:
            raise ValueError(f"measures: expected {sorted(unknown)[0]!r} among them, since a score of it is kept")
        _refuse_twice(
            f"{e.method} {e.variant} on {e.dataset} {e.data_hash}, recipe {e.recipe} {e.recipe_hash}, seed {e.seed}"
            for e in self.entries
        )
        return self


def _refuse_twice(names: Iterator[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"expected everything once, got {name[:200]} twice")
        seen.add(name)


def read(path: Path) -> Baseline:
    """Read and check a baseline.

    Raises:
        BaselineError: the file is missing, damaged, of a newer layout, or no baseline.
    """
    try:
        if not path.is_file():
            raise BaselineError(
                f"baseline {path}: there is no such file; make it from records with `bench check --baseline FILE "
                "--update`, look at it, and commit it"
            )
        if (size := path.stat().st_size) > _LARGEST:
            raise BaselineError(f"baseline {path}: expected at most {_LARGEST >> 20} MiB, got {size >> 20} MiB")
        content = path.read_bytes()
        if (layout := _Layout.model_validate_json(content).layout) > LAYOUT:
            raise BaselineError(
                f"baseline {path}: expected layout {LAYOUT}, got {layout}: a newer facebench wrote it; update facebench"
            )
        return Baseline.model_validate_json(content)
    except OSError as error:
        raise BaselineError(f"baseline {path}: cannot be read ({error.strerror or error})") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BaselineError(
            f"baseline {path}: {where}: {first['msg']}; expected what `bench check --update` writes: restore the file, "
            "or delete it and make it anew"
        ) from error


def write(baseline: Baseline, path: Path) -> None:
    """Write a baseline whole or not at all.

    Raises:
        BaselineError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, (harmless(baseline.model_dump_json(indent=1, exclude_defaults=False)) + "\n").encode())
    except OSError as error:
        raise BaselineError(f"baseline {path}: cannot be written ({error.strerror or error})") from error
