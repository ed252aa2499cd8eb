"""The stages of one run, in order. Nothing is made here, and no network is imported.

A stage's key follows from its inputs alone, and its inputs from keys of stages before it: what a run consists of, and
what of it is cached, is known without making anything. What each stage's key is made of stands in its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...methods.base import Method
from ..attacks.base import Attack
from ..plan.data import Data
from ..plan.fitted import in_store, refuse_released
from ..plan.plan import ConfigError, Plan
from ..plan.roles import Role
from ..plan.sameness import refuse_same
from ..plugins import build, name_of
from ..store.store import Store
from .stages import recognizers
from .stages.apply import BothWays, both_ways, draw
from .stages.arithmetic import USUAL, arithmetic, refuse_other
from .stages.attack import attack
from .stages.context import Context
from .stages.embed import of_originals, of_private
from .stages.evidence import Attackable
from .stages.fit import fit
from .stages.identify import identify
from .stages.release import release
from .stages.stage import Stage
from .stages.train import train
from .stages.verify import clear, verify


@dataclass(frozen=True, kw_only=True)
class Pipeline(Attackable):
    """The stages of a run, laid out: those that its attackers read, and the others."""

    context: Context
    stages: tuple[Stage, ...]
    """All of them, each behind those it needs."""
    teacher: Stage | None
    train: Stage
    verify: Mapping[str, Stage]
    """By verification set."""
    clear: Mapping[str, Stage]
    """The judge on the same pairs."""
    identify: Stage | None
    attacks: Mapping[str, Stage]
    """By the attack's name."""
    not_run: Mapping[str, str]
    """Attacks that do not apply to the method, and why."""

    def path(self, stage: Stage) -> Path:
        """Where a stage is or will be."""
        return self.context.path(stage)


def lay_out(plan: Plan, data: Data, store: Store, *, device: str, method: Method | None = None) -> Pipeline:
    """The stages of a plan.

    Args:
        plan: of the run.
        data: as it was opened.
        store: of finished stages.
        device: as the user named it.
        method: in place of the one that the plan names.

    Raises:
        PluginError, UnknownPlugin: the method or an attack cannot be built.
        ConfigError: an attack is named twice, a judge is the method's teacher, or the method was fitted elsewhere on
            people of this dataset.
        JudgeError: the judge's file is missing or its preprocessing was not declared.
        StoreError: a kept stage was trained in another arithmetic, or one that the method names was changed.
    """
    method = method or build(Method, in_store(plan.method_entry(), store), where="method")
    refuse_released(method, data)
    precision = USUAL if plan.precision == USUAL else arithmetic(device, store)
    run = Context(plan, data, store, device, method, _attacks(plan), precision)
    refuse_same(method, plan.attack, "attack", data.role("A"), store)

    # the method, its private faces, and the recognizer that is trained on them
    teacher = recognizers.teacher(run)
    fitting = fit(run, teacher)
    released = release(run, fitting)
    trained = train(run, released)

    # how good that recognizer is, and how good the attacker's
    judge = recognizers.judge(run)
    verified = {name: verify(run, name, trained) for name in data.pairs}
    cleared = {name: clear(run, name, judge) for name in data.pairs}
    identified = identify(run, trained) if plan.identification else None

    # what attackers see, and whom they may learn from
    original = of_originals(run, "original", judge, data.ids["P"], lambda: data.role("P"))
    private = of_private(run, "private", judge, released)
    asked, not_run = _applicable(run)
    known = {role: draw(data.faces.labels, data.places[role], plan.known_faces, seed=plan.seed) for role in _SHOWN}
    shown: dict[Role, BothWays] = {
        role: both_ways(run, role, known[role], fitting, judge)
        for role, needed in _SHOWN.items()
        if any(getattr(each, needed) for each in asked.values()) and len(known[role])
    }
    others = recognizers.other_judges(run) if any(each.several for each in asked.values()) else ()
    made = Attackable(fitting, released, judge, original, private, known, shown, others)
    attacks = {name: attack(run, name, each, made) for name, each in asked.items()}

    pairs = (stage for name in data.pairs for stage in (verified[name], cleared[name]))  # a set is decoded once
    both = (stage for each in shown.values() for stage in each)
    needed = (teacher, fitting, released, trained, judge.stage, *pairs, identified, original, private, *both,
              *(other.stage for other in others), *attacks.values())  # fmt: skip
    stages = tuple(stage for stage in needed if stage)
    refuse_other(stages, store, run.precision)
    return Pipeline(
        **vars(made), context=run, stages=stages, teacher=teacher, train=trained, verify=verified, clear=cleared,
        identify=identified, attacks=attacks, not_run=not_run,
    )  # fmt: skip


_SHOWN: dict[Role, str] = {"A": "adaptive", "H": "control"}
"""The roles that are shown to attackers both ways, and what an attack declares that asks for them."""


def _attacks(plan: Plan) -> dict[str, Attack]:
    attacks: dict[str, Attack] = {}
    for index, entry in enumerate(plan.attacks):
        plugin = build(Attack, entry, where=f"attacks.{index}")
        name = name_of(plugin, Attack)
        if name in attacks:
            raise ConfigError(f"attacks.{index}: {name} is named twice; expected each attack once")
        attacks[name] = plugin
    return attacks


def _applicable(run: Context) -> tuple[dict[str, Attack], dict[str, str]]:
    """The attacks that apply to the method; and why the others do not."""
    asked: dict[str, Attack] = {}
    not_run: dict[str, str] = {}
    for name, plugin in run.attacks.items():
        if reason := plugin.inapplicable(sourced=run.method.sourced):
            not_run[name] = reason
        else:
            asked[name] = plugin
    return asked, not_run
