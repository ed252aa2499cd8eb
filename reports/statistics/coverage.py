"""How often intervals of leakage hold the truth, by simulation.

The table in `docs/attacks.md` is made with it::

    .venv/bin/python -m facebench.reports.statistics.coverage

People have as many photos as LFW's people with two at least. Of each a share of the photos is found that is drawn from
a beta distribution, so that some are found every time and most never: with the smallest spread below, five of 672
people bring half of a hundred hits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .intervals import cluster_bootstrap, clustered, wilson

PHOTOS = {
    2: 540, 3: 203, 4: 138, 5: 73, 6: 38, 7: 29, 8: 18, 9: 18, 10: 12, 11: 13, 12: 8, 13: 9, 14: 9, 15: 8, 16: 2,
    17: 4, 18: 5, 19: 4, 20: 4, 21: 3, 22: 2, 23: 2, 24: 3, 25: 1, 26: 1, 27: 1, 28: 1, 29: 1, 30: 1, 31: 2, 32: 3,
    33: 3, 36: 1, 37: 1, 39: 2, 41: 2, 42: 1, 44: 1, 48: 1, 49: 1, 52: 1, 55: 1, 71: 1, 109: 1, 121: 1, 144: 1, 236: 1,
}  # fmt: skip
"""People with so many photos, of those with two at least who are in none of LFW's last three folds."""

Ends = tuple[float, float]


class World(NamedTuple):
    """From what the people of a release are drawn."""

    people: int
    leak: float
    """The mean share of photos that are found, which is the truth."""
    spread: float
    """First parameter of the beta distribution: the smaller, the fewer people bring the hits."""


WORLDS = tuple(
    World(people, leak, spread)
    for people in (672, 168)
    for leak, spread in ((0.027, 0.02), (0.027, 0.08), (0.027, 0.3), (0.1, 0.08), (0.4, 0.1), (0.7, 0.1))
)


class Covered(NamedTuple):
    """What became of the intervals of one kind, in shares of the draws."""

    below: float
    """The truth lay below the interval."""
    above: float
    width: float

    @property
    def holds(self) -> float:
        """How often the truth was in it."""
        return 1 - self.below - self.above


def drawn(world: World, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Hits and people of every private face of one release."""
    photos = random.choice(np.repeat(list(PHOTOS), list(PHOTOS.values())), world.people)
    rates = random.beta(world.spread, world.spread * (1 / world.leak - 1), world.people)
    person = np.repeat(np.arange(world.people), photos)
    return (random.random(len(person)) < rates[person]).astype(np.float64), person


def over_faces(hit: NDArray[np.float64], person: NDArray[np.int64]) -> Ends:
    """The interval that the suite prints."""
    made = clustered(hit, person)[0]
    return made.low, made.high


def over_persons(hit: NDArray[np.float64], person: NDArray[np.int64]) -> Ends:
    """That of the mean over people."""
    photos = np.bincount(person)
    made = clustered(np.bincount(person, weights=hit) / photos, np.arange(len(photos)))
    return (made[0].low, made[0].high) if made else over_faces(hit, person)


def resampled(hit: NDArray[np.float64], person: NDArray[np.int64]) -> Ends:
    """Percentiles of resampled people."""
    if not 0 < hit.sum() < len(hit):
        return over_faces(hit, person)
    made = cluster_bootstrap(hit, person, seed=0, resamples=500)
    return made.low, made.high


def over_trials(hit: NDArray[np.float64], person: NDArray[np.int64]) -> Ends:
    """Wilson's, as if the photos of a person had nothing to do with each other."""
    made = wilson(round(float(hit.sum())), len(hit))
    return made.low, made.high


METHODS: dict[str, Callable[[NDArray[np.float64], NDArray[np.int64]], Ends]] = {
    "printed": over_faces,
    "by person": over_persons,
    "percentiles of people": resampled,
    "Wilson over photos": over_trials,
}


def covered(world: World, methods: Sequence[str], *, draws: int, seed: int = 0) -> dict[str, Covered]:
    """How often the intervals of each kind lie above or below the truth."""
    random = np.random.default_rng(seed)
    ends: dict[str, list[Ends]] = {name: [] for name in methods}
    for _ in range(draws):
        release = drawn(world, random)
        for name in methods:
            ends[name].append(METHODS[name](*release))
    found = {}
    for name, made in ends.items():
        low, high = np.array(made).T
        found[name] = Covered(
            float((low > world.leak).mean()), float((high < world.leak).mean()), float((high - low).mean())
        )
    return found


def table(draws: int, worlds: Sequence[World] = WORLDS) -> str:
    """The table, as Markdown: of each kind how often it holds the truth, and how often the truth is above it."""
    lines = [
        "| people | leak@1 | spread | " + " | ".join(METHODS) + " |",
        "| ---: | ---: | ---: |" + " ---: |" * len(METHODS),
    ]
    for world in worlds:
        found = covered(world, list(METHODS), draws=draws)
        cells = " | ".join(f"{100 * each.holds:.1f} ({100 * each.above:.1f})" for each in found.values())
        lines.append(f"| {world.people} | {100 * world.leak:g} % | {world.spread:g} | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
