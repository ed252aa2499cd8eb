"""Trial by trial: which pairs a recognizer got right, and which probes an attacker found.

With them two runs can be compared pair by pair and person by person, which tells smaller changes from chance than
two intervals do. They lie in the store, in the stages that a record names by key.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...reports.result.record import RunRecord, Score
from ...reports.result.versions import metric_version
from ..attacks.leakage import leak_at_k
from ..biometrics.embeddings import AttackError
from ..biometrics.roc import MetricError
from ..metrics.accuracy import MEASURE as ACCURACY
from ..metrics.accuracy import Accuracy, answered
from ..recognition import verification

EQUAL = 1e-9
"""A number that is computed again from kept trials differs by rounding alone."""

CHOSEN = 1.4
"""So many times the variance of independent pairs has the difference of two ten-fold accuracies: either recognizer's
thresholds are chosen on the pairs they answer, and all pairs between two thresholds change together. 1.25 to 1.8 in
simulations of 600 to 6,000 pairs, less with more pairs."""


class Trials(NamedTuple):
    """What became of each trial of a score."""

    hit: NDArray[np.bool_]
    """[N], whether the pair was answered rightly, or the probe's person (or image) found."""
    person: NDArray[np.int64] | None
    """[N], whose probe it was; None where trials are independent, as pairs are taken to be."""
    spread: float = 1.0
    """How many times the variance of independent trials the difference of two of them has."""


def trials(record: RunRecord, score: Score, store: Path) -> tuple[Trials | None, str]:
    """The trials behind a score of a record; None where none are kept, and a problem where they cannot be used.

    Only those are used that give the record's own value again: a store in which the stage was made anew by other code
    holds other trials under the same key.

    Args:
        record: as a run wrote it.
        score: one of its scores.
        store: the folder of the store, which need not be there.
    """
    group = "verify" if score.measure.name == ACCURACY.name else "attack"
    folder = _stage(record, f"{group}/{score.on}", store)
    if folder is None:
        return None, ""
    try:
        found, value = _accuracy(folder, score.on) if group == "verify" else _leakage(folder, score.measure.name)
    except (verification.ScoresError, MetricError, AttackError) as error:
        return None, f"trials cannot be used: {error}"
    if found is None:
        return None, ""
    if score.value is None or abs(value - score.value) > EQUAL or len(found.hit) != score.n:
        by = metric_version(record.metric_versions, score) if group == "verify" else Accuracy.version
        earlier = f", or version {by} of the metric made its number: this is {Accuracy.version}"
        return None, (
            f"the trials in {folder} are those of another run{earlier if by != Accuracy.version else ''}: they give "
            f"{value:.4f} over {len(found.hit)}"
        )
    return found, ""


def _stage(record: RunRecord, name: str, store: Path) -> Path | None:
    key = next((stage.key for stage in record.stages if stage.name == name), "")
    stages = (store / "stages").resolve()
    if not re.fullmatch(r"[0-9a-f]{16}", key):
        return None
    folder = (stages / name / key).resolve()  # a record is anybody's: its names must not lead out of the store
    return folder if folder.is_relative_to(stages) and folder.is_dir() else None


def _accuracy(folder: Path, on: str) -> tuple[Trials | None, float]:
    scores = verification.read(folder)
    return Trials(answered(scores), None, CHOSEN), Accuracy()(scores, on)[0].value or 0.0


def _leakage(folder: Path, measure: str) -> tuple[Trials | None, float]:
    if not (folder / leak_at_k.FILE).is_file():
        return None, 0.0
    found = leak_at_k.read(folder)
    hit = leak_at_k.hits(found, measure)
    return (None, 0.0) if hit is None else (Trials(hit, found.person), float(hit.mean()))
