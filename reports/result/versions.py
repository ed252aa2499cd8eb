"""By which version of the measuring code a number was made: numbers of two versions are not of one kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .record import RunRecord, Score

IDENTIFICATION = "identification"
"""The name under which the version of closed-set identification stands among those of the metrics."""
CHANGED = {
    "accuracy": (2, "folds were runs of consecutive pairs, whatever kinds these held"),
    "tar": (2, "the interval took the threshold as given"),
}
"""The present version of metrics that changed, and what the earlier one did."""
_OTHERWISE = {"rank-1": IDENTIFICATION}


def metric_of(measure: str) -> str:
    """The metric that makes a measure: `tar` of `tar@far=0.01`."""
    return _OTHERWISE.get(measure, measure.partition("@")[0])


def metric_version(versions: Mapping[str, int], score: Score | str) -> int:
    """The version of the metric behind a score; 1 where a record is older than the entry.

    Args:
        versions: a record's `metric_versions`.
        score: the score, or its measure's name.
    """
    return versions.get(metric_of(score if isinstance(score, str) else score.measure.name), 1)


def newest_metrics(records: Sequence[RunRecord]) -> dict[str, int]:
    """The newest version of each metric among records that are compared."""
    found: dict[str, int] = {}
    for record in records:
        for name, version in record.metric_versions.items():
            found[name] = max(version, found.get(name, 1))
    return found


def earlier_metrics(records: Sequence[RunRecord], versions: Mapping[str, int]) -> tuple[str, ...]:
    """Which metrics of a row are of an earlier version than those of other rows, a sentence each.

    Args:
        records: of the row.
        versions: what `newest_metrics` gave of all rows.
    """
    told = []
    for name, version in versions.items():
        used = [r for r in records if any(metric_of(s.measure.name) == name for s in r.scores)]
        made = sorted({r.metric_versions.get(name, 1) for r in used})
        if earlier := [f"version {one}" for one in made if one < version]:
            told.append(f"{name}: {', '.join(earlier)} of the metric, version {version} in other records; run it again")
    return tuple(told)


def superseded(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """What a reader has to know of numbers whose metric has changed since, a sentence a metric.

    Args:
        records: that are shown together.
    """
    told = []
    for name, (version, what) in CHANGED.items():
        used = [r for r in records if any(metric_of(s.measure.name) == name for s in r.scores)]
        older = [r for r in used if r.metric_versions.get(name, 1) < version]
        if older:
            count = "all" if len(older) == len(used) else f"{len(older)} of {len(used)}"
            told.append(f"{name} of {count} records is of an earlier version of the metric: {what}; run them again")
    return tuple(told)
