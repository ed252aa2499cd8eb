"""Which records are those that a baseline's entry is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...reports.result.record import RunRecord, parameters, plain
from ..store.store import digest
from .baseline import Baseline, Entry


@dataclass(frozen=True)
class Match:
    """Records to compare with an entry, one a seed, or the problem."""

    records: tuple[RunRecord, ...] = ()
    verdict: Literal["not-comparable", "not-measured"] = "not-measured"
    problem: str = ""
    """Why nothing can be compared; empty where it can."""
    note: str = ""
    """What a reader of the verdicts should know of the method."""
    warnings: tuple[str, ...] = ()


def match(entry: Entry, records: Sequence[RunRecord], baseline: Baseline) -> Match:
    """The records of an entry's method on equal data with an equal recipe.

    The method's parameters may have changed since the baseline, and that is gated too: what a changed default costs is
    a question for a gate. Where there are records with the baseline's own parameters, these are the ones.
    """
    found = _match(entry, records, baseline)
    if found.problem:
        return found
    seeds = Counter(record.seed for record in found.records)
    twice = sorted(record.name for record in found.records if seeds[record.seed] > 1)
    if not twice:
        return found
    return replace(
        found, problem=f"expected one record of each seed, got {', '.join(twice[:5])}; leave one in the folder"
    )


def _match(entry: Entry, records: Sequence[RunRecord], baseline: Baseline) -> Match:
    same = [record for record in records if record.method == entry.method]
    if not same:
        return Match(problem="there is no record of this method")
    fit = [r for r in same if (r.recipe_hash, r.data_hash) == (entry.recipe_hash, entry.data_hash)]
    fit = [r for r in fit if not _other_arithmetic(entry, r)]
    # equal recipes and data may go by other names: those of the entry's own are meant where there are any
    fit = [r for r in fit if (r.dataset, r.recipe) == (entry.dataset, entry.recipe)] or fit
    if not fit:
        near = [r for r in same if (r.dataset, r.recipe) == (entry.dataset, entry.recipe)] or same
        return Match(tuple(near), "not-comparable", _differs(entry, near[-1]))
    exact = [r for r in fit if digest(r.method_spec) == entry.variant]
    claimed = {e.variant for e in baseline.entries if e.method == entry.method}
    changed = [r for r in fit if digest(r.method_spec) not in claimed]
    if exact:
        unused = ", ".join(sorted(r.name for r in changed)[:5])
        told = f"{entry.method}: records with other parameters are there as well, and were not compared: {unused}"
        return Match(tuple(exact), warnings=(told,) if changed else ())
    specs = {digest(r.method_spec) for r in changed}
    if not changed:
        return Match(problem="there is no record of this method with these parameters")
    if len(specs) > 1:
        return Match(
            tuple(changed),
            problem=f"expected records with the baseline's parameters, got {len(specs)} other sets of parameters; "
            "leave those of one in the folder",
        )
    return Match(
        tuple(changed), note="parameters changed: " + _changes(entry.method_spec, plain(changed[0].method_spec))
    )


def _other_arithmetic(entry: Entry, record: RunRecord) -> bool:
    return bool(entry.precision and record.arithmetic) and entry.precision != record.arithmetic


def _differs(entry: Entry, record: RunRecord) -> str:
    if _other_arithmetic(entry, record):
        return (
            f"other arithmetic: expected training in {entry.precision}, got {record.arithmetic} in {record.name}; "
            "FACEBENCH_PRECISION=float32 asks for float32"
        )
    if entry.data_hash != record.data_hash:
        what, expected, got = "data", f"{entry.dataset} {entry.data_hash}", f"{record.dataset} {record.data_hash}"
    else:
        what, expected, got = "recipe", f"{entry.recipe} {entry.recipe_hash}", f"{record.recipe} {record.recipe_hash}"
    return f"other {what}: expected {expected}, got {got} in {record.name}"


def _changes(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Where two methods differ, in words."""
    old, new = _flat(before), _flat(now)
    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return ", ".join(f"{key} {old.get(key, '-')} -> {new.get(key, '-')}" for key in keys)


def _flat(spec: dict[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in spec.items() if key not in ("parameters", "teacher")}, **parameters(spec)}
