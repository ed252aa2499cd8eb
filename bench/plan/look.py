"""Look at what a run will read before anything is made: every verification set whole, and a sample of the faces."""

from __future__ import annotations

import json

import numpy as np

from ...datasets.base import PairSource
from ..store.store import Store
from ..subgroups.assignment import refuse_beyond
from ..terminal.progress import Display
from .data import Data
from .plan import ConfigError

SAMPLE = 64
"""Faces that are decoded, evenly spread over those that have a role; `bench data verify` decodes all."""
LONGEST_NAME = 200
"""Bytes of a record's name: file systems take 255, and temporary files and locks add to it."""


def look(data: Data, store: Store, display: Display) -> None:
    """Open and decode what a run would otherwise stumble over after hours.

    Args:
        data: as it was opened.
        store: keeps which verification sets were found good, so that each is looked at once.
        display: shows progress.

    Raises:
        DataError: a verification set cannot be used, or a face of the sample cannot be decoded.
        GroupError: a table of groups names a pair that its set does not have.
    """
    for name, source in data.pairs.items():
        if data.synthetic:
            continue
        pairs = _look_at_pairs(name, source, data.pair_fingerprints[name], store, display)
        if told := data.groups.pairs.get(name):
            refuse_beyond(told, name, pairs)
    used = np.unique(np.concatenate(list(data.places.values())))
    for index in used[np.linspace(0, len(used) - 1, min(len(used), SAMPLE)).astype(int)].tolist():
        data.faces[index]


def _look_at_pairs(name: str, source: PairSource, fingerprint: str, store: Store, display: Display) -> int:
    """How many pairs a set has that was found good, now or before."""
    from ...datasets.catalog.check_pairs import check_pairs, refuse

    kept = store.root / "fingerprints" / f"{fingerprint[:32]}.good.json"
    try:
        return int(json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        pass
    with display.stage(f"look at {name}", "images") as progress:
        found = check_pairs(name, source, progress=progress)
    refuse(found)
    store.keep(kept, json.dumps(found.pairs))
    return found.pairs


def refuse_long(*, dataset: str, recipe: str, method: str, seed: int) -> None:
    """Refuse names that together are too long for the file of a record.

    Raises:
        ConfigError: they are.
    """
    whole = f"{dataset}-{recipe}-{method}-00000000-seed{seed}".encode()
    if len(whole) > LONGEST_NAME:
        raise ConfigError(
            f"dataset, recipe and method: expected names of at most {LONGEST_NAME} bytes together, got {len(whole)}; a "
            "record is a file that is named after them: rename the dataset's folder or the recipe's file"
        )
