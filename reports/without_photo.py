"""What the worst attacker finds where the photo that was made private is not in the gallery, only others of its person.

Leakage is told with that photo there, as the paper does: the worst case. Whether anybody else has it is for the owner
of the faces to know, and the two numbers can be far apart.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import NamedTuple

from .leaderboard import Row
from .marks import OTHER_PHOTO
from .record import Measure, Score

IGNORANT = ("leak@1", "other_image")
"""The measure and the attack of one who does not know the method."""


class Worst(NamedTuple):
    """Of one row."""

    on: str
    """Which attack."""
    measure: Measure
    mean: float
    """Over seeds."""
    sd: float | None
    """Between seeds; None for one."""


def worst(row: Row) -> Worst | None:
    """The highest leakage without the photo; None where no attacker who learns was asked for it on every seed."""
    found: dict[str, list[Score]] = defaultdict(list)
    for record in row.records:
        for score in record.scores:
            asked = score.measure.name == OTHER_PHOTO or (score.measure.name, score.on) == IGNORANT
            if asked and score.value is not None:
                found[score.on].append(score)
    whole = [told for told in found.values() if len(told) == len(row.records)]
    if {told[0].on for told in whole} <= {IGNORANT[1]}:
        return None
    return max(map(_over_seeds, whole), key=lambda worst: worst.mean)


def _over_seeds(told: list[Score]) -> Worst:
    values = [score.value for score in told if score.value is not None]
    spread = statistics.stdev(values) if len(values) > 1 else None
    return Worst(told[0].on, told[0].measure, statistics.fmean(values), spread)
