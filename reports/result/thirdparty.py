"""Attacks that somebody else made on a listed record, as small files beside it.

A method is as private as the best attack on it that is known, whoever found it. Such a file names the record by name
and digest and brings scores in the record's own terms, so that both stand in one row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .files import RecordError, listed, read_object, replace, validated
from .record import Closed, Link, RunRecord, Score

LAYOUT: Literal[1] = 1
FOLDER = "attacks"
"""Below a folder of records."""
LEVEL = 0.95

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\r\n]*$")]
Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Against(Closed):
    """Which record was attacked."""

    record: str
    """Its name."""
    digest: Digest
    """Of its content: an attack on other numbers is no attack on these."""
    recipe_hash: str
    data_hash: str


class ThirdPartyAttack(Closed):
    """The result of an attack that the record's own run did not make."""

    layout: Literal[1] = LAYOUT
    attack: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
    """What it is called; no attack of the record's."""
    says: Line
    """What the attacker does, in one line."""
    knows_method: bool
    """Whether the attacker knows how the faces were made private."""
    by: Line
    """Who made it: a team, a project or an account."""
    link: Link
    """Where it is described, with code."""
    rerun: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
    """How to repeat it."""
    created: str
    """ISO 8601, UTC."""
    against: Against
    scores: Annotated[tuple[Score, ...], Field(min_length=1)]


def load(folder: Path, records: Iterable[RunRecord], *, problems: list[str] | None = None) -> list[ThirdPartyAttack]:
    """The attacks on records of a folder, each checked against the record it names.

    Args:
        folder: of the records; the attacks are in `attacks/` in it, if there are any.
        records: those of the folder.
        problems: where given, what is wrong with an attack is added here, and the sound ones are returned.

    Raises:
        RecordError: one is damaged, is made twice, or does not fit its record, and `problems` is not given.
    """
    by_name = {record.name: record for record in records}
    seen: dict[tuple[str, str], Path] = {}
    found = []
    for path in listed(folder / FOLDER, "attacks"):
        try:
            attack = read(path)
            twin = seen.setdefault((attack.against.record, attack.attack), path)
            if twin != path:
                raise RecordError(f"attack {path}: {twin.name} is the same attack on the same record; remove one")
            check(attack, by_name.get(attack.against.record), f"attack {path}")
        except RecordError as error:
            if problems is None:
                raise
            problems.append(str(error))
        else:
            found.append(attack)
    return found


def read(path: Path) -> ThirdPartyAttack:
    """Read an attack.

    Raises:
        RecordError: the file is missing, too large, or no attack of this layout.
    """
    wanted = f"expected an attack of layout {LAYOUT}, as docs/submitting.md describes it"
    content = read_object(path, "attack", wanted)
    return validated(ThirdPartyAttack, content, f"attack {path}", wanted)


def against(record: RunRecord) -> Against:
    """How an attack names the record it attacked."""
    return Against(record=record.name, digest=record.digest, recipe_hash=record.recipe_hash, data_hash=record.data_hash)


def write(attack: ThirdPartyAttack, record: RunRecord, folder: Path) -> Path:
    """Write an attack beside the record it attacks, whole or not at all, as `attacks/RECORD.ATTACK.json`.

    Args:
        attack: to be checked and written.
        record: the one it attacks, as read.
        folder: of the records.

    Raises:
        RecordError: it does not fit the record, or cannot be written.
    """
    path = folder / FOLDER / f"{record.name}.{attack.attack}.json"
    check(attack, record, f"attack {path}")
    text = json.dumps(attack.model_dump(mode="json"), indent=1, sort_keys=True, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, text.encode())
    except OSError as error:
        raise RecordError(f"attack {path}: cannot be written ({error.strerror or error})") from error
    return path


def check(attack: ThirdPartyAttack, record: RunRecord | None, what: str) -> None:
    """Whether an attack may stand in the row of the record it names.

    Args:
        attack: to be checked.
        record: of the name that the attack gives; None where there is none.
        what: the attack, for messages.

    Raises:
        RecordError: it may not.
    """
    against = attack.against
    if record is None:
        raise RecordError(f"{what}: against.record: no record is named {against.record[:200]!r} in the folder above")
    for field in ("digest", "recipe_hash", "data_hash"):
        expected, got = getattr(record, field), getattr(against, field)
        if expected != got:
            raise RecordError(
                f"{what}: against.{field}: expected {expected!r}, that of {record.name}, got {got[:80]!r}; "
                "the attack was made on another record: repeat it on this one"
            )
    if attack.attack in {*record.attackers, *record.not_run, *(score.on for score in record.scores)}:
        raise RecordError(f"{what}: attack: the record has an attack {attack.attack!r} of its own; choose another name")
    names = [score.measure.name for score in attack.scores]
    if len(set(names)) != len(names):
        raise RecordError(f"{what}: scores: a measure comes twice; expected each once")
    for n, score in enumerate(attack.scores):
        _check_score(score, attack, record, f"{what}: scores.{n}")


def _check_score(score: Score, attack: ThirdPartyAttack, record: RunRecord, what: str) -> None:
    own = [
        s for s in record.scores if s.measure == score.measure and s.measure.side == "privacy" and s.value is not None
    ]
    if not own:
        names = sorted({s.measure.name for s in record.scores if s.measure.side == "privacy"})
        raise RecordError(
            f"{what}.measure: expected one that the record has, word for word ({', '.join(names) or 'it has none'}), "
            f"got {score.measure.name[:80]!r}"
        )
    if score.on != attack.attack:
        raise RecordError(f"{what}.on: expected the attack's name {attack.attack!r}, got {score.on[:80]!r}")
    if score.value is None or (score.measure.unit == "share" and not 0 <= score.value <= 1):
        raise RecordError(f"{what}.value: expected a share from 0 to 1, got {score.value}")
    counts = sorted({s.n for s in own})
    if score.n not in counts:
        raise RecordError(
            f"{what}.n: expected {' or '.join(map(str, counts))} probes, all that the record's own attacks had, "
            f"got {score.n}"
        )
    chances = [s.chance for s in own if s.n == score.n and s.chance is not None]
    if chances and (score.chance is None or not any(math.isclose(score.chance, c, rel_tol=1e-6) for c in chances)):
        raise RecordError(
            f"{what}.chance: expected {' or '.join(f'{c:.6g}' for c in sorted(set(chances)))}, as the record's own "
            f"attacks have in the same gallery, got {score.chance}"
        )
    first = score.intervals[0] if score.intervals else None
    if first is None or first.level != LEVEL or not first.low <= score.value <= first.high:
        raise RecordError(f"{what}.intervals: expected first a {LEVEL:.0%} interval that holds the value {score.value}")
