"""The stages `apply/attacker` and `apply/holdout`: the published method, applied to people who are not released.

Attackers learn from people of role A both ways; people of role H are the control. Both are made once a run and
shared by all attacks.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....datasets.base import Progress
from ....methods.base import MethodError, NotMadeError
from ....reports.result.record import NOT_MEASURED
from ...plan.roles import Role, role_digest
from . import embed
from .context import Context
from .recognizers import LiveJudge
from .release import inputs, refuse, write
from .stage import Stage

WORDS: dict[Role, str] = {"A": "attacker", "H": "holdout"}
"""The roles that the method is applied to for attackers, and what their stages are called."""
_ATTACKER = "attacker"
"""Purpose of the key with which an attacker applies the method: nobody but the owner has that of the release."""
_log = logging.getLogger(__name__)


class BothWays(NamedTuple):
    """The stages that show some people both ways: what the method makes of them, and how the judge sees them."""

    apply: Stage
    original: Stage
    private: Stage


def both_ways(run: Context, role: Role, indices: NDArray[np.int64], fit: Stage | None, judge: LiveJudge) -> BothWays:
    """Apply the method to people of a role, and embed their faces before and after.

    Args:
        run: what the run is made of.
        role: A or H.
        indices: of their faces in the dataset, see `draw`.
        fit: of the method, where it learns.
        judge: the attacker's recognizer.
    """

    def make(out: Path, progress: Progress) -> None:
        try:
            write(run, fit, indices, out, progress, purpose=_ATTACKER)
        except MethodError as error:
            refuse(out, _reason(error))

    ids, word = [run.data.fingerprint, role_digest(indices)], WORDS[role]
    apply = Stage(f"apply/{word}", inputs(run, fit, ids), "faces", make)
    original = embed.of_originals(run, word, judge, ids, lambda: run.faces_at(indices))
    return BothWays(apply, original, embed.of_private(run, f"{word}-private", judge, apply))


def _reason(error: MethodError) -> str:
    if isinstance(error, NotMadeError):
        return (
            f"{NOT_MEASURED}: the method made its private faces once and for all, and not of these people; "
            "have the tool that made them make these people's, too"
        )
    # its words may name a file or a person, and the reason goes into records
    _log.warning("the method was applied to people of role A or H for the attacker, and failed: %s", error)
    return f"{NOT_MEASURED}: the method failed on people of the attacker's own; --force apply says how"


def draw(labels: NDArray[np.int64], indices: NDArray[np.int64], most: int, *, seed: int) -> NDArray[np.int64]:
    """Indices of some people's faces, whole people by chance, no more than `most` faces where they can be kept to.

    Args:
        labels: of all faces of the dataset.
        indices: of a role's faces.
        most: faces.
        seed: of the draw.
    """
    if len(indices) <= most:
        return indices
    people, counts = np.unique(labels[indices], return_counts=True)
    order = np.random.default_rng((seed, 5)).permutation(len(people))
    kept = people[order[: max(4, int((counts[order].cumsum() <= most).sum()))]]
    return indices[np.isin(labels[indices], kept)]
