"""A dataset format of another package is listed and used: run, made private, verified, converted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from facebench.bench.plan.data import open_data
from facebench.bench.plan.dataset import find
from facebench.bench.plan.plan import plan
from facebench.bench.plugins import names
from facebench.bench.store.store import Store
from facebench.datasets.base import DataError, FaceSource
from facebench.datasets.synthetic import Synthetic, SyntheticPairs
from facebench.reports.result import record as results
from outside import bench, package

FACES = """
    from typing import Annotated
    from pydantic import Field
    from facebench.datasets.base import FaceSource
    from facebench.datasets.synthetic import Synthetic, SyntheticPairs

    class Crowd(FaceSource):
        '''Drawn people of another package.'''

        people: Annotated[int, Field(ge=1)] = 30

        def open(self):
            return Synthetic(people=self.people, images=3, seed=5).open()

        def fingerprint(self):
            return f"crowd of {self.people}"

        def verification(self):
            return {"own": SyntheticPairs(pairs=20, seed=5)}
"""
PAIRS = """
    from facebench.datasets.base import PairSource
    from facebench.datasets.synthetic import SyntheticPairs

    class Couples(PairSource):
        '''Drawn pairs of another package.'''

        count: int = 20

        def open(self):
            return SyntheticPairs(kind="cfp_fp", pairs=self.count).open()

        def fingerprint(self):
            return f"couples {self.count}"
"""
RECIPE = """
recognizer: {architecture: small, dim: 32, steps: 2, batch: 8}
judge: {architecture: small, dim: 32, steps: 2, batch: 8}
attacks: [ignorant]
verification:
  couples: {use: couples, count: 40}
"""
RUN = ("run", "--method", "noise", "--recipe", "tiny.yaml", "--tracking-uri", "none", "-q")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crowd")
    entries = {"datasets.crowd": "fb_crowd:Crowd", "datasets.couples": "fb_couples:Couples"}
    package(folder, "fb-crowd", entries, fb_crowd=FACES, fb_couples=PAIRS)
    (folder / "tiny.yaml").write_text(RECIPE)
    return folder


def test_both_kinds_are_listed_as_usable(shop: Path) -> None:
    found = json.loads(bench(shop, "list", "datasets", "--json").stdout)["datasets"]
    assert found["crowd"] == "Drawn people of another package."
    assert found["couples"] == "Drawn pairs of another package."
    assert not [name for name, says in found.items() if "not usable" in says]


def test_what_is_listed_is_run_with_its_parameters(shop: Path) -> None:
    done = bench(shop, *RUN, "--dataset", "crowd", "--set", "dataset.people=40")
    assert done.returncode in (0, 1), done.stderr
    (path,) = (shop / "runs" / "records").glob("*.json")
    record = results.read(path)
    assert record.dataset == "crowd"
    assert path.name.startswith("crowd-tiny-noise-")
    assert sum(role.identities for role in record.roles.values()) == 40
    pairs = {score.on: score.n for score in record.scores if score.measure.name == "accuracy"}
    assert pairs == {"own": 20, "couples": 40}
    assert record.config["dataset"] == {"use": "crowd", "people": 40}
    again = bench(shop, "report", "--verify")
    assert again.returncode == 0, again.stdout


def test_it_is_named_in_an_experiment_file_too(shop: Path) -> None:
    (shop / "mine.yaml").write_text("recipe: tiny.yaml\ndataset: {use: crowd, people: 44}\n")
    done = bench(shop, "run", "--method", "noise", "--experiment", "mine.yaml", "--dry-run", "--tracking-uri", "none")
    assert done.returncode == 0, done.stderr
    assert "noise on crowd" in done.stdout
    assert "verify/couples" in done.stdout


def test_it_is_made_private_by_several_processes(shop: Path) -> None:
    out = ("privatize", "crowd", "private", "--method", "masking", "--workers", "2", "--shard-size", "64", "-q")
    done = bench(shop, *out, "--set", "dataset.people=33")
    assert done.returncode == 0, done.stderr
    assert "99 private faces of 33 people" in done.stdout


def test_it_is_verified_and_converted(shop: Path) -> None:
    done = bench(shop, "data", "verify", "crowd", "-q", "--set", "dataset.people=31")
    assert done.returncode == 0, done.stderr
    assert "93 images of 31 people: good" in done.stdout
    assert "own: 20 pairs" in done.stdout
    done = bench(shop, "data", "verify", "couples", "-q", "--set", "dataset.count=60")
    assert "couples: 60 pairs" in done.stdout
    done = bench(shop, "data", "convert", "crowd", "packed", "--to", "recordio", "-q")
    assert "90 faces of 30 people" in done.stdout


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--dataset", "crowd", "--set", "dataset.people=0"], "dataset.people: Input should be greater than or equal"),
        (["--dataset", "crowd", "--set", "dataset.size=3"], "dataset.size: there is no such entry"),
        (["--dataset", "crowds"], "Did you mean crowd?"),
        (["--dataset", "couples"], "no dataset named 'couples'"),
        (["--dataset", "casia", "--set", "dataset.people=3"], "a known dataset such as casia has no parameters"),
        (["--dataset", "crowd", "--set", "verification={own: couples}"], "crowd has a set of that name"),
        (["--dataset", "crowd", "--set", "verification={a/b: couples}"], "verification.a/b"),
    ],
)
def test_what_is_wrong_with_it_is_said_by_its_entry(shop: Path, more: list[str], says: str) -> None:
    done = bench(shop, *RUN, "--dry-run", *more)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_format_of_the_suite_is_a_dataset_with_parameters(tmp_path: Path) -> None:
    given = {"use": "synthetic", "people": 20}
    assert find(given, tmp_path, synthetic={"images": 4}).data.source == Synthetic(people=20, images=4)
    for name in names(FaceSource):
        if name != "synthetic":
            with pytest.raises((DataError, ValueError), match=r"dataset\.root: Field required"):
                find({"use": name}, tmp_path)


def test_a_folder_that_is_there_is_meant_before_a_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recordio" / "somebody").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert type(find("recordio", tmp_path).data.source).__name__ == "Folder"


def test_synthetic_faces_are_as_many_whatever_is_asked(tmp_path: Path) -> None:
    """A run takes their number from its recipe, all else from the format."""
    data = open_data(plan(dataset="synthetic", synthetic={"people": 700, "pairs": 400}), Store(tmp_path), root=tmp_path)
    alone = find("synthetic", tmp_path).data
    assert (len(data.faces), data.faces.identities) == (4200, 700)
    assert data.fingerprint == alone.source.fingerprint()
    assert data.pairs == alone.pairs
    assert {pairs.pairs for pairs in alone.pairs.values() if isinstance(pairs, SyntheticPairs)} == {400}
