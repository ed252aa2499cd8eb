"""The control: how often somebody is found behind a private face whom it was not made from.

Photos of hold-out people, whom neither method nor release has seen, stand in for the person behind a probe: as many as
the person has are put into the gallery in place of the true ones, and the same attack is run. What it finds then it
finds by luck, or because a face resembles everybody; leakage is what is found beyond that.

Source: the residual against a control, Giomi et al., A unified framework for quantifying privacy risk in synthetic
data, PoPETs 2023 (anonymeter); the stand-ins are our reading of it for faces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ...reports.intervals import wilson
from ...reports.record import Interval, Measure, Score
from . import kept
from .base import Embeddings
from .leakage import Found, chance_of_identity

KEPT = "control.npz"
ABSENT = "control.txt"
_BLOCK = 1024
"""Probes compared at once with all hold-out people."""

MEASURE = Measure(
    name="residual",
    side="privacy",
    better="lower",
    says="leak@1 beyond what the same attack finds of hold-out people in place of the true ones",
)


@dataclass(frozen=True)
class Control:
    """How often hold-out photos would have been found."""

    probe: NDArray[np.float64]
    """[Q], the probability that one of the stand-ins of a probe would be its best match."""
    person: NDArray[np.float64]
    """[people], what each hold-out person adds to the mean of these, to first order."""
    chance: float
    """What guessing gives: as many stand-ins as mates, in a gallery of the same size."""

    def write(self, out: Path) -> None:
        """Keep it in the folder `out`."""
        kept.write(self, out / KEPT)


def compare(probes: Embeddings, holdout: Embeddings, found: Found) -> Control:
    """Let hold-out photos stand in for the person behind every probe: the exact mean over all draws of them.

    Of H hold-out photos h would be the best match of a probe. Of m that are drawn without looking, one at least is
    among them with probability 1 - C(H - h, m) / C(H, m).

    Args:
        probes: [Q], the private faces that were searched.
        holdout: originals of role H, in the space of the gallery; failed ones are nobody's best match.
        found: what the search found for these probes.
    """
    from .retrieval import TIE

    people, place = np.unique(holdout.identity, return_inverse=True)
    total, seen = len(holdout.identity), np.flatnonzero(~np.isnan(holdout.vectors).any(axis=1))
    drawn = np.minimum(found.mates, total)
    better, person = np.zeros(len(probes.identity), np.int64), np.zeros(len(people))
    for start in range(0, len(probes.identity) if len(seen) else 0, _BLOCK):
        rows = slice(start, start + _BLOCK)
        # ties count against the defender, as for the true person; where nobody else could be compared, all are found
        bar = np.where(np.isnan(found.other[rows]), -np.inf, found.other[rows])[:, None]
        similarity = probes.vectors[rows] @ holdout.vectors[seen].T
        hit = (similarity + np.float32(TIE) >= bar) & ~found.failed[rows, None]
        better[rows] = hit.sum(axis=1)
        person += np.bincount(place[seen], (hit * drawn[rows, None]).sum(axis=0), len(people))
    probe, chance = np.zeros(len(better)), np.zeros(len(better))
    for m in np.unique(drawn).tolist():
        same = drawn == m
        probe[same] = chance_of_identity(total, better[same], m)
        chance[same] = m / (found.gallery - found.mates[same] + m)
    return Control(probe, person / (len(better) * total), float(chance.mean()))


def absent(out: Path, why: str) -> None:
    """Keep that there is no control."""
    (out / ABSENT).write_text(why, encoding="utf-8")


def reason(out: Path) -> str:
    """Why there is no control; empty where there is one."""
    path = out / ABSENT
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def scores(out: Path, found: Found, on: str) -> list[Score]:
    """The residual R = (a - c) / (1 - c) of leak@1 (a) against the control (c), with its interval.

    The interval propagates Wilson's of a and of c to first order. `control_sigma` is the standard deviation of c by
    chance: over probes as independent trials, and over hold-out people, some of whom resemble everybody.

    Raises:
        AttackError: what was kept is missing or damaged.
    """
    q = len(found.identity)
    if why := reason(out):
        return [Score(measure=MEASURE, on=on, value=None, n=q, note=why)]
    control = kept.read(Control, out / KEPT)
    hits = int((found.identity == 1).sum())
    a, c, people = hits / q, float(control.probe.mean()), len(control.person)
    spread = float(control.person.std(ddof=1)) * math.sqrt(people) if people > 1 else 0.0  # of a sum over people
    detail = {
        "leak": a,
        "control": c,
        "control_chance": control.chance,
        "control_sigma": math.hypot(spread, math.sqrt(control.chance * (1 - control.chance) / q)),
        "control_people": people,
    }
    if c >= 1:
        note = "every hold-out person would be found behind every face, so nothing is left to find"
        return [Score(measure=MEASURE, on=on, value=None, n=q, detail=detail, note=note)]
    value = (a - c) / (1 - c)
    z = NormalDist().inv_cdf(0.975)
    width_a, width_c = (_half(wilson(min(q, round(share * q)), q)) / z for share in (a, c))
    half = z * math.hypot(width_a / (1 - c), width_c * (a - 1) / (1 - c) ** 2)
    interval = Interval(low=max(-1.0, value - half), high=min(1.0, value + half), kind="propagated")
    return [Score(measure=MEASURE, on=on, value=value, n=q, intervals=(interval,), chance=0.0, detail=detail)]


def _half(interval: Interval) -> float:
    return (interval.high - interval.low) / 2
