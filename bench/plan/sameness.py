"""Whether two recognizers are the same network: the judge must not be the one that guided the method.

Equal files are told by their digest. The same weights in another format, or with other scaling around them, are told by
what the two say of a few faces: which of them are alike, and how much.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Faces
from ...methods.base import Method
from ..recognition.judge import Judge, network_embed
from ..store.store import Store, digest, file_digest
from .plan import ConfigError

SAME = 0.9
"""From this correlation on two recognizers are taken for one.

Measured with six public recognizers on 64 drawn faces, and on 64 photographs: the same weights as ONNX and as a state
dict 1.000 and 1.000; the same with a wrong scaling of the pixels .96 and .96; two networks of one architecture trained
on the same faces .83 and .76; of one family .78 and .70; all others below .75 and .69."""
FACES = 64
"""So many drawn faces, and as many originals of role A."""
VERSION = 1


def refuse_same(method: Method, judge: Judge, entry: str, originals: Faces, store: Store) -> None:
    """Refuse a judge that is also the method's teacher, in whatever format.

    Args:
        method: of the run; its parameters that name files are looked at.
        judge: one of the attacker's recognizers.
        entry: of the plan, which errors name.
        originals: of role A; some of them are shown to both, where there are any.
        store: keeps what came of it, by the digests of both.

    Raises:
        ConfigError: both are the same network.
        JudgeError, WeightsError: the judge cannot be opened.
    """
    spelled = judge.spelled(entry)
    if judge.embedder is None:
        return
    for name, value in method:
        if not isinstance(value, Path) or not value.is_file():
            continue
        if file_digest(value) == spelled["embedder"]:
            raise ConfigError(_refusal(name, value, entry, "the same file"))
        found = _kept(value, judge, spelled, originals, store)
        if found is not None and found >= SAME:
            says = f"of a few faces both say the same: correlation of similarities {found:.3f}, from {SAME} on refused"
            raise ConfigError(_refusal(name, value, entry, says))


def _refusal(name: str, value: Path, entry: str, why: str) -> str:
    return (
        f"method.{name}: {value.name} is also the judge ({entry}.embedder; {why}); a recognizer that guided the method "
        "cannot measure its leakage; name another file for one of them"
    )


def _kept(path: Path, judge: Judge, spelled: Mapping[str, Any], originals: Faces, store: Store) -> float | None:
    """The likeness of a file and the judge, looked up or measured; None where the file is no recognizer."""
    key = digest(["sameness", VERSION, file_digest(path), spelled])
    kept = store.root / "fingerprints" / f"{key}.json"
    try:
        content = json.loads(kept.read_text(encoding="utf-8"))
        if content is None or isinstance(content, float):
            return content
    except (OSError, ValueError):
        pass
    found = likeness(path, judge, originals)
    store.keep(kept, json.dumps(found))
    return found


def likeness(path: Path, judge: Judge, originals: Faces) -> float | None:
    """How alike what a file and the judge say of some faces is, from -1 to 1; None where the file is no recognizer.

    It is the correlation between the cosines that the one and the other give to all pairs of faces, which no turn of
    the space changes: of drawn faces and of originals, the lower of the two.
    """
    import torch

    from ...datasets.synthetic import Synthetic
    from ...facemae.runtime.checkpoint import WeightsError

    cpu = torch.device("cpu")
    try:
        teacher = network_embed(path, device=cpu, flip=judge.flip)
    except WeightsError:
        return None
    other = judge.open(None, device=cpu)
    drawn: Faces = Synthetic(people=FACES, images=1).open()
    found = []
    for faces in (drawn, originals):
        if len(faces) >= FACES // 4:
            rows = np.unique(np.linspace(0, len(faces) - 1, FACES).round().astype(np.int64))
            images = torch.stack([faces[int(row)].image for row in rows])
            found.append(alike(teacher(images, _silent), other(images, _silent)))
    return min(found)


def alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Correlation of the cosines of all pairs of rows, those left out that either recognizer failed on.

    Args:
        one: [N, D], unit length or NaN.
        other: [N, E], likewise, of the same faces.
    """
    sound = np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1)
    if sound.sum() < 3:
        return 0.0
    above = np.triu_indices(int(sound.sum()), 1)
    first, second = (
        (rows[sound].astype(np.float64) @ rows[sound].T.astype(np.float64))[above] for rows in (one, other)
    )
    if first.std() < 1e-9 or second.std() < 1e-9:  # all faces are one to it
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _silent(done: int, total: int) -> None:
    """Show no progress."""
