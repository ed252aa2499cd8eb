"""From a plan to its stages: the method and the attacks are built, and nothing is made."""

from __future__ import annotations

from ...methods.base import Method
from ..attacks.base import Attack
from ..plan.data import Data
from ..plan.plan import ConfigError, Plan
from ..plugins import build, name_of
from ..store.store import Store
from .pipeline import Steps


def lay_out(plan: Plan, data: Data, store: Store, *, device: str) -> Steps:
    """The stages of a plan.

    Raises:
        PluginError, UnknownPlugin: the method or an attack cannot be built.
        ConfigError: the judge is the method's teacher.
        JudgeError: the judge's file is missing or its preprocessing was not declared.
    """
    method = build(Method, plan.method_entry(), where="method")
    attacks: dict[str, Attack] = {}
    for place, entry in enumerate(plan.attacks):
        attack = build(Attack, entry, where=f"attacks.{place}")
        name = name_of(attack, Attack)
        if name in attacks:
            raise ConfigError(f"attacks.{place}: {name} is named twice; expected each attack once")
        attacks[name] = attack
    return Steps(plan, data, store, device, method, attacks)
