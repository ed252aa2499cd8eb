"""What a run says of recognizers on verification pairs: the trained one's scores, and how good the judge is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...reports.result.record import Curve, Score
from ...reports.result.versions import IDENTIFICATION
from ..metrics.accuracy import BLIND, MEASURE, ONE_KIND, Accuracy
from ..metrics.accuracy import blind as is_blind
from ..metrics.base import Metric
from ..plan.plan import ConfigError, Plan
from ..plugins import build, name_of
from ..recognition import identification, verification
from .pipeline import Pipeline


def scored(measured: Sequence[Metric], run: Pipeline) -> tuple[list[Score], list[Curve]]:
    """What the trained recognizer is worth: the scores and curves of every verification set."""
    scores: list[Score] = []
    curves: list[Curve] = []
    for name, stage in run.verify.items():
        kept = verification.read(run.path(stage))
        for metric in measured:
            score, curve = metric(kept, name)
            scores.append(score)
            curves += [curve] if curve else []
    if run.identify:
        scores.append(identification.score(run.path(run.identify)))
    return scores, curves


def clear(run: Pipeline) -> dict[str, float | None]:
    """The judge's accuracy on clear pairs, by verification set."""
    return {name: Accuracy()(verification.read(run.path(stage)), name)[0].value for name, stage in run.clear.items()}


def blind(run: Pipeline) -> list[str]:
    """The verification sets all of whose pairs are alike to the judge."""
    return [name for name, stage in run.clear.items() if is_blind(verification.read(run.path(stage)))]


def metric_versions(measured: Sequence[Metric], run: Pipeline) -> dict[str, int]:
    """The version of each metric that made a number of the run."""
    found = {name_of(metric, Metric): type(metric).version for metric in measured}
    if run.identify:
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


def metrics(plan: Plan) -> list[Metric]:
    """The measures of verification that a plan names; one class may be there several times with other parameters.

    Raises:
        PluginError, UnknownPlugin: one cannot be built.
        ConfigError: one is named twice.
    """
    built: list[Metric] = []
    for place, entry in enumerate(plan.metrics):
        metric = build(Metric, entry, where=f"metrics.{place}")
        if metric in built:
            raise ConfigError(f"metrics.{place}: {name_of(metric, Metric)} is named twice with equal parameters")
        built.append(metric)
    return built
