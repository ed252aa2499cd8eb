"""The stages `attack/NAME`: who is found behind the private faces, or why the attack does not apply."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from ....datasets.base import Progress
from ....methods.base import MethodError
from ....reports.result.record import NOT_MEASURED
from ...attacks.base import Attack, NotApplicableError
from ...plan.roles import role_digest
from ...plugins import spell
from .context import Context
from .evidence import Attackable, gather
from .stage import STEPS, Stage

NOT_RUN = "not_run.json"
"""What an attack that does not apply leaves in its stage instead of a result: the reason."""
_log = logging.getLogger(__name__)


def attack(run: Context, name: str, plugin: Attack, made: Attackable) -> Stage:
    """Attack a release.

    Args:
        run: what the run is made of.
        name: of the attack.
        plugin: the attack.
        made: the stages that it reads.
    """

    def make(out: Path, progress: Progress) -> None:
        try:
            plugin.run(gather(run, made, plugin, progress), out)
        except (NotApplicableError, MethodError) as error:  # kept: the next run shall not have to find out again
            reason = str(error)
            if isinstance(error, MethodError):  # its words may name a file or a person
                reason = f"{NOT_MEASURED}: the method failed when the attacker applied it; --force attack says how"
                _log.warning("the method was applied by the attacker, and failed: %s", error)
            for left in out.iterdir():
                left.unlink()
            (out / NOT_RUN).write_text(json.dumps(reason), encoding="utf-8")

    inputs: dict[str, Any] = {
        "attack": spell(plugin),
        "judge": made.judge.key(run),
        "release": run.key(made.release),
        "faces": run.data.ids,
        "fit": run.key(made.fit),
        "seed": run.plan.seed,
    }
    if plugin.control or plugin.adaptive:
        inputs["known"] = {role: role_digest(indices) for role, indices in made.known.items()}
    if plugin.adaptive:
        inputs["learner"] = spell(run.plan.judge)
    if plugin.several:
        inputs["others"] = [[other.config.spelled(), run.key(other.stage)] for other in made.others]
    if plugin.unit == STEPS:
        inputs |= run.arithmetic()
    return Stage(f"attack/{name}", inputs, plugin.unit, make)


def reason_not_run(folder: Path) -> str:
    """Why an attack whose stage was made found that it does not apply; empty where it was run."""
    kept = folder / NOT_RUN
    return str(json.loads(kept.read_text(encoding="utf-8"))) if kept.is_file() else ""
