"""A method whose faces show new people: from the command line to the record and the board."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from facebench.bench.plan.plan import plan
from facebench.reports.board.leaderboard import board
from facebench.reports.result import record as results

METHOD = """
    import numpy as np
    import torch

    from facebench.methods.base import Method, PrivateFaces


    class Copies(PrivateFaces):
        def __init__(self, images, labels):
            self.images, self.labels = images, labels
            self.identities = int(labels.max()) + 1
            self.names = [str(person) for person in range(self.identities)]
            self.source = None

        def take(self, rows):
            return torch.from_numpy(self.images[rows])


    class Copier(Method):
        '''A generator that learned its training faces by heart. Source: this test.'''

        random = False
        learns = True
        sourced = False

        def fit(self, faces, out, how):
            images = np.stack([faces[n].image.numpy() for n in range(len(faces))])
            np.savez(out / "faces.npz", images=images, labels=faces.labels)
            (out / "quality.json").write_text('{"faces": 72, "of": {"people": 18}, "notes": ["by heart: and no more"]}')

        def publish(self, fitted, originals, how):
            kept = np.load(fitted / "faces.npz")
            return Copies(kept["images"][: len(originals)], kept["labels"][: len(originals)])
"""
RECIPE = """
synthetic: {people: 60, images: 4, pairs: 20}
recognizer: {architecture: small, dim: 32, steps: 2, batch: 8}
judge: {architecture: small, dim: 32, steps: 2, batch: 8}
attacks: [ignorant, other_image, {use: memorisation, fmr: 0.05}, {use: consistency, far: 0.05}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outside")
    (folder / "fb_copier.py").write_text(textwrap.dedent(METHOD))
    info = folder / "fb_copier-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fb-copier\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[facebench.methods]\ncopier = fb_copier:Copier\n")
    (folder / "tiny.yaml").write_text(RECIPE)
    (folder / "thousandth.yaml").write_text(RECIPE.replace("{use: memorisation, fmr: 0.05}", "memorisation"))
    return folder


def _bench(folder: Path, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "facebench.bench", *args], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(folder)}, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def _record(folder: Path, method: str, recipe: str) -> results.RunRecord:
    (path,) = (folder / "runs" / "records").glob(f"synthetic-{recipe}-{method}-*.json")
    return results.read(path)


def test_attacks_on_sets_of_both_kinds_are_run_by_default() -> None:
    names = [entry if isinstance(entry, str) else entry["use"] for entry in plan().attacks]
    assert names == ["ignorant", "other_image", "alignment", "replay", "memorisation", "consistency"]


def test_a_method_without_sources_is_measured_by_what_it_memorised(folder: Path) -> None:
    run = ["run", "--recipe", "tiny.yaml", "--tracking-uri", "none", "-q"]
    shown = _bench(folder, *run, "--method", "copier", "masking")
    record = _record(folder, "copier", "tiny")
    assert record.attackers == ("memorisation", "consistency")
    assert set(record.not_run) == {"ignorant", "other_image"}
    memorised = record.score("memorised", "memorisation")
    assert memorised.detail["generator_whole"] == 1  # every face is one of G's
    generator, holdout = (memorised.detail[name] or 0.0 for name in ("generator", "holdout"))
    assert generator > holdout
    assert memorised.value == pytest.approx(generator - holdout)
    assert memorised.intervals
    assert memorised.n == 72  # 18 people of G with 4 faces each
    assert record.score("same-person tar@far=0.05", "consistency").value is not None
    told = " ".join(shown.split())
    assert "leakage: synthetic faces that match people the generator was trained on" in told
    assert "not run: ignorant, other_image (does not apply: no private face was made from an original" in told
    assert "not run: consistency, memorisation (does not apply: every private face was made from an original)" in told
    masking = _record(folder, "masking", "tiny")
    assert masking.attackers == ("ignorant", "other_image")
    assert masking.recipe_hash == record.recipe_hash
    found = board([record, masking])
    rows = {row.method: row for row in found[0].rows}
    assert record.quality == {"faces": 72, "of.people": 18}
    assert "by heart" in rows["copier"].marks
    assert rows["copier"].worst.on == "memorisation"
    assert (rows["copier"].sourced, rows["masking"].sourced) == (False, True)
    assert not rows["copier"].missing
    assert not rows["masking"].missing
    assert "`copier`: faces were made from no originals" in told  # the board that ends a grid of runs


def test_too_few_people_for_the_rate_are_told_and_the_run_ends_well(folder: Path) -> None:
    shown = _bench(folder, "run", "--method", "copier", "--recipe", "thousandth.yaml", "--tracking-uri", "none", "-q")
    score = _record(folder, "copier", "thousandth").score("memorised", "memorisation")
    assert score.value is None
    assert "FMR 0.001 of 1,056 impostor pairs is 1 false match;" in score.note
    assert "rule of 30" in " ".join(shown.split())
