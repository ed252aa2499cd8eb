"""A part of the records, for a board of what somebody wants to see."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence

from ..result.record import RecordError, RunRecord


def chosen(
    records: Iterable[RunRecord],
    *,
    datasets: Collection[str] | None = None,
    methods: Collection[str] | None = None,
    attacks: Collection[str] | None = None,
) -> list[RunRecord]:
    """Records of some datasets and methods, with what some attacks found; None asks for all.

    A record without the other attacks' scores looks more private than it is: who shows it says which were asked for.

    Raises:
        RecordError: no record is of such a name; the message names near ones.
    """
    every = list(records)
    _refuse_unknown("dataset", datasets, {record.dataset for record in every})
    _refuse_unknown("method", methods, {record.method for record in every})
    _refuse_unknown("attack", attacks, {name for record in every for name in record.attackers})
    kept = [
        record
        for record in every
        if (datasets is None or record.dataset in datasets) and (methods is None or record.method in methods)
    ]
    if not kept:
        raise RecordError("no record is of such a dataset and such a method at once; ask for one of them")
    return kept if attacks is None else [_seen_by(record, attacks) for record in kept]


def _seen_by(record: RunRecord, attacks: Collection[str]) -> RunRecord:
    scores = tuple(s for s in record.scores if s.measure.side != "privacy" or s.on in attacks)
    return record.model_copy(update={"scores": scores})


def _refuse_unknown(what: str, asked: Collection[str] | None, known: Collection[str]) -> None:
    for name in asked or ():
        if name not in known:
            near: Sequence[str] = difflib.get_close_matches(name, known, n=3) or sorted(known)
            raise RecordError(f"{what} {name!r}: no record is of it; expected one of {', '.join(near)}")
