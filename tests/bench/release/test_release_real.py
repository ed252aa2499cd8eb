"""Both attacks that undid releases of real faces, at their full size; `-s` shows the figures.

pytest tests/bench/release/test_release_real.py -n 0 -s
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from facebench.bench.cli.main import main
from facebench.datasets.recordio import RecordIO
from facebench.datasets.views.subset import Subset
from facebench.methods.base import Publish
from facebench.methods.dppix import DPPix
from facebench.reports.statistics.intervals import wilson
from scipy.stats import poisson
from undone import (
    PublicDPPix,
    PublicMasking,
    masks_of,
    places_by_mask,
    places_by_noise,
    public_laplace,
    public_seeds,
    stacked,
)

SEED = 5


def told(what: str, hits: int, count: int) -> None:
    interval = wilson(hits, count)
    print(f"{what}: {hits:,} of {count:,} places [{interval.low:.2%}, {interval.high:.2%}], chance 1")


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.parametrize("name", ["masking", "dppix"])
def test_what_undid_every_face_of_a_public_seed_undoes_none_of_a_secret_key(
    name: str, data_root: Path, tmp_path: Path
) -> None:
    pack = data_root / "faces_lfw_112x112"
    if not pack.is_dir():
        pytest.skip(f"no {pack.name} at {data_root}")
    faces = RecordIO(root=pack).open()
    places, few = np.arange(len(faces)), np.arange(0, len(faces), 10)
    seeds = public_seeds(places, SEED)
    candidates = masks_of(seeds) if name == "masking" else public_laplace(seeds, 147)

    def find(images: torch.Tensor) -> np.ndarray:
        if name == "masking":
            return places_by_mask(images, candidates)
        return places_by_noise(images, DPPix(), candidates)

    old = {"masking": PublicMasking, "dppix": PublicDPPix}[name]()
    how = Publish(bytes(32), torch.device("cpu"), few)
    hits = int((find(stacked(old.publish(Path(), Subset(faces, few), how))) == few).sum())
    told(f"{name}, as it was", hits, len(few))
    assert hits / len(few) > 0.98
    assert main(["privatize", str(pack), str(tmp_path / "set"), "-q", "--method", name]) == 0
    source = pd.read_parquet(tmp_path / "set.manifest.parquet")["source_index"].to_numpy()
    hits = int((find(stacked(RecordIO(root=tmp_path / "set").open())) == source).sum())
    told(f"{name}, with a secret key", hits, len(source))
    assert hits <= poisson.ppf(0.9999, 1)
