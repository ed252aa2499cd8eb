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

import numpy as np
from numpy.typing import NDArray

from ....reports.result.record import Interval, Measure, Score
from ....reports.statistics.differences import reach
from ....reports.statistics.intervals import clustered, over_people, spread, wilson
from ...biometrics.chance import chance_of_identity
from ...biometrics.embeddings import Embeddings
from . import arrays
from .leak_at_k import SearchResult

FILE = "control.npz"
ABSENT = "control.txt"
KIND = "over people of both"
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
        arrays.write(self, out / FILE)


def compare(probes: Embeddings, holdout: Embeddings, found: SearchResult) -> Control:
    """Let hold-out photos stand in for the person behind every probe: the exact mean over all draws of them.

    Of H hold-out photos h would be the best match of a probe. Of m that are drawn without looking, one at least is
    among them with probability 1 - C(H - h, m) / C(H, m).

    Args:
        probes: [Q], the private faces that were searched.
        holdout: originals of role H, in the space of the gallery; failed ones are nobody's best match.
        found: what the search found for these probes.
    """
    from ...biometrics.ranks import TIE

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


def scores(out: Path, found: SearchResult, on: str) -> list[Score]:
    """The residual R = (a - c) / (1 - c) of leak@1 (a) against the control (c), with its interval.

    Leakage varies with the people of the probes, the control with the hold-out people who stand in and with the people
    of the probes; each has an interval over its own people, and those of the difference a - c are made of both as for
    independent ones (Zou and Donner 2008). The factor 1 / (1 - c) is taken as given. `control_sigma` is the standard
    deviation of c by chance: over probes as independent trials, and over hold-out people, some of whom resemble
    everybody.

    Raises:
        AttackError: what was kept is missing or damaged.
    """
    q = len(found.identity)
    if why := reason(out):
        return [Score(measure=MEASURE, on=on, value=None, n=q, note=why)]
    control = arrays.read(Control, out / FILE)
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
    hit = (found.identity == 1).astype(np.float64)
    down, up = reach(a, _leak(hit, found.person), c, _control(control, found.person))
    low, high = value - down / (1 - c), value + up / (1 - c)
    interval = Interval(low=max(-1.0, low), high=min(1.0, high), kind=KIND)
    return [Score(measure=MEASURE, on=on, value=value, n=q, intervals=(interval,), chance=0.0, detail=detail)]


def _leak(hit: NDArray[np.float64], person: NDArray[np.int64]) -> Interval:
    """The interval of leakage over the people of the probes.

    Where none or all are found it is Wilson's, of so many trials as those people are worth: all faces of one may be
    found together.
    """
    found = clustered(hit, person)[0]
    if found.kind != "wilson":
        return found
    photos = np.unique(person, return_counts=True)[1].astype(np.float64)
    worth = max(1, round(float(photos.sum() ** 2 / (photos**2).sum())))
    return wilson(round(float(hit.mean()) * worth), worth)


def _control(control: Control, person: NDArray[np.int64]) -> Interval:
    """The interval of the control, over the people of the probes and over the hold-out people, or Wilson's if wider."""
    c, q = float(control.probe.mean()), len(control.probe)
    plain = wilson(min(q, round(c * q)), q)
    adds = control.person * len(control.person)  # what each adds, so that the mean over them is the control
    parts = [spread(control.probe, person), spread(adds, np.arange(len(adds)))] if 0 < c < 1 else []
    ends = [over_people(part._replace(mean=c)) for part in parts if part.error]
    low = c - math.hypot(*(c - end[0] for end in ends))
    high = c + math.hypot(*(end[1] - c for end in ends))
    return Interval(low=max(0.0, min(low, plain.low)), high=min(1.0, max(high, plain.high)), kind=KIND)
