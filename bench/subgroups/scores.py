"""A run's leakage and accuracy by group, from what its stages kept; no model, and no image, is needed.

A probe is in the group of the original it was made from, a pair in the group that the table names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...methods.parts.private_pack import sources
from ...reports.board.subgroup_gaps import LEAST, NOT_TOLD
from ...reports.result.record import Groups, GroupScore, GroupTable, Interval, Score
from ...reports.statistics.intervals import clustered, wilson
from ..attacks.leakage import leak_at_k
from ..biometrics.roc import PairScores
from ..metrics.accuracy import MEASURE as ACCURACY
from ..metrics.accuracy import answered
from ..recognition import verification
from .assignment import Column, Grouping, Groupings, refuse_beyond

LEAK = "leak@1"
FEW_PEOPLE = 20
"""With fewer people an interval by people is too narrow, and says so."""


class _Probes(NamedTuple):
    """The private faces of a run."""

    person: NDArray[np.int64]
    """[Q], labels of role P."""
    image: NDArray[np.int64]
    """[Q], the original of each in the dataset."""
    originals: NDArray[np.int64]
    """[people], originals of each person in the gallery."""


class Made(NamedTuple):
    """What a run has made of the faces that it released: folders of its stages."""

    places: NDArray[np.int64]
    """[N], the places of role P in its dataset."""
    sourced: bool
    """Whether private faces were made from originals."""
    release: Path
    original: Path
    """Embeddings of the originals."""
    private: Path
    """Embeddings of the private faces."""
    missed: NDArray[np.int64]
    """The originals that have no private face, though they should, as rows of P: failed probes behind the others."""
    attacks: Mapping[str, Path]
    """By the attack's name."""
    verifications: Mapping[str, Path]
    """By the verification set's name."""


def by_group(told: Groupings, made: Made, scores: Sequence[Score]) -> Groups | None:
    """A run's scores by group; None where no table of groups was given.

    Args:
        told: the tables of groups.
        made: the run's stages.
        scores: of the run, whose trials are told apart.

    Raises:
        GroupError: a table names a pair that the verification set does not have.
        AttackError, ScoresError, MethodError: a stage cannot be read.
    """
    if not told:
        return None
    found: list[GroupScore] = []
    notes: list[str] = []
    searched = [score for score in scores if score.measure.name == LEAK]
    if told.faces and made.sourced:
        found += _leakage(made, told.faces, searched, notes)
        if not searched:
            notes.append("leakage by group: not told, since no attack that searches was run")
    elif told.faces:
        notes.append("leakage by group does not apply: no private face was made from an original")
    tables = {grouping.table.of: grouping.table for grouping in ([told.faces] if told.faces else [])}
    tables |= {name: grouping.table for name, grouping in told.pairs.items()}
    for name, folder in made.verifications.items():
        if name not in told.pairs:
            continue
        pairs = verification.read(folder)
        tables[name] = _of_all(tables[name], len(pairs.same))
        score = next((one for one in scores if one.on == name and one.measure.name == ACCURACY.name), None)
        if score is None:
            notes.append(f"accuracy by group on {name}: not told, since {ACCURACY.name} is not among the metrics")
            continue
        found += _accuracy(pairs, told.pairs[name], score)
    return Groups(tables=tuple(tables.values()), scores=tuple(found), notes=tuple(notes))


def _of_all(table: GroupTable, pairs: int) -> GroupTable:
    """The table with the pairs that follow the last one it names; of a shorter table they are not told."""
    return table.model_copy(update={"untold": max(table.untold, pairs - table.told)})


def _leakage(made: Made, told: Grouping, scores: Iterable[Score], notes: list[str]) -> Iterator[GroupScore]:
    rows = sources(made.release, made.places)
    if rows is None:
        notes.append("leakage by group does not apply: the release does not say which original a face was made from")
        return
    originals = np.load(made.original / "identity.npy")
    person = np.concatenate([np.load(made.private / "identity.npy"), originals[made.missed]])
    probes = _Probes(person, made.places[np.concatenate([rows, made.missed])], np.bincount(originals))
    for score in scores:
        folder = made.attacks[score.on]
        if not (folder / leak_at_k.FILE).is_file():
            notes.append(f"attack {score.on}: not told by group, since it keeps no ranks")
            continue
        attacked = of_attack(leak_at_k.read(folder), score, probes)
        if attacked is None:
            notes.append(f"attack {score.on}: not told by group, since its probes are others than the private faces")
            continue
        for column in told.columns:
            yield from leak_by_group(attacked, column, score)


class Attacked(NamedTuple):
    """What became of every probe of an attack."""

    hit: NDArray[np.bool_]
    """[Q], whether the best candidate is the probe's person."""
    person: NDArray[np.int64]
    failed: NDArray[np.bool_]
    image: NDArray[np.int64]
    """[Q], each probe's original in the dataset."""
    chance: NDArray[np.float64] | None
    """[Q], of a hit; None where the attack's own chance cannot be told probe by probe."""
    seed: int


def of_attack(found: leak_at_k.SearchResult, score: Score, probes: _Probes) -> Attacked | None:
    """An attack's probes with their originals; None where they are not the private faces, all or those with a mate."""
    kept = np.ones(len(probes.person), np.bool_)
    if len(found.person) != len(kept):  # a search that leaves the source out has probes with another original only
        kept = probes.originals[probes.person] > 1
    hit = leak_at_k.hits(found, LEAK)
    if hit is None or not np.array_equal(probes.person[kept], found.person):
        return None
    chance = None
    gallery = score.detail.get("gallery")
    if gallery:
        mates = probes.originals[found.person] - (probes.originals.sum() - gallery)
        chance = mates / gallery
        if score.chance is None or not np.isclose(chance.mean(), score.chance, rtol=0, atol=1e-9):
            chance = None
    return Attacked(hit, found.person, found.failed, probes.image[kept], chance, found.seed)


def leak_by_group(attacked: Attacked, column: Column, score: Score) -> Iterator[GroupScore]:
    """Leak@1 of every group that has probes.

    The interval is a bootstrap over the group's people, Wilson's beside it, or Wilson's alone where nobody or
    everybody was found.
    """
    for group, chosen in _members(column, column.code[attacked.image]):
        hit, person = attacked.hit[chosen], attacked.person[chosen]
        n, people, count = len(hit), len(np.unique(person)), int(hit.sum())
        bounds: tuple[Interval, ...] = ()
        note = _few(n)
        if n >= LEAST:
            bounds = clustered(hit, person)
            if people < FEW_PEOPLE:
                note = f"{people} people: with fewer than {FEW_PEOPLE} the interval is too narrow"
        value = score.model_copy(
            update={
                "value": count / n,
                "n": n,
                "intervals": bounds,
                "chance": None if attacked.chance is None else float(attacked.chance[chosen].mean()),
                "detail": {"people": people, "failure_rate": float(attacked.failed[chosen].mean())},
                "note": note,
            }
        )
        yield GroupScore(column=column.name, group=group, score=value)


def _accuracy(scores: PairScores, told: Grouping, score: Score) -> Iterator[GroupScore]:
    """Accuracy of every group that has pairs, at the thresholds that the folds of the whole set gave.

    Raises:
        GroupError: the table names a pair that the set does not have.
    """
    pairs = len(scores.same)
    named = refuse_beyond(told, score.on, pairs)
    right = answered(scores)
    for column in told.columns:
        code = np.full(pairs, -1)
        code[:named] = column.code
        for group, chosen in _members(column, code):
            n, count, genuine = int(chosen.sum()), int(right[chosen].sum()), int(scores.same[chosen].sum())
            note = _few(n) or ("pairs of one kind only" if genuine in (0, n) else "")
            value = score.model_copy(
                update={
                    "value": count / n,
                    "n": n,
                    "intervals": (wilson(count, n),) if n >= LEAST else (),
                    "chance": max(genuine, n - genuine) / n,
                    "detail": {
                        "n_genuine": genuine,
                        "n_impostor": n - genuine,
                        "failures": int(np.isnan(scores.similarity[chosen]).sum()),
                    },
                    "note": note,
                }
            )
            yield GroupScore(column=column.name, group=group, score=value)


def _members(column: Column, code: NDArray[np.int32] | NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Every group that has trials and which these are; last those the table does not tell of."""
    for number, group in (*enumerate(column.groups), (-1, NOT_TOLD)):
        chosen = code == number
        if chosen.any():
            yield group, chosen


def _few(n: int) -> str:
    return f"fewer than {LEAST} trials: no interval, and not compared" if n < LEAST else ""
