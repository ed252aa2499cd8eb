"""Several runs in one experiment file: every combination of the values that `grid` lists."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from .plan import ConfigError, read

MOST = 10_000
"""Runs of one file; more is a slip."""


def settings(experiment: Path | None) -> list[tuple[str, ...]]:
    """What differs between the runs of an experiment file, as `plan` takes settings: one tuple a run.

    `grid` is a mapping of places to lists of values, such as `{method: [masking, noise], seed: [0, 1]}`, or a list
    of such mappings, whose runs come one after the other. The first place varies slowest. A run that several mappings
    name is made once.

    Args:
        experiment: the file; none, or one without `grid`, is one run that differs in nothing.

    Raises:
        ConfigError: it cannot be understood; the message names the place.
        DataError: the file is not the YAML it should be.
    """
    content = read(experiment) if experiment else {}
    if "grid" not in content:
        return [()]
    given = content["grid"]
    grids = given if isinstance(given, list) else [given]
    if not grids:
        raise ConfigError(f"{experiment}: grid: expected places and lists of values, got an empty list")
    runs: dict[tuple[str, ...], None] = {}
    for number, grid in enumerate(grids):
        where = f"{experiment}: grid" + (f".{number}" if isinstance(given, list) else "")
        for run in _combinations(where, grid):
            runs[run] = None
            if len(runs) > MOST:
                raise ConfigError(f"{where}: expected at most {MOST:,} runs; list fewer values")
    return list(runs)


def named(runs: Sequence[tuple[str, ...]]) -> set[str]:
    """The entries of a plan that a grid decides, such as `method`."""
    return {setting.partition("=")[0].partition(".")[0] for run in runs for setting in run}


def _combinations(where: str, grid: Any) -> list[tuple[str, ...]]:
    if not isinstance(grid, Mapping) or not grid:
        raise ConfigError(f"{where}: expected places and lists of values, such as `seed: [0, 1, 2]`, got {grid!r:.80}")
    for place, values in grid.items():
        if not isinstance(place, str) or not isinstance(values, list) or not values:
            raise ConfigError(f"{where}.{place}: expected a list of values, such as [0, 1, 2], got {values!r:.80}")
    count = 1
    for values in grid.values():
        count *= len(values)
    if count > MOST:
        raise ConfigError(f"{where}: expected at most {MOST:,} runs, got {count:,}; list fewer values")
    places = sorted(grid, key=lambda place: place.count("."))  # `method` before `method.ratio`, which belongs to it
    order = [places.index(place) for place in grid]
    found = []
    for values in product(*grid.values()):
        by_place = dict(zip(order, values, strict=True))
        found.append(tuple(f"{place}={json.dumps(by_place[n])}" for n, place in enumerate(places)))
    return found
