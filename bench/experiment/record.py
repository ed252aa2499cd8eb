"""From finished stages to the record of a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ...methods.base import QUALITY, MethodError
from ...reports.result.record import Curve, Released, RunRecord, Score
from ..plan import overlap
from ..plan.attacks import known as traits_of
from ..plan.fitted import note as fitted_elsewhere
from ..recognition.learning import learning
from ..recognition.recognizer import LOG
from ..store.store import Artifact, digest
from ..subgroups.scores import Made, by_group
from . import provenance, utility
from .batches import cut_down
from .pipeline import Pipeline
from .sanity import adaptive_bounds, bounds, control_bounds, judge_on_clear_pairs, replay_bounds
from .stages import release
from .stages.arithmetic import USUAL
from .stages.attack import reason_not_run


def record_of(run: Pipeline, done: Sequence[Artifact]) -> RunRecord:
    """The record of a run whose stages are all finished.

    Args:
        run: as it was laid out.
        done: its stages, in order.

    Raises:
        Every error of reading a stage.
    """
    context = run.context
    plan, data, method, attacks = context.plan, context.data, context.method, context.attacks

    # what was measured
    metrics = utility.metrics(plan)
    useful, drawn = utility.scored(metrics, run)
    found, curves, not_run = _attacked(run)
    scores = [*useful, *found]
    known = traits_of(attacks)
    measured = [name for name in run.attacks if name not in not_run]
    private = release.private_faces(run.path(run.release))
    missed = release.missed(context, run.path(run.release))
    released = Released(identities=len(set(private.labels.tolist())), images=len(private), missed=len(missed))
    clear, blind_on = utility.clear(run), utility.blind(run)
    quality, noted = _quality(run)

    # what it is compared with, which is a part of its name
    judge, spelled, compared = plan.attack.spelled(), context.spelled_method(), _compared(run)
    own = digest({"method": spelled, "compared": compared, "data": data.hash})[:8]
    return RunRecord(
        name=f"{data.name}-{plan.recipe}-{context.name}-{own}-seed{plan.seed}",
        method=context.name,
        method_spec=spelled,
        dataset=data.name,
        recipe=plan.recipe,
        recipe_hash=digest(compared),
        data_hash=data.hash,
        seed=plan.seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        config=provenance.without_paths(plan),
        roles=data.recorded(),
        judge={
            **plan.attack.described(judge),
            "clear": clear,
            **({"blind": blind_on} if blind_on else {}),
            **_others(run),
        },
        stages=tuple(map(provenance.trace, done)),
        scores=tuple(scores),
        curves=(*drawn, *curves),
        checks=(
            judge_on_clear_pairs(clear, blind_on, declared=judge.get("preprocessing")),
            *bounds(context.name, scores, known),
            *replay_bounds(scores, known, deterministic=not method.draws),
            *control_bounds(scores),
            *adaptive_bounds(context.name, scores, known),
        ),
        attackers=tuple(measured),
        not_run=not_run,
        versions={name: type(attacks[name]).version for name in measured},
        knows={name: attacks[name].knows for name in measured},
        known_attacks=known,
        metric_versions=utility.metric_versions(metrics, run),
        sourced=method.sourced,
        quality=quality,
        learning=learning(run.path(run.train) / LOG),
        released=released,
        precision=context.precision,
        overlap=data.overlap,
        skipped={"images": len(data.skipped)} if data.skipped else {},
        machine=provenance.machine(),
        notes=(
            *_in_sample(run),
            *fitted_elsewhere(method, data),
            *_proved(run),
            *_failures(released),
            *overlap.notes(data.shared),
            *cut_down(run, released),
            *noted,
            *utility.notes(scores, blind_on),
        ),
        groups=by_group(data.groups, _made(run), scores),
    )


def _attacked(run: Pipeline) -> tuple[list[Score], list[Curve], dict[str, str]]:
    """Scores and curves of every attack, and why some were not run."""
    scores: list[Score] = []
    curves: list[Curve] = []
    not_run = dict(run.not_run)
    for name, stage in run.attacks.items():
        folder = run.path(stage)
        if reason := reason_not_run(folder):
            not_run[name] = reason
            continue
        found, drawn = run.context.attacks[name].scores(folder, name)
        scores += found
        curves += drawn
    return scores, curves, not_run


def _compared(run: Pipeline) -> dict[str, Any]:
    """What two runs must have in common to be compared."""
    plan = run.context.plan
    compared = {**plan.compared(), "judge_file": plan.attack.spelled(), "dataset": run.context.data.name}
    if run.context.precision != USUAL:
        compared["precision"] = run.context.precision
    if plan.judges:  # by content, not by path
        compared["judges"] = [other.spelled() for other in plan.judges]
    return compared


def _others(run: Pipeline) -> dict[str, Any]:
    """The attacker's other recognizers: those of the plan, or those that the run trained."""
    others = run.context.plan.judges or [judge.config for judge in run.others]
    described = [judge.described(judge.spelled()) for judge in others]
    return {"others": described} if described else {}


def _made(run: Pipeline) -> Made:
    """The stages that scores by group are counted from."""
    return Made(
        places=run.context.data.places["P"],
        sourced=run.context.method.sourced,
        release=run.path(run.release),
        original=run.path(run.original),
        private=run.path(run.private),
        missed=release.missed(run.context, run.path(run.release)),
        attacks={name: run.path(stage) for name, stage in run.attacks.items()},
        verifications={name: run.path(stage) for name, stage in run.verify.items()},
    )


def _in_sample(run: Pipeline) -> list[str]:
    fitted_on_them = run.context.plan.protocol == "in-sample"
    return ["in-sample: the method was fitted on the people it releases"] if fitted_on_them else []


def _proved(run: Pipeline) -> list[str]:
    """What the method proves of the faces of P, as a note."""
    data = run.context.data
    photos = data.faces.labels[data.places["P"]]
    promise = run.context.method.promise(max(Counter(photos.tolist()).values(), default=0))
    return [f"proved: {promise}"] if promise else []


def _failures(released: Released) -> list[str]:
    """How often the method failed to make a private face, as a note."""
    if not released.missed:
        return []
    total = released.images + released.missed
    return [
        f"method failed: no private face of {released.missed:,} of {total:,} originals; attackers do not find them "
        "(leak_excl_failures leaves them out), and the recognizer is trained without them"
    ]


def _quality(run: Pipeline) -> tuple[dict[str, float], list[str]]:
    """What the method found out about itself while it was fitted, as numbers and in words; nothing where it is silent.

    Raises:
        MethodError: it left something else there.
    """
    path = run.path(run.fit) / QUALITY if run.fit else None
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
