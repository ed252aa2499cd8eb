"""`bench privatize` with methods of another package: learned ones, by their folder, and ones without sources."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from facebench.datasets.recordio import RecordIO, RecordIOWriter
from facebench.datasets.synthetic import Synthetic

OUTSIDE = """
    import numpy as np
    import torch
    from facebench.methods.base import Method

    class Mean(Method):
        '''Everybody is the mean face. Source: this test.'''

        learns = True
        shade: int = 0

        def fit(self, faces, out, how):
            np.save(out / "mean.npy", np.mean([faces[i].image.numpy() for i in range(len(faces))], axis=0))

        def load(self, fitted, *, device):
            mean = torch.from_numpy(np.load(fitted / "mean.npy")).to(torch.uint8) // (self.shade + 1)
            return lambda faces, seeds: mean.expand_as(faces).clone()
"""
NOBODY = """
    import numpy as np
    import torch
    from facebench.methods.base import Method, PrivateFaces

    class Nobody(Method):
        '''Grey people who never lived. Source: this test.'''

        sourced = False

        def publish(self, fitted, originals, how):
            return Grey()

    class Grey(PrivateFaces):
        identities, labels, names, source = 3, np.arange(30) // 10, ("0", "1", "2"), None

        def take(self, rows):
            return torch.from_numpy(rows).to(torch.uint8)[:, None, None, None].expand(-1, 3, 112, 112).clone()
"""


@pytest.mark.slow
def test_methods_of_another_package_learned_or_without_sources_work_from_their_folder(
    tmp_path: Path,
) -> None:
    made = Synthetic(people=6, images=3).open()
    pack = tmp_path / "pack"
    pack.mkdir()
    with RecordIOWriter(pack, 6) as writer:
        for row, label in enumerate(made.labels.tolist()):
            writer.add(made.encoded(row), label)
    (tmp_path / "fb_mean.py").write_text(textwrap.dedent(OUTSIDE))
    (tmp_path / "fb_nobody.py").write_text(textwrap.dedent(NOBODY))
    info = tmp_path / "fb_means-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fb-means\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[facebench.methods]\nmean = fb_mean:Mean\nnobody = fb_nobody:Nobody\n")
    stage = tmp_path / "runs" / "stages" / "fit" / "00112233445566aa"
    stage.mkdir(parents=True)
    np.save(stage / "mean.npy", np.full((3, 112, 112), 100.0))
    spec = {"class": "Mean", "version": 1, "parameters": {"shade": 1}}
    (stage / "stage.json").write_text(json.dumps({"inputs": {"method": spec}}))

    def bench(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "facebench.bench", "privatize", str(pack), *args], cwd=tmp_path, text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, check=False,
        )  # fmt: skip

    assert "name that with --method" in bench("out", "--fitted", stage.name).stderr
    wrong = bench("out", "--method", "mean", "--fitted", stage.name, "--set", "method.shade=0")
    assert "was fitted with 1, and 0 was asked for" in wrong.stderr
    assert "fitted by the class Mean, not Nobody" in bench("out", "--method", "nobody", "--fitted", stage.name).stderr
    done = bench("out", "--method", "mean", "--fitted", stage.name, "--shard-size", "5", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert (RecordIO(root=tmp_path / "out").open()[0].image == 50).all()

    done = bench("grey", "--method", "nobody", "--shard-size", "7")
    assert done.returncode == 0, done.stderr
    grey = RecordIO(root=tmp_path / "grey").open()
    assert (len(grey), grey.identities) == (30, 3)
    assert pd.read_parquet(tmp_path / "grey.manifest.parquet")["source_index"].isna().all()
    card = (tmp_path / "grey" / "README.md").read_text()
    assert "Memorisation" in card
    assert "links every private face" not in card
