"""One run, stage by stage, to its record."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...methods.base import QUALITY, Method, MethodError
from ...reports.result import record as results
from ...reports.result.record import Released, RunRecord, StageTrace
from ..metrics.base import Metric
from ..plan import overlap
from ..plan.data import open_data
from ..plan.plan import ConfigError, Plan
from ..plan.scan import undecodable
from ..plugins import build, name_of
from ..recognition.learning import learning
from ..recognition.recognizer import LOG
from ..store import memory
from ..store.store import Stage, Store, digest
from ..subgroups.scores import Made, by_group
from ..terminal.progress import Display
from . import evidence, utility
from .arithmetic import TRAINS, USUAL
from .batches import cut_down
from .build import lay_out
from .pipeline import Steps
from .sanity import adaptive_bounds, bounds, control_bounds, judge_on_clear_pairs, replay_bounds
from .stage import Step

_PACKAGES = ("facebench", "torch", "timm", "numpy", "faiss-gpu", "faiss-cpu", "onnxruntime", "insightface")


@dataclass(frozen=True)
class Outcome:
    """A finished run."""

    record: RunRecord
    path: Path
    """The record's file."""
    steps: Steps
    new: bool
    """False where an equal record was there already."""


def prepare(plan: Plan, store: Store, *, data_root: Path, device: str, display: Display) -> Steps:
    """Open the data and lay out the stages; nothing but the scan for undecodable images is made.

    Raises:
        Every error of `open_data` and `lay_out`.
    """
    metrics(plan)  # built at the end, but what is wrong with one is told before anything is made
    data = open_data(plan, store, root=data_root)
    if plan.skip_bad and not data.synthetic:
        skip = undecodable(data, store, display)
        data = open_data(plan, store, root=data_root, skip=skip) if skip else data
    for each in data.shared:
        if not each.shared:
            display.note(f"warning: {each}")
    return lay_out(plan, data, store, device=device)


def run(plan: Plan, steps: Steps, store: Store, *, display: Display) -> Outcome:
    """Make what is missing of a run, measure, and write its record.

    Args:
        plan: what is to be run.
        steps: as `prepare` laid them out for the plan.
        store: keeps stages and records.
        display: shows progress.

    Raises:
        Every error of the stages, and of writing the record.
    """
    if not all(store.has(step.name, step.inputs) for step in steps.all):
        steps.try_judges()
    done = [_make(store, step, steps.precision, display) for step in steps.all]
    steps.forget()
    record = results.sealed(_record(plan, steps, done))
    folder = store.root / "records"
    path = folder / f"{record.name}.json"
    kept = _kept(path)
    if kept and _essence(kept) == _essence(record):
        return Outcome(kept, path, steps, new=False)
    if kept and kept.unreliable:  # people put it there, and only they take it away
        record = record.model_copy(update={"unreliable": kept.unreliable})
    return Outcome(record, results.write(record, folder), steps, new=True)


def _make(store: Store, step: Step, precision: str, display: Display) -> Stage:
    if store.has(step.name, step.inputs):
        return store.stage(step.name, step.inputs, lambda out: None)
    with display.stage(step.name, step.unit) as progress:
        stage = store.stage(
            step.name,
            step.inputs,
            lambda out: step.make(out, progress),
            precision=precision if step.unit == TRAINS else None,
        )
    display.note(f"{step.name:<22} {stage.seconds:8.1f} s")
    return stage


def _record(plan: Plan, steps: Steps, done: list[Stage]) -> RunRecord:
    data, method = steps.data, name_of(steps.method, Method)
    scores, curves = utility.scored(metrics(plan), steps)
    not_run = dict(steps.not_run)
    for name, step in steps.named("attack").items():
        if reason := steps.reason_not_run(name):
            not_run[name] = reason
            continue
        found, drawn = steps.attacks[name].scores(steps.path(step), name)
        scores += found
        curves += drawn
    private = evidence.pack(steps.path(steps.release))
    released = Released(identities=private.identities, images=len(private))
    adaptive = [name for name, attack in steps.attacks.items() if attack.adaptive]
    quality, noted = _quality(steps)
    in_sample = ["in-sample: the method was fitted on the people it releases"] if plan.protocol == "in-sample" else []
    judge = plan.attack.spelled()
    clear, blind_on = utility.clear(steps), utility.blind(steps)
    compared = {**plan.compared(), "judge_file": judge, "dataset": data.name}
    if steps.precision != USUAL:
        compared["precision"] = steps.precision
    if plan.judges:  # by content, not by path
        compared["judges"] = [other.spelled() for other in plan.judges]
    spelled = steps.spelled_method()
    own = digest({"method": spelled, "compared": compared, "data": data.hash})[:8]
    return RunRecord(
        name=f"{data.name}-{plan.recipe}-{method}-{own}-seed{plan.seed}",
        method=method,
        method_spec=spelled,
        dataset=data.name,
        recipe=plan.recipe,
        recipe_hash=digest(compared),
        data_hash=data.hash,
        seed=plan.seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        config=_without_paths(plan),
        roles=data.recorded(),
        judge={
            **plan.attack.described(judge),
            "clear": clear,
            **({"blind": blind_on} if blind_on else {}),
            **_others(steps),
        },
        stages=tuple(map(_stage, done)),
        scores=tuple(scores),
        curves=tuple(curves),
        checks=(
            judge_on_clear_pairs(clear, blind_on, declared=judge.get("preprocessing")),
            *bounds(method, scores),
            *replay_bounds(scores, deterministic=not steps.method.draws),
            *control_bounds(scores),
            *adaptive_bounds(method, scores, adaptive),
        ),
        attackers=tuple(name for name in steps.named("attack") if name not in not_run),
        not_run=not_run,
        versions={name: type(steps.attacks[name]).version for name in steps.named("attack") if name not in not_run},
        knows={name: steps.attacks[name].knows for name in steps.named("attack") if name not in not_run},
        metric_versions=utility.metric_versions(metrics(plan), steps),
        sourced=steps.method.sourced,
        quality=quality,
        learning=learning(steps.path(steps.train) / LOG),
        released=released,
        precision=steps.precision,
        overlap=data.overlap,
        skipped={"images": len(data.skipped)} if data.skipped else {},
        machine=_machine(),
        notes=(
            *in_sample,
            *_proved(steps),
            *overlap.notes(data.shared),
            *cut_down(plan, steps, released),
            *noted,
            *utility.notes(scores, blind_on),
        ),
        groups=by_group(data.groups, _made(steps), scores),
    )


def _made(steps: Steps) -> Made:
    """The stages that scores by group are counted from."""
    return Made(
        places=steps.data.places["P"],
        sourced=steps.method.sourced,
        release=steps.path(steps.release),
        original=steps.path(steps.original),
        private=steps.path(steps.private),
        attacks={name: steps.path(step) for name, step in steps.named("attack").items()},
        verifications={name: steps.path(step) for name, step in steps.named("verify").items()},
    )


def _proved(steps: Steps) -> list[str]:
    """What the method proves of the faces of P, as a note."""
    photos = steps.data.faces.labels[steps.data.places["P"]]
    promise = steps.method.promise(max(Counter(photos.tolist()).values(), default=0))
    return [f"proved: {promise}"] if promise else []


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


def _quality(steps: Steps) -> tuple[dict[str, float], list[str]]:
    """What the method found out about itself while it was fitted, as numbers and in words; nothing where it is silent.

    Raises:
        MethodError: it left something else there.
    """
    path = steps.path(steps.fit) / QUALITY if steps.fit else None
    if path is None or not path.is_file():
        return {}, []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        notes = [str(note) for note in content.pop("notes", [])]
        return dict(_numbers(content)), notes
    except (ValueError, AttributeError, TypeError) as error:
        raise MethodError(f"{path}: expected numbers by name and `notes`, got something else ({error})") from error


def _numbers(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{above}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{above}{name}", float(value)


def _stage(stage: Stage) -> StageTrace:
    peak = None if stage.peak_mib is None else round(stage.peak_mib, 1)
    seconds = round(stage.seconds, 3)
    return StageTrace(
        name=stage.name, key=stage.key, seconds=seconds, cached=stage.cached, peak_mib=peak, precision=stage.precision
    )


def _others(steps: Steps) -> dict[str, Any]:
    """The attacker's other recognizers: those of the plan, or those that the run trained."""
    others = steps.plan.judges or [judge for judge, _ in steps.others]
    described = [judge.described(judge.spelled()) for judge in others]
    return {"others": described} if described else {}


def _without_paths(plan: Plan) -> dict[str, Any]:
    """The plan as a record shows it: names of files, not where they are."""

    def shorten(value: Any) -> Any:
        if isinstance(value, Path) or (isinstance(value, str) and os.sep in value):
            return Path(value).name
        if isinstance(value, Mapping):
            return {key: shorten(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [shorten(inner) for inner in value]
        return value

    shown: dict[str, Any] = shorten(plan.model_dump())
    shown["dataset"] = Path(plan.dataset).name
    for told_elsewhere in ("methods", "groups"):  # what of them was used: in method_spec, in groups with its digest
        del shown[told_elsewhere]
    plain: dict[str, Any] = results.plain(shown)
    return plain


def _kept(path: Path) -> RunRecord | None:
    """The record that is there, if it is sound."""
    try:
        return results.read(path)
    except results.RecordError:
        return None


def _essence(record: RunRecord) -> dict[str, Any]:
    """What makes two records equal: all but time, machine, what was cached, and what people said of it."""
    shown = record.model_dump(mode="json", exclude={"created", "machine", "stages", "digest", "unreliable"})
    return {**shown, "stages": [(stage.name, stage.key, stage.seconds) for stage in record.stages]}


def _machine() -> dict[str, Any]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    peak = memory.highest()
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": versions,
        "peak_memory_mb": None if peak is None else round(peak),
    }
