"""A record's numbers made again: names and hashes from its own configuration, scores from what the store kept."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...reports.result.attack_traits import traits
from ...reports.result.record import RunRecord, Score
from ...reports.result.versions import IDENTIFICATION, metric_of, metric_version
from ..attacks.base import Attack
from ..biometrics.embeddings import AttackError
from ..biometrics.roc import MetricError
from ..experiment.sanity import adaptive_bounds, bounds, control_bounds, judge_on_clear_pairs
from ..experiment.stages.arithmetic import USUAL
from ..experiment.stages.attack import NOT_RUN
from ..metrics.accuracy import Accuracy
from ..metrics.base import Metric
from ..plan.plan import Plan
from ..plugins import PluginError, UnknownPlugin, build, load, name_of
from ..recognition import identification, verification
from ..recognition.verification import ScoresError
from ..store.store import TRACE, Store, StoreError, digest
from .consistency import CLOSE

_STAGE = re.compile(r"[\w@+-][\w.@+-]{0,99}(/[\w@+-][\w.@+-]{0,99})?", re.ASCII)
"""A stage's name, of which none leads out of the store."""


@dataclass
class Recomputed:
    """What came of it."""

    findings: list[str] = field(default_factory=list)
    """What differs, with expected (made again) and got (the record's)."""
    same: int = 0
    """Scores that came out the same."""
    stages: int = 0
    """Stages that are in the store, whole."""
    absent: list[str] = field(default_factory=list)
    """Stages that are not there, so that nothing was made from them."""
    unknown: list[str] = field(default_factory=list)
    """What could not be made again, and why."""
    earlier: set[tuple[str, str]] = field(default_factory=set)
    """Scores of an earlier version of their metric, by measure and what it was measured on."""


def own_content(record: RunRecord) -> Iterator[str]:
    """What in a record does not follow from the rest of it: hashes, its name, sanity bounds."""
    compared = {key: record.config[key] for key in Plan().compared() if key in record.config}
    given = {**compared, "judge_file": _judge_file(record.judge), "dataset": record.dataset}
    for name, default in Plan.added_later().items():
        if (value := record.config.get(name, default)) != default:
            given[name] = value
    if record.precision not in (None, USUAL):
        given["precision"] = record.precision
    if "judges" in given:
        given["judges"] = [_judge_file(other) for other in record.judge.get("others", [])]
    recipe = digest(given)
    if recipe != record.recipe_hash:
        yield f"recipe_hash: expected {recipe} of its configuration and judge, got {record.recipe_hash[:80]}"
    own = digest({"method": record.method_spec, "compared": given, "data": record.data_hash})[:8]
    name = f"{record.dataset}-{record.recipe}-{record.method}-{own}-seed{record.seed}"
    if name != record.name:
        yield f"name: expected {name} of its content, got {record.name[:200]}"
    yield from _traits(record)
    known = traits(record)
    passed = {check.name: check.passed for check in record.checks}
    for check in (
        judge_on_clear_pairs(record.judge.get("clear", {}), record.judge.get("blind", ())),
        *bounds(record.method, record.scores, known),
        *control_bounds(record.scores),
        *adaptive_bounds(record.method, record.scores, known),
    ):
        got = passed.get(check.name)
        if got is not check.passed:
            words = {True: "passed", False: "failed", None: "no such check"}
            yield f"check {check.name}: expected {words[check.passed]} ({check.says}), got {words[got]}"


def _traits(record: RunRecord) -> Iterator[str]:
    """What a record has of its attacks' traits, on which marks and bounds depend, and the attacks themselves have not.

    Attacks that are not installed, or are now of another version, are passed over.
    """
    for name in record.attackers:
        with suppress(UnknownPlugin, PluginError, ImportError):
            attack, told = load(Attack, name), record.known_attacks.get(name)
            if record.known_attacks and record.versions.get(name) == attack.version and told != attack.traits():
                yield f"known_attacks.{name}: expected {attack.traits()}, as the attack says, got {told}"


def _judge_file(judge: dict[str, Any]) -> dict[str, Any]:
    """The judge as its own part of a key spells it; records from before an entry was there do not have it."""
    entries = ("preprocessing", "bgr", "flip", "output") if judge.get("kind") == "onnx" else ("flip",)
    how: dict[str, Any] = {key: judge[key] for key in entries if key in judge}
    return {"embedder": judge.get("sha256", "in-house"), **how}


def from_store(record: RunRecord, store: Store) -> Recomputed:
    """Check the stages of a record that the store has, and make its scores again from them; no model is needed.

    Takes the time of reading these stages, packs and weights too.
    """
    out = Recomputed()
    there = dict(_stages(record, store, out))
    made: list[Score] = []
    for name, path in there.items():
        group, _, on = name.partition("/")
        try:
            if group == "verify":
                kept = verification.read(path)
                made += _current(record, [metric(kept, on)[0] for metric in _plugins(record, Metric, "metrics")], out)
            elif group == "identify":
                made += _current(record, [identification.score(path)], out)
            elif group == "attack":
                made += _attacked(record, on, path, out)
            elif group == "clear" and metric_version(record.metric_versions, "accuracy") == Accuracy.version:
                again = Accuracy()(verification.read(path), on)[0].value
                got = record.judge.get("clear", {}).get(on)
                if not _close(again, got):
                    out.findings.append(f"judge on clear {on}: expected {again}, got {got}")
        except (PluginError, UnknownPlugin) as error:
            out.unknown.append(f"{name}: {error}")
        except (MetricError, AttackError, ScoresError) as error:
            out.findings.append(f"{name}: {error}")
    out.findings += _compare(record, made, out)
    return out


def _current(record: RunRecord, made: list[Score], out: Recomputed) -> list[Score]:
    """Those of the scores whose metric made the record's, too, in this version; of the others the reader is told."""
    now = {**{name_of(metric, Metric): metric.version for metric in _plugins(record, Metric, "metrics")},
           IDENTIFICATION: identification.VERSION}  # fmt: skip
    same = []
    for score in made:
        name = metric_of(score.measure.name)
        by, this = metric_version(record.metric_versions, score), now.get(name, 1)
        if by == this:
            same.append(score)
            continue
        out.earlier.add((score.measure.name, score.on))
        out.unknown.append(
            f"{score.measure.name} on {score.on}: made by version {by} of the metric, and this is version {this}"
        )
    return same


def _stages(record: RunRecord, store: Store, out: Recomputed) -> Iterator[tuple[str, Path]]:
    for stage in record.stages:
        if not _STAGE.fullmatch(stage.name) or not re.fullmatch("[0-9a-f]{16}", stage.key):
            out.findings.append(f"stage {stage.name[:80]!r}: expected a name and a key of 16 hex digits")
            continue
        try:
            path = store.verified(stage.name, stage.key)
        except StoreError as error:
            out.findings.append(str(error))
            continue
        if path is None:
            out.absent.append(stage.name)
        else:
            out.stages += 1
            yield stage.name, path


def _attacked(record: RunRecord, on: str, path: Path, out: Recomputed) -> list[Score]:
    """An attack's scores from its stage; none where it was not run, or another version made the stage."""
    attacks = {name_of(attack, Attack): attack for attack in _plugins(record, Attack, "attacks")}
    if on not in attacks:
        out.findings.append(f"stage attack/{on}: expected the attack in its configuration, got none")
    elif (path / NOT_RUN).is_file():
        reason = json.loads((path / NOT_RUN).read_text(encoding="utf-8"))
        if record.not_run.get(on) != reason:
            out.findings.append(f"attack/{on}: expected that it was not run ({reason}), got something else")
    elif (made_by := _version(path)) != (now := attacks[on].version):
        out.unknown.append(f"attack/{on}: made by version {made_by} of the attack, and this is version {now}")
    else:
        scores: list[Score] = attacks[on].scores(path, on)[0]
        return scores
    return []


def _version(path: Path) -> Any:
    """The version of the attack that made a stage, whose trace was verified."""
    return json.loads((path / TRACE).read_text(encoding="utf-8")).get("inputs", {}).get("attack", {}).get("version")


def _plugins(record: RunRecord, base: Any, entry: str) -> list[Any]:
    return [build(base, given, where=f"{entry}.{n}") for n, given in enumerate(record.config.get(entry, ()))]


def _compare(record: RunRecord, made: list[Score], out: Recomputed) -> Iterator[str]:
    for again in made:
        where = f"{again.measure.name} on {again.on}"
        got = record.score(again.measure.name, again.on)
        if got is None:
            yield f"{where}: expected {again.value}, got no such score"
            continue
        different = list(_different(again, got))
        yield from (f"{where}: {what}" for what in different)
        out.same += not different
    sets = {again.on for again in made}
    known = {(again.measure.name, again.on) for again in made} | out.earlier
    for score in record.scores:
        if score.on in sets and (score.measure.name, score.on) not in known:
            yield f"{score.measure.name} on {score.on}: expected no such score, got {score.value}"


def _different(again: Score, got: Score) -> Iterator[str]:
    for name in ("side", "better", "unit", "headline"):  # on which the worst leakage depends; words may be mended
        if (expected := getattr(again.measure, name)) != (found := getattr(got.measure, name)):
            yield f"{name} of the measure: expected {expected}, got {found}"
    for name in ("value", "n", "chance"):
        if not _close(expected := getattr(again, name), found := getattr(got, name)):
            yield f"{name}: expected {expected}, got {found}"
    for name in again.detail.keys() & got.detail.keys():
        if not _close(again.detail[name], got.detail[name]):
            yield f"detail {name}: expected {again.detail[name]}, got {got.detail[name]}"
    bounds_of = [[(i.kind, i.level, i.low, i.high) for i in score.intervals] for score in (again, got)]
    if len(bounds_of[0]) != len(bounds_of[1]) or not all(
        one[:2] == two[:2] and _close(one[2], two[2]) and _close(one[3], two[3])
        for one, two in zip(*bounds_of, strict=True)
    ):
        yield f"intervals: expected {bounds_of[0]}, got {bounds_of[1]}"


def _close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)
