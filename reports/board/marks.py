"""What a reader has to be told of a row of the board: marks, and the reasons behind them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from ..result.attack_traits import traits
from ..result.record import KNOWLEDGE, NOT_MEASURED, Measure, RunRecord
from ..result.thirdparty import ThirdPartyAttack

OTHER_PHOTO = "leak@1 other photo"
"""The measure of an attacker who learns, searching without the photo that was made private."""
FUSED = "leak@1 fused"
"""The measure of an attacker who takes all private faces of one person together."""
IGNORANT_ONLY = "ignorant-only"
"""No attacker who knows the method was run."""
BY_PERSON = "leak@1 by person"
"""Leak@1 as a mean over people, who count alike, instead of over their faces."""
NO_SOURCES = "no sources: leakage is memorisation"
BOUNDS = {"original": "upper bound", "noise": "lower bound"}
"""Methods that mark the ends of both scales; no competitors, so not on the front."""
THIRD_PARTY = "third-party attack"
STILL_LEARNING = "still learning"
"""Training ended while the loss of the recognizer fell fast: longer training would give another utility."""


def attackers(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """The attacks that the runs themselves made."""
    return tuple(dict.fromkeys(name for record in records for name in record.attackers))


def unasked(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """Attackers who could have searched, and were not run on any private set that was made from originals."""
    sourced = [record for record in records if record.sourced]
    met = {name for record in sourced for name in (*record.attackers, *record.inapplicable)}
    return tuple(name for name in searching(sourced) if name not in met)


def searching(records: Sequence[RunRecord]) -> list[str]:
    """Attackers who look for the person behind a private face, the weakest first."""
    known = {name: one for record in records for name, one in traits(record).items() if one.searches}
    return sorted(known, key=lambda name: (known[name].strength, known[name].place, name))


def strongest(records: Sequence[RunRecord]) -> str:
    """What the strongest attacker held who was run on any of these, and who that was; empty where nobody says.

    An attacker whose words are none of `KNOWLEDGE`, of a plug-in, does not count: nobody can say how strong it is.
    """
    held = {name: known for record in records for name, known in record.knows.items() if known in KNOWLEDGE}
    if not held:
        return ""
    most = max(held.values(), key=KNOWLEDGE.index)
    return f"{most} ({', '.join(name for name, known in held.items() if known == most)})"


def reasons(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """Why a row is not to be relied on, each reason once."""
    return tuple(dict.fromkeys(flaw for record in records for flaw in record.flaws))


def marks(
    records: Sequence[RunRecord], foreign: Sequence[ThirdPartyAttack], *, unreliable: bool, incomplete: bool
) -> tuple[str, ...]:
    """What a reader has to be told of a row, in a word or two each."""
    method, known = records[0].method, [traits(record) for record in records]
    own = [known[n].get(name) for n, record in enumerate(records) for name in record.attackers]
    told = {
        BOUNDS.get(method, ""): method in BOUNDS,
        "unreliable": unreliable,
        "incomplete": incomplete,
        THIRD_PARTY: bool(foreign),
        NO_SOURCES: not all(record.sourced for record in records),
        IGNORANT_ONLY: bool(own)
        and not any(one.adaptive for one in own if one)
        and not any(a.knows_method for a in foreign),
        "one seed": len(records) == 1,
        STILL_LEARNING: any(record.learning and record.learning.still for record in records),
        "images skipped": any(sum(record.skipped.values()) for record in records),
    }
    notes = dict.fromkeys(note.partition(":")[0] for record in records for note in record.notes)
    return (*(mark for mark, holds in told.items() if holds), *notes)


def lacking(
    records: Sequence[RunRecord], columns: Sequence[tuple[str, Measure]], versions: Mapping[str, int]
) -> tuple[str, ...]:
    """All headline numbers of a row that are not there, or that an earlier version of an attack made.

    Args:
        records: of the row, one a seed.
        columns: what is measured on what by some row.
        versions: the newest of each attack among all rows.
    """
    absent = tuple(text for on, measure in columns if (text := missing(measure, on, records)))
    return absent + unmeasured(records, {on for on, _ in columns}) + outdated(records, versions)


def missing(measure: Measure, on: str, records: Sequence[RunRecord]) -> str:
    """Which seeds have no number though one was due, and the first reason that is given."""
    due = [record for record in records if on not in record.inapplicable]
    without = {r.seed: found for r in due if (found := r.score(measure.name, on)) is None or found.value is None}
    notes = [score.note for score in without.values() if score and score.note]
    notes += [record.not_run[on] for record in due if on in record.not_run]
    seeds = ", ".join(map(str, without))
    return f"{measure.name} on {on}, seed {seeds}{': ' + notes[0] if notes else ''}" if without else ""


def unmeasured(records: Sequence[RunRecord], columns: Container[str]) -> tuple[str, ...]:
    """Which attacks were asked for and failed wherever they were, so that no column tells of them; a sentence each.

    Args:
        records: of a row.
        columns: what is measured on by some row, of which `missing` tells.
    """
    failed = {
        name: reason
        for record in records
        for name, reason in record.not_run.items()
        if reason.startswith(NOT_MEASURED) and name not in columns
    }
    return tuple(f"{name}: {reason}" for name, reason in failed.items())


def newest(records: Sequence[RunRecord]) -> dict[str, int]:
    """The newest version of each attack that was run, among records that are compared."""
    found: dict[str, int] = {}
    for record in records:
        for name, version in record.versions.items():
            found[name] = max(version, found.get(name, 0))
    return found


def outdated(records: Sequence[RunRecord], versions: Mapping[str, int]) -> tuple[str, ...]:
    """Which attacks of a row are of an earlier version than those of other rows, a sentence each.

    An attacker that was mended since may find more, so the row would look safer than it is.
    """
    told = []
    for name, version in versions.items():
        made = {record.versions.get(name, 0) for record in records if name in record.attackers}
        if earlier := [f"version {one}" if one else "an unknown version" for one in sorted(made) if one < version]:
            told.append(f"{name}: {', '.join(earlier)} of the attack, version {version} in other records; run it again")
    return tuple(told)
