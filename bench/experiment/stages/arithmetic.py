"""In which arithmetic a run trains its networks: part of what a run is, like its recipe.

Stages that train, and all that follows from them, have it in their keys where it is not float32; so has the hash of
what is compared. Keys of float32 are as they were before.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from ....facemae.runtime.device import processor
from ...store.store import TRACE, Store, StoreError, digest
from .stage import Stage

USUAL = "float32"
"""What every processor has."""


def arithmetic(device: str, store: Store) -> str:
    """`float32` or `bfloat16`: what networks are trained in, here and now.

    Which the processor has is asked of PyTorch once a machine, and kept in the store: a run that is done shall not wait
    for torch.

    Args:
        device: as the command line has it.
        store: keeps the answer.

    Raises:
        PrecisionError: the environment asks for another arithmetic.
        ConfigError: CUDA was asked for, and PyTorch cannot use it.
        StoreError: the answer cannot be kept.
    """
    if os.environ.get("FACEBENCH_PRECISION") == USUAL:
        return USUAL
    kept = store.root / "fingerprints" / f"{digest(['arithmetic', device, _machine()])}.json"
    if not os.environ.get("FACEBENCH_PRECISION") or os.environ["FACEBENCH_PRECISION"] == "auto":
        try:
            return str(json.loads(kept.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            pass
    from ....facemae.runtime.precision import trains_in_bf16

    found = "bfloat16" if trains_in_bf16(processor(device)) else USUAL
    store.keep(kept, json.dumps(found))
    return found


def _machine() -> list[str]:
    """What the answer depends on: the processors and the library that drives them."""
    flags = ""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    except OSError:
        pass
    cards = sorted(str(path) for path in Path("/dev").glob("nvidia*"))
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "-")
    return [platform.system(), platform.machine(), platform.node(), flags, *cards, shown, version("torch")]


def refuse_other(stages: Sequence[Stage], store: Store, precision: str) -> None:
    """Refuse a store whose kept stages were trained in another arithmetic than this run's.

    Stages that were made before keys held the arithmetic have the keys of float32 whatever they were trained in, and
    so has all that was made from them. Stages that do not tell are taken as they are.

    Raises:
        StoreError: one says that it was trained in another arithmetic.
    """
    for stage in stages:
        if not stage.trains:
            continue
        path = store.path(stage.name, stage.inputs)
        try:
            told = json.loads((path / TRACE).read_text(encoding="utf-8")).get("precision")
        except (OSError, ValueError, AttributeError):
            continue  # not there; or damaged, which is told when it is opened
        if told and told != precision:
            raise StoreError(
                f"stage {stage.name} in {path}: expected training in {precision}, got {told}: an earlier version kept "
                "both under one key; name another folder with --store, or delete this one's stages"
            )
