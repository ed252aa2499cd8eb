"""What the worst attacker finds under other conditions than the headline's, told below the board and after a run.

The headline searches face by face, and the photo that was made private is in the gallery, as in the paper. Whether
anybody else has that photo is for the owner of the faces to know, and the number without it can be far lower. That
private faces of one person are released as such is for the owner, too, and the number for all of them taken together
can be far higher.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from ..result.attack_traits import traits
from ..result.record import Measure, RunRecord, Score
from ..result.thirdparty import ThirdPartyAttack
from .marks import BY_PERSON, FUSED, OTHER_PHOTO

CONDITIONS = {
    BY_PERSON: "as a mean over people, each of whom counts alike, instead of over faces",
    OTHER_PHOTO: "where the released photo itself is not in the gallery",
    FUSED: "by people, all private faces of one taken together",
}
"""Measures, and what is said of them."""
_HEADLINE = "leak@1"
"""What is measured of an attacker who has other photos alone, under that condition from the start."""


class Worst(NamedTuple):
    """Of one row."""

    on: str
    """Which attack."""
    measure: Measure
    mean: float
    """Over seeds."""
    sd: float | None
    """Between seeds; None for one."""


def worst(records: Sequence[RunRecord], name: str, foreign: Sequence[ThirdPartyAttack] = ()) -> Worst | None:
    """The highest value of a measure over the attacks that have it on every seed; None where none has.

    None, too, where an attack that lacks a seed found more on another: what is left would look better than it is.

    Args:
        records: of one method with its parameters, one a seed.
        name: one of `CONDITIONS`; of attackers who never have the photo (`AttackTraits.without_photo`) the headline is
            what is asked.
        foreign: third parties' attacks on these records.
    """
    found: dict[str, list[Score]] = defaultdict(list)
    for record in records:
        without = {on for on, one in traits(record).items() if one.without_photo} if name == OTHER_PHOTO else set()
        for score in record.scores:
            beside = score.measure.name == _HEADLINE and score.on in without
            if (score.measure.name == name or beside) and score.value is not None:
                found[score.on].append(score)
    for attack in foreign:
        for score in attack.scores:
            if score.measure.name == name and score.value is not None:
                found[score.on].append(score)
    whole = [_over_seeds(told) for told in found.values() if len(told) == len(records)]
    if all(told.measure.name != name for told in whole):
        return None
    most = max(whole, key=lambda worst: worst.mean)
    rest = [_over_seeds(told).mean for told in found.values() if len(told) != len(records)]
    return None if rest and max(rest) > most.mean else most


def _over_seeds(told: list[Score]) -> Worst:
    values = [score.value for score in told if score.value is not None]
    spread = statistics.stdev(values) if len(values) > 1 else None
    return Worst(told[0].on, told[0].measure, statistics.fmean(values), spread)
