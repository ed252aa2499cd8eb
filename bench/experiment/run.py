"""One run, stage by stage, to its record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...methods.base import Method
from ...reports.result import record as results
from ...reports.result.record import RunRecord
from ..plan.data import open_data
from ..plan.fitted import note as fitted_elsewhere
from ..plan.look import look, refuse_long
from ..plan.plan import Plan
from ..plan.scan import undecodable
from ..store.store import Artifact, Store
from ..terminal.progress import Display
from . import changed_code
from .pipeline import Pipeline, lay_out
from .record import record_of
from .stages.arithmetic import USUAL
from .stages.stage import Stage
from .tried import try_all
from .utility import metrics


@dataclass(frozen=True)
class Outcome:
    """A finished run."""

    record: RunRecord
    path: Path
    """The record's file."""
    pipeline: Pipeline
    new: bool
    """False where an equal record was there already."""


def prepare(
    plan: Plan, store: Store, *, data_root: Path, device: str, display: Display, method: Method | None = None
) -> Pipeline:
    """Open the data, lay out the stages, and try what the run was given; nothing but a scan of images is made.

    Args:
        plan: of the run.
        store: of finished stages.
        data_root: where cards look for their data.
        device: as the user named it.
        display: shows progress.
        method: to be used in place of the plan's.

    Raises:
        Every error of `open_data`, `lay_out`, `refuse_long`, `look` and `try_all`.
    """
    metrics(plan)  # built at the end, but what is wrong with one is told before anything is made
    data = open_data(plan, store, root=data_root)
    if plan.skip_bad and not data.synthetic:
        skip = undecodable(data, store, display)
        data = open_data(plan, store, root=data_root, skip=skip) if skip else data
    for each in data.shared:
        if not each.shared:
            display.warn(f"warning: {each}")
    for name, why in data.unused.items():
        display.warn(f"warning: {name}: left out: {why}")
    pipeline = lay_out(plan, data, store, device=device, method=method)
    for sentence in [*changed_code.told(pipeline.context), *fitted_elsewhere(pipeline.context.method, data)]:
        display.warn(f"warning: {sentence}")
    refuse_long(dataset=data.name, recipe=plan.recipe, method=pipeline.context.name, seed=plan.seed)
    if not all(store.has(stage.name, stage.inputs) for stage in pipeline.stages):
        look(data, store, display)
        try_all(pipeline, display)
    return pipeline


def run(pipeline: Pipeline, *, display: Display, call_others: Callable[[], None] = lambda: None) -> Outcome:
    """Make what is missing of a run, measure, and write its record.

    Args:
        pipeline: as `prepare` laid it out.
        display: shows progress.
        call_others: called before a fit in which other processes share, where they wait for it.

    Raises:
        Every error of the stages, and of writing the record.
    """
    context = pipeline.context
    store = context.store
    shared_fit = pipeline.fit if context.method.shared else None
    done = [
        _make(pipeline, stage, display, call_others if stage is shared_fit else lambda: None)
        for stage in pipeline.stages
    ]
    context.forget()
    changed_code.keep(context)
    record = results.sealed(record_of(pipeline, done))
    folder = store.root / "records"
    path = folder / f"{record.name}.json"
    kept = _kept(path)
    if kept and _essence(kept) == _essence(record):
        return Outcome(kept, path, pipeline, new=False)
    if kept and kept.unreliable:  # people put it there, and only they take it away
        record = record.model_copy(update={"unreliable": kept.unreliable})
    return Outcome(record, results.write(record, folder), pipeline, new=True)


def _make(pipeline: Pipeline, stage: Stage, display: Display, before: Callable[[], None]) -> Artifact:
    store = pipeline.context.store
    if store.has(stage.name, stage.inputs):
        return store.stage(stage.name, stage.inputs, lambda out: None)
    with display.stage(stage.name, stage.unit) as progress:

        def make(out: Path) -> None:
            from ...facemae.runtime.precision import float32

            before()
            with float32(only=pipeline.context.precision == USUAL):
                stage.make(out, progress)

        precision = pipeline.context.precision if stage.trains else None
        made = store.stage(stage.name, stage.inputs, make, precision=precision)
    display.note(f"{stage.name:<22} {made.seconds:8.1f} s")
    return made


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
