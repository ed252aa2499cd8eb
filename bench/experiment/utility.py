"""What a run says of recognizers on verification pairs: the trained one's scores, and how good the judge is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...reports.result.record import Curve, Score
from ...reports.result.versions import IDENTIFICATION
from ..metrics.accuracy import BLIND, MEASURE, ONE_KIND, Accuracy
from ..metrics.accuracy import blind as is_blind
from ..metrics.base import Metric
from ..plugins import name_of
from ..recognition import identification, verification
from .pipeline import Steps


def scored(measured: Sequence[Metric], steps: Steps) -> tuple[list[Score], list[Curve]]:
    """What the trained recognizer is worth: the scores and curves of every verification set."""
    scores: list[Score] = []
    curves: list[Curve] = []
    for name, step in steps.named("verify").items():
        kept = verification.read(steps.path(step))
        for metric in measured:
            score, curve = metric(kept, name)
            scores.append(score)
            curves += [curve] if curve else []
    scores += [identification.score(steps.path(step)) for step in steps.all if step.name == "identify"]
    return scores, curves


def clear(steps: Steps) -> dict[str, float | None]:
    """The judge's accuracy on clear pairs, by verification set."""
    return {
        name: Accuracy()(verification.read(steps.path(step)), name)[0].value
        for name, step in steps.named("clear").items()
    }


def blind(steps: Steps) -> list[str]:
    """The verification sets all of whose pairs are alike to the judge."""
    return [name for name, step in steps.named("clear").items() if is_blind(verification.read(steps.path(step)))]


def metric_versions(measured: Sequence[Metric], steps: Steps) -> dict[str, int]:
    """The version of each metric that made a number of the run."""
    found = {name_of(metric, Metric): type(metric).version for metric in measured}
    if any(step.name == "identify" for step in steps.all):
        found[IDENTIFICATION] = identification.VERSION
    return {**found, "accuracy": Accuracy.version}  # which tells how good the judge is, too


def notes(scores: list[Score], blind_on: list[str]) -> Iterator[str]:
    """What a reader of the record has to know of recognizers that see nothing, and of folds that lack a kind."""
    if blind_on:
        yield f"blind judge: all pairs of {', '.join(blind_on)} are alike to it, so that it finds nobody says nothing"
    for says in (BLIND, ONE_KIND):
        found = [score.on for score in scores if score.measure.name == MEASURE.name and says in score.note]
        if found:
            name = "blind recognizer" if says == BLIND else says
            yield f"{name}: on {', '.join(found)}, see the note of the accuracy"
