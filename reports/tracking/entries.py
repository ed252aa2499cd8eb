"""A record in a tracker's terms: flat parameters, comparable metrics, tags, and loss curves by step.

Nothing here knows MLflow; the limits are its limits (names of 250 characters; old servers cut values at 500).
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..result.record import NOT_MEASURED, RunRecord, Score
from ..result.training_log import MOST_POINTS, log_lines, word

LONGEST_NAME = 250
LONGEST_VALUE = 500


def parameters(record: RunRecord) -> dict[str, str]:
    """Configuration, method, roles, and judge; a value that is too long says where the whole one is."""
    parts = {
        "config": record.config,
        "method": record.method_spec,
        "roles": {name: role.model_dump() for name, role in record.roles.items()},
        "judge": record.judge,
    }
    found = {"seed": str(record.seed), "dataset": record.dataset, "recipe": record.recipe}
    found.update((name, _cut(value)) for name, value in _flat(parts))
    return found


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        name = f"{prefix}{word(str(key))}"
        if isinstance(item, Mapping) and item:
            yield from _flat(item, f"{name}.")
        else:
            yield name[:LONGEST_NAME], item if isinstance(item, str) else json.dumps(item, sort_keys=True)


def _cut(value: str) -> str:
    tail = f"... ({len(value)} characters; see the record)"
    return value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - len(tail)] + tail


def metrics(record: RunRecord) -> dict[str, float]:
    """The headline, scores with their bounds, and seconds; a score without a number is left out."""
    found = {f"seconds/{word(stage.name)}": stage.seconds for stage in record.stages}
    found["seconds/all"] = sum(found.values())
    found |= {f"fit/{word(name)}": value for name, value in record.quality.items()}
    for score in record.scores:
        if score.value is not None:
            found.update(_score(score, score.value))
    found |= headline(record)
    return {name[:LONGEST_NAME]: float(value) for name, value in found.items() if math.isfinite(value)}


def headline(record: RunRecord) -> dict[str, float]:
    """The two numbers that runs are compared by, named equally whatever was measured on what.

    `utility/mean/accuracy` is the mean over verification sets of the first headline utility, and
    `leakage/worst/rank1` the highest headline leakage over the attacks run, with its trials and bounds. Faces without
    sources have `leakage/worst/memorised` instead, which is another quantity. Where a number is missing that belongs
    to one of them, the whole is: what is left would look better than it is.
    """
    found: dict[str, float] = {}
    headlines = [score.measure for score in record.scores if score.measure.headline]
    main = next((measure for measure in headlines if measure.side == "utility"), None)
    useful = [score.value for score in record.scores if main and score.measure.name == main.name]
    known = [value for value in useful if value is not None]
    if main and len(known) == len(useful):
        found[f"utility/mean/{word(main.name)}"] = statistics.fmean(known)
    worst = worst_leak(record)
    if worst is not None and worst.value is not None:
        name = f"leakage/worst/{_rank(worst.measure.name)}"
        found |= _bounded(name, worst, worst.value)
    return found


def worst_leak(record: RunRecord) -> Score | None:
    """The highest headline leakage over the attacks asked for; None where one of them has no number."""
    if any(reason.startswith(NOT_MEASURED) for reason in record.not_run.values()):
        return None
    leaks = [
        score for score in record.scores if score.measure.headline and _leaks(score) and score.measure.unit == "share"
    ]
    values = [-math.inf if score.value is None else score.value for score in leaks]
    return leaks[values.index(max(values))] if leaks and min(values) > -math.inf else None


def _leaks(score: Score) -> bool:
    return (score.measure.side, score.measure.better) == ("privacy", "lower")


def _rank(measure: str) -> str:
    """The field's name of being found among the first k: `leak@1` is rank-1."""
    return word(re.sub(r"^leak@(\d+)$", r"rank\1", measure))


def _score(score: Score, value: float) -> dict[str, float]:
    side = "leakage" if _leaks(score) else score.measure.side
    name = f"{side}/{word(score.on)}/{word(score.measure.name)}"
    found = {f"{name}/{word(key)}": item for key, item in score.detail.items() if item is not None}
    return found | _bounded(name, score, value)


def _bounded(name: str, score: Score, value: float) -> dict[str, float]:
    """A number with its trials, bounds and chance."""
    found = {name: value, f"{name}/n": float(score.n)}
    if score.intervals:
        found |= {f"{name}/low": score.intervals[0].low, f"{name}/high": score.intervals[0].high}
    if score.chance is not None:
        found[f"{name}/chance"] = score.chance
    return found


class Used(NamedTuple):
    """A dataset that a run used."""

    name: str
    digest: str
    """At most 36 characters."""
    context: str
    """What for: `training` or `evaluation`."""
    source: dict[str, str]
    profile: dict[str, Any]


def datasets(record: RunRecord) -> list[Used]:
    """The faces, and the verification sets; by name, digest and numbers, never by a person or a place."""
    people = {name: role.model_dump() for name, role in record.roles.items()}
    numbers = {
        "num_images": sum(role.images for role in record.roles.values()),
        "num_identities": sum(role.identities for role in record.roles.values()),
    }
    source = {"dataset": record.dataset, "facebench_data_hash": record.data_hash}
    name = record.dataset[:500]
    found = [Used(name, record.data_hash[:36], "training", source, {**numbers, "roles": people})]
    trials = {score.on: score.n for score in record.scores if score.measure.side == "utility"}
    for on, pairs in trials.items():
        found.append(
            Used(f"{on[:490]} pairs", record.data_hash[:36], "evaluation", {**source, "set": on}, {"num_pairs": pairs})
        )
    return found


def tags(record: RunRecord) -> dict[str, str]:
    """What runs are filtered by, and what a reader has to be told."""
    found = {
        "facebench.record": record.name,
        "facebench.layout": str(record.layout),
        "method": record.method,
        "dataset": record.dataset,
        "recipe": record.recipe,
        "recipe_hash": record.recipe_hash,
        "data_hash": record.data_hash,
        "seed": str(record.seed),
        "attackers": ", ".join(record.attackers),
        "worst_attack": worst.on if (worst := worst_leak(record)) else "",
        "overlap": record.overlap,
        "unreliable": "yes" if record.flaws else "no",
    }
    found.update((f"stage.{word(stage.name)}", stage.key) for stage in record.stages)
    found.update((f"machine.{name}", value) for name, value in _flat(record.machine))
    told = [f"* unreliable: {flaw}" for flaw in record.flaws] + [f"* {note}" for note in record.notes]
    if told:
        found["mlflow.note.content"] = "\n".join(told)
    return {name[:LONGEST_NAME]: value[:4000] for name, value in found.items()}


def curves(logs: Mapping[str, Path]) -> Iterator[tuple[str, int, float]]:
    """Loss curves as (name, step, value), named `<stage>/<quantity>`.

    Args:
        logs: training logs by stage: JSON lines with `step` and numbers. Lines that are not (a run that was killed
            while writing leaves half of one) and numbers that are not finite are passed over.
    """
    for stage, path in logs.items():
        for line in _thinned(path):
            for key, value in line.items():
                if key != "step":
                    yield f"{word(stage)}/{word(key)}"[:LONGEST_NAME], int(line["step"]), value


def load(path: Path) -> Iterator[tuple[str, int, float, int]]:
    """The machine's load as (name, step, value, milliseconds since 1970), named `system/<quantity>` as MLflow does.

    Args:
        path: as for a training log, with `time` on every line.
    """
    for line in _thinned(path):
        for key, value in line.items():
            if key not in {"step", "time"} and "time" in line:
                yield f"system/{word(key)}"[:LONGEST_NAME], int(line["step"]), value, int(line["time"])


def _thinned(path: Path) -> Iterator[dict[str, float]]:
    lines = list(log_lines(path))
    every = max(1, math.ceil(len(lines) / MOST_POINTS))
    return (line for n, line in enumerate(lines) if n % every == 0 or n == len(lines) - 1)
