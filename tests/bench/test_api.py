"""The suite as programs and notebooks use it: light to import, the same numbers as the commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import facebench
import numpy as np
import pytest
import torch
from facebench.bench import api
from facebench.bench.cli.main import main
from facebench.datasets.base import DataError
from facebench.methods.base import Method, Privatizer
from facebench.reports.result.record import RecordError, write
from made_up import record

HEAVY = {"torch", "pandas", "pyarrow", "mlflow", "matplotlib", "scipy", "cv2", "pydantic", "yaml", "rich"}
NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebook.ipynb"
SMALL: dict[str, Any] = {
    "synthetic": {"people": 40, "images": 3, "pairs": 20},
    "recognizer": {"architecture": "small", "dim": 32, "steps": 2, "batch": 8},
    "judge": {"architecture": "small", "dim": 32, "steps": 2, "batch": 8},
}


def test_importing_it_is_light_and_names_are_there() -> None:
    code = "import sys, facebench; facebench.run, facebench.board; print(sorted(sys.modules)); print(dir(facebench))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, names = done.stdout.splitlines()
    assert not HEAVY & set(json.loads(loaded.replace("'", '"')))
    assert all(f"'{name}'" in names for name in facebench.__all__)
    assert set(api.__all__) | {"FacebenchError"} == set(facebench.__all__)
    with pytest.raises(AttributeError, match="no attribute 'rnu'"):
        _ = facebench.rnu  # type: ignore[attr-defined]


class Darker(Method):
    """Half as bright; a class of a notebook's."""

    random: ClassVar[bool] = False

    def load(self, fitted: Path, *, device: torch.device) -> Privatizer:
        return lambda images, keys: images // 2


@pytest.mark.slow
def test_a_run_is_that_of_the_command_and_its_numbers_are_a_frame(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "runs"
    found = facebench.run("masking", settings={**SMALL, "method.ratio": 0.5}, store=store, quiet=True)
    assert found.record.method_spec["parameters"]["ratio"] == 0.5
    shown = found.scores
    (accuracy,) = shown[(shown.measure == "accuracy") & (shown.on == "lfw_like")].itertuples()
    score = found.record.score("accuracy", "lfw_like")
    assert score is not None
    assert (accuracy.value, accuracy.n, accuracy.chance) == (score.value, score.n, 0.5)
    assert set(found.stages.name) >= {"release", "train"}
    assert found.fitted is None
    assert (found.private / "train.rec").is_file()
    assert "masking on synthetic" in found._repr_html_()

    settings = [f"{key}={json.dumps(value)}" for key, value in SMALL.items()]
    capsys.readouterr()
    command = ["run", "--method", "masking", "--store", str(store), "--tracking-uri", "none", "--format", "json"]
    assert main([*command, "--set", *settings, "method.ratio=0.5"]) in (0, 1)
    (told,) = json.loads(capsys.readouterr().out)
    assert told["name"] == found.record.name


@pytest.mark.slow
def test_a_class_of_ones_own_needs_no_package(tmp_path: Path) -> None:
    found = facebench.run(Darker(), settings=SMALL, store=tmp_path, quiet=True)
    assert (found.record.method, "source" in found.record.method_spec) == ("darker", True)
    assert [r.name for r in facebench.records(tmp_path)] == [found.record.name]


def test_a_board_and_a_plane_of_records_or_of_a_folder(tmp_path: Path) -> None:
    made = [record("masking", accuracy=0.7, leak=0.2), record("original", accuracy=0.9, leak=1.0)]
    for each in made:
        write(each, tmp_path / "records")
    for of in (made, tmp_path, tmp_path / "records"):
        found = facebench.board(of)
        assert found.method.tolist() == ["original", "masking"]
        assert found.worst_leakage.tolist() == [1.0, 0.2]
        assert found.group.nunique() == 1
    assert len(facebench.plane(made, width=3.4).axes) == 1
    assert facebench.scores(made).value.dtype == np.float64
    assert len(facebench.scores([])) == 0


def test_errors_are_raised_and_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(facebench.FacebenchError, match="did you mean ratio"):
        facebench.run("masking", settings={"method.ratoi": 1}, store=tmp_path)
    with pytest.raises(DataError, match="no dataset named"):
        facebench.run("masking", "casai", store=tmp_path)
    with pytest.raises(RecordError, match="make one with `run`"):
        facebench.records(tmp_path)


def test_a_release_by_a_program(tmp_path: Path) -> None:
    out = facebench.privatize(
        "synthetic", tmp_path / "out", method="pixelate", settings={"dataset.people": 6, "dataset.images": 2},
        workers=1, links=False, quiet=True,
    )  # fmt: skip
    assert (out / "train.rec").is_file()
    assert not (tmp_path / "out.key").exists()


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert not any(cell.get("outputs") for cell in cells), "saved without output, so that nothing in it is stale"
    names: dict[str, Any] = {"__name__": "__notebook__"}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "notebook", "exec"), names)
    assert names["results"]["masking"].record.method == "masking"
    assert Path("plane.pdf").read_bytes().startswith(b"%PDF")
