"""A folder of people, as people have it, is enough for a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from facebench.bench.cli.main import main
from facebench.datasets.files.codec import encode
from facebench.datasets.synthetic import SyntheticFaces

TINY = "{architecture: small, dim: 32, steps: 2, batch: 8}"
SMALL = (f"recognizer={TINY}", f"judge={TINY}", "roles.H=0.4", "roles.G=0.1", "roles.A=0.2", "roles.P=0.3")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("people") / "mine"
    drawn = SyntheticFaces(40, 3, 0)
    for row in range(len(drawn)):
        folder = root / f"person {drawn.labels[row]}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{row}.png").write_bytes(encode(drawn[row].image))
    return root


def ran(people: Path, store: Path, capsys: pytest.CaptureFixture[str], seed: int) -> dict[str, object]:
    command = ["run", "--method", "pixelate", "--dataset", str(people), "--store", str(store), "--seed", str(seed)]
    code = main([*command, "--attacks", "ignorant", "--tracking-uri", "none", "--format", "json", "--set", *SMALL])
    assert code in (0, 1)
    (record,) = json.loads(capsys.readouterr().out)
    found: dict[str, object] = record
    return found


@pytest.mark.slow
def test_pairs_of_held_out_people_are_made(people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (ran(people, tmp_path, capsys, seed) for seed in (0, 1))
    scores = [s for s in one["scores"] if s["measure"]["name"] == "accuracy"]  # type: ignore[attr-defined]
    assert [(s["on"], s["n"] >= 40) for s in scores] == [("own_people", True)]
    assert one["overlap"] == "disjoint"
    assert one["data_hash"] == other["data_hash"]  # so that seeds are rows of one group


def test_too_few_are_told(people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--method", "pixelate", "--dataset", str(people), "--store", str(tmp_path), "--dry-run"]
    assert main([*command, "--set", "roles.H=0.1", "roles.G=0.1", "roles.A=0.2", "roles.P=0.6"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "no verification set beside the faces, and too few people to make one" in said
    assert "person" not in said.replace("people", "")
