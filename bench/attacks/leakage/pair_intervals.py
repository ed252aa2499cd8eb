"""Intervals of rates over pairs, for people and for the threshold, which is set on impostor pairs of the same people.

To first order each pair moves a rate by a little, and a person by what all pairs do in which their face is: genuine
ones, and impostor ones on either side, which move the threshold. The sum of squares over people is the variance.

Source: influence functions (Hampel et al., Robust Statistics, 1986); for pairs that share people, Fafchamps and Gubert,
The formation of risk sharing networks, Journal of Development Economics 83 (2007).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....reports.result.record import Interval
from ....reports.statistics.intervals import Spread, over_people

KIND = "over people, and of the threshold"


class Scored(NamedTuple):
    """Pairs with the people in them."""

    genuine: NDArray[np.float64]
    """[G], similarities."""
    person: NDArray[np.int64]
    """[G], whose they are."""
    impostor: NDArray[np.float64]
    """[I], similarities in rising order."""
    people: NDArray[np.int64]
    """[I, 2], whose the two faces are."""


def area(pairs: Scored) -> Interval | None:
    """Of the area under the curve."""
    higher = _share_below(pairs.impostor, pairs.genuine)
    lower = 1 - _share_below(np.sort(pairs.genuine), pairs.impostor)
    return _interval(float(higher.mean()), pairs, higher, lower, 1.0)


def accepted(pairs: Scored, bar: float, rate: float) -> Interval | None:
    """Of the true acceptance rate above `bar`, which is set for a false acceptance rate."""
    genuine, impostor = ((scores > bar).astype(np.float64) for scores in (pairs.genuine, pairs.impostor))
    return _interval(float(genuine.mean()), pairs, genuine, impostor, -_slope(pairs, rate))


def equal(pairs: Scored, bar: float, value: float) -> Interval | None:
    """Of the equal error rate `value`, at the threshold `bar`."""
    slope = _slope(pairs, value)
    refused, taken = (pairs.genuine < bar).astype(np.float64), (pairs.impostor >= bar).astype(np.float64)
    return _interval(value, pairs, refused / (1 + slope), taken, slope / (1 + slope))


def _share_below(ordered: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    below: NDArray[np.float64] = (
        np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    ) / (2 * len(ordered))
    return below


def _slope(pairs: Scored, rate: float) -> float:
    """How fast the true acceptance rate rises with the false one, between half of a rate and twice the rate."""
    n = len(pairs.impostor)
    ends = [max(1, round(n * rate / 2)), min(n, max(2, round(2 * n * rate)))]
    strict, loose = (float(np.mean(pairs.genuine >= pairs.impostor[n - end])) for end in ends)
    return (loose - strict) / ((ends[1] - ends[0]) / n) if ends[1] > ends[0] else 0.0


def _interval(
    value: float, pairs: Scored, genuine: NDArray[np.float64], impostor: NDArray[np.float64], weight: float
) -> Interval | None:
    """Over people; None where they do not vary, or the value is at an end.

    Args:
        value: of the rate.
        pairs: with the people.
        genuine: [G], what each genuine pair brings.
        impostor: [I], what each impostor pair brings.
        weight: of the impostor pairs' part.
    """
    people, place = np.unique(np.concatenate([pairs.person, pairs.people.ravel()]), return_inverse=True)
    own, others = place[: len(genuine)], place[len(genuine) :].reshape(-1, 2)
    moved = np.bincount(own, weights=(genuine - genuine.mean()) / len(genuine), minlength=len(people))
    strange = weight * (impostor - impostor.mean()) / len(impostor)
    for side in (0, 1):
        moved += np.bincount(others[:, side], weights=strange, minlength=len(people))
    count, square = len(people), float((moved**2).sum())
    if count < 2 or square <= 0 or not 0 < value < 1:
        return None
    found = Spread(
        value,
        math.sqrt(count / (count - 1) * square),
        square**2 / float((moved**4).sum()),
        float((moved**3).sum()),
        count,
    )
    low, high = over_people(found)
    return Interval(low=min(low, value), high=max(high, value), kind=KIND)
