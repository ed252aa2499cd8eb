"""Leak@1 as a mean over people instead of over their faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....reports.board.marks import BY_PERSON
from ....reports.result.record import Measure, Score
from ....reports.statistics.intervals import clustered

MEASURE = Measure(
    name=BY_PERSON,
    side="privacy",
    better="lower",
    says="mean over people of the share of their private faces whose best match among the originals is theirs",
)


def score(hit: NDArray[np.bool_], luck: NDArray[np.float64], person: NDArray[np.int64], on: str) -> Score:
    """Of each person the share of their faces that are found, and of these the mean.

    Where people have unequal numbers of photos, the mean over faces is that of the people with many, and a few of them
    may bring half of the hits. A person asks how likely they are found; this is the mean of that.

    Args:
        hit: [Q], whether the best match of each private face is its person.
        luck: [Q], how probably that is so by guessing.
        person: [Q], whose face it is.
        on: the attack's name.
    """
    people, place = np.unique(person, return_inverse=True)
    photos = np.bincount(place)
    rate = np.bincount(place, weights=hit) / photos
    value, chance = float(rate.mean()), float((np.bincount(place, weights=luck) / photos).mean())
    return Score(
        measure=MEASURE,
        on=on,
        value=value,
        n=len(people),
        intervals=clustered(rate, people),
        chance=chance,
        detail={
            "normalised": (value - chance) / (1 - chance) if chance < 1 else None,
            "found_once": float((rate > 0).mean()),
            "faces": len(person),
            "most_faces": int(photos.max()),
        },
    )
