"""The judge must not be the network that guided the method, in whatever format its weights come."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facebench.bench.experiment.pipeline import lay_out
from facebench.bench.plan import sameness
from facebench.bench.plan.data import open_data
from facebench.bench.plan.plan import ConfigError, Plan
from facebench.bench.plan.sameness import SAME, alike, likeness
from facebench.bench.recognition.judge import Judge
from facebench.bench.store.store import Store
from facebench.datasets.base import Faces
from facebench.datasets.synthetic import Synthetic
from facebench.datasets.views.subset import Nobody
from facebench.facemae.recognition import embedder

Files = Callable[..., Path]


@pytest.fixture
def network(tmp_path: Path) -> Files:
    """Writes a small untrained network, as our weights or as ONNX that takes RGB in [-1, 1]."""

    def write(name: str, seed: int) -> Path:
        torch.manual_seed(seed)
        made, path = embedder.build("small", dim=32).eval(), tmp_path / name
        if path.suffix == ".pt":
            embedder.save(made, path, architecture="small", dim=32)
            return path
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                made, (torch.zeros(1, 3, 112, 112),), str(path), dynamo=False,
                input_names=["x"], dynamic_axes={"x": {0: "n"}},
            )  # fmt: skip
        return path

    return write


def measured(path: Path, judge: Judge, faces: Faces) -> float:
    found = likeness(path, judge, faces)
    assert found is not None
    return found


def laid(tmp_path: Path, store: Store, **entries: Any) -> None:
    plan = Plan(synthetic={"people": 60, "images": 2, "pairs": 40}, **entries)
    lay_out(plan, open_data(plan, store, root=tmp_path), store, device="cpu")


@pytest.mark.parametrize("place", ["attack", "judges"])
def test_the_teacher_in_another_format_is_refused_before_anything_is_made(
    place: str, network: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "runs")
    method = {"use": "facemae", "teacher": str(network("teacher.pt", 0))}

    def given(path: Path) -> dict[str, Any]:
        judge = {"embedder": str(path), "preprocessing": "arcface"}
        return {"attack": judge} if place == "attack" else {"judges": [judge], "attacks": ["ignorant", "ensemble"]}

    same, other = given(network("same.onnx", 0)), given(network("other.onnx", 1))
    laid(tmp_path, store, method=method, **other)
    where = "attack" if place == "attack" else r"judges\.0"
    with pytest.raises(ConfigError, match=rf"method\.teacher: teacher\.pt is also the judge \({where}\.embedder; of a"):
        laid(tmp_path, store, method=method, **same)
    assert not (tmp_path / "runs" / "stages").exists()
    # what was measured is kept by the digests of both
    monkeypatch.setattr(sameness, "likeness", lambda *given: pytest.fail("measured again"))
    laid(tmp_path, store, method=method, **other)
    with pytest.raises(ConfigError, match="is also the judge"):
        laid(tmp_path, store, method=method, **same)
    kept = [json.loads(path.read_text()) for path in (tmp_path / "runs" / "fingerprints").glob("*.json")]
    assert sum(isinstance(value, float) and value >= SAME for value in kept) == 1


def test_a_file_of_a_method_that_is_no_recognizer_is_passed_over(network: Files, tmp_path: Path) -> None:
    torch.save({"blocks.0.weight": torch.zeros(3)}, tmp_path / "mae.pt")
    judge = Judge(embedder=network("judge.onnx", 0), preprocessing="arcface")
    assert likeness(tmp_path / "mae.pt", judge, Nobody()) is None


def test_the_lower_of_what_is_said_of_drawn_faces_and_of_originals_counts(network: Files) -> None:
    judge = Judge(embedder=network("judge.onnx", 0), preprocessing="arcface")
    faces = Synthetic(people=20, images=1, seed=7).open()
    assert measured(network("teacher.pt", 0), judge, faces) == pytest.approx(1, abs=1e-4)
    other = [measured(network("other.pt", 1), judge, each) for each in (faces, Nobody())]
    assert max(other) < SAME
    assert other[0] <= other[1]


def test_a_turned_or_scaled_space_is_the_same_and_blind_recognizers_are_not() -> None:
    rng = np.random.default_rng(0)
    rows = embedder.unit(rng.standard_normal((40, 16)).astype(np.float32))
    turn, _ = np.linalg.qr(rng.standard_normal((16, 16)))
    assert alike(rows, (rows @ turn).astype(np.float32)) == pytest.approx(1)
    assert abs(alike(rows, embedder.unit(rng.standard_normal((40, 16)).astype(np.float32)))) < 0.2
    lost = rows.copy()
    lost[3] = np.nan
    assert alike(lost, rows) == pytest.approx(1)
    assert alike(np.tile(rows[:1], (40, 1)), rows) == 0.0


def test_real_recognizers_are_told_apart(weights_root: Path) -> None:
    """Equal weights are refused, also with a wrong scaling; others of one family or one training set are not."""

    def onnx(name: str, preprocessing: Any) -> Judge:
        return Judge(embedder=weights_root / f"{name}.onnx", preprocessing=preprocessing)

    casia = weights_root / "mobilefacenet_casia.pth"
    assert measured(casia, onnx("mobilefacenet_casia", "raw"), Nobody()) == pytest.approx(1, abs=1e-3)
    assert measured(casia, onnx("mobilefacenet_ms1m", "imagenet"), Nobody()) < 0.85
    images = torch.stack([face.image for face in (Synthetic(people=64, images=1).open()[row] for row in range(64))])
    seen = {
        name: onnx(name, how).open(None, device=torch.device("cpu"))(images, lambda done, total: None)
        for name, how in (("edgeface_xs", "arcface"), ("edgeface_xxs", "arcface"), ("mobilefacenet_y1", "raw"),
                          ("mobilefacenet_ms1m", "imagenet"))
    }  # fmt: skip
    assert alike(seen["edgeface_xs"], seen["edgeface_xxs"]) < 0.85
    assert alike(seen["mobilefacenet_y1"], seen["mobilefacenet_ms1m"]) < 0.85
    wrong = onnx("mobilefacenet_ms1m", "arcface").open(None, device=torch.device("cpu"))
    assert alike(seen["mobilefacenet_ms1m"], wrong(images, lambda done, total: None)) > SAME
