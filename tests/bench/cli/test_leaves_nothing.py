"""Nothing leaves the machine unasked, and nothing is written where nobody asked for it: commands watched by strace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import facebench
import pytest
from facebench.reports.result.record import write
from made_up import record
from onnx import TensorProto, helper
from watched import Seen, watch

RECIPE = """
synthetic: {people: 60, images: 4, pairs: 40}
recognizer: {architecture: small, dim: 32, steps: 4, batch: 16}
teacher: {architecture: small, dim: 32, steps: 3, batch: 16}
attack: {embedder: judge.onnx, preprocessing: raw}
methods:
  facemae: {size: tiny, patch: 16, steps: 2, batch: 8}
"""
COMMANDS = [
    ["run", "--recipe", "tiny.yaml", "--format", "json"],
    ["report"],
    ["report", "--format", "html", "--out", "board.html", "--plot", "plane.png"],
    ["verify"],
    ["check", "--baseline", "baseline.json", "--update", "--waive", "judge on clear pairs"],
    ["check", "--baseline", "baseline.json"],
    ["privatize", "synthetic", "released", "--method", "masking", "--workers", "2", "--shard-size", "20",
     "--set", "synthetic.people=10", "synthetic.images=4"],
    ["data", "verify", "released"],
]  # fmt: skip
ALL = """
import json, sys
from facebench.bench.cli.main import main

if __name__ == "__main__":
    for command in json.loads(sys.argv[1]):
        code = main(command)
        print("code", code, *command, file=sys.stderr, flush=True)
"""
UNPROTECTED = """
import os, facebench
for name in facebench.SILENT:
    os.environ.pop(name, None)
"""
JUDGE = """
from pathlib import Path
from facebench.facemae.onnx.embedder import OnnxEmbedder
OnnxEmbedder(Path("judge.onnx"), "raw")
"""
LATER = "import time; time.sleep(16)"
"""onnxruntime sends some eight seconds after it was loaded."""
TRACKER = """
from facebench.reports.tracking.client import connect, quietly
with quietly():
    connect("sqlite:///mlflow.db").create_experiment("any")
"""


def judge(path: Path) -> None:
    """A recognizer that sees how bright each part of a face is."""
    nodes = [
        helper.make_node("AveragePool", ["face"], ["means"], kernel_shape=[28, 28], strides=[28, 28]),
        helper.make_node("Flatten", ["means"], ["vector"]),
    ]
    face = helper.make_tensor_value_info("face", TensorProto.FLOAT, ("N", 3, 112, 112))
    graph = helper.make_graph(
        nodes, "judge", [face], [helper.make_tensor_value_info("vector", TensorProto.FLOAT, None)]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def python(code: str, folder: Path, *given: str, block: bool = True) -> Seen:
    """Watch a Python program, beside a judge and a recipe."""
    here = folder / "here"
    here.mkdir(exist_ok=True)
    judge(here / "judge.onnx")
    (here / "tiny.yaml").write_text(RECIPE)
    (here / "program.py").write_text(code)
    return watch([sys.executable, "program.py", *given], folder, block=block)


@pytest.mark.slow
def test_all_commands_call_nobody_write_nothing_elsewhere_and_print_json_as_json(tmp_path: Path) -> None:
    """One after the other; `privatize` has processes of its own."""
    seen = python(ALL, tmp_path, json.dumps(COMMANDS))
    codes = [line.split()[1] for line in seen.done.stderr.splitlines() if line.startswith("code ")]
    assert codes == ["1", *"0000000"], seen.done.stderr  # so small a judge misses its bound
    assert seen.done.returncode == 0
    assert (seen.reached, seen.looked_up) == ([], False)
    assert (seen.written, seen.home) == ([], [])
    assert seen.done.stdout.startswith("[")
    records, _ = json.JSONDecoder().raw_decode(seen.done.stdout)
    assert records[0]["judge"]["file"] == "judge.onnx"


@pytest.mark.slow
def test_nobody_is_called_where_others_import_a_part(tmp_path: Path) -> None:
    seen = python(JUDGE + LATER, tmp_path)
    assert seen.done.returncode == 0, seen.done.stderr
    assert (seen.reached, seen.looked_up, seen.written, seen.home) == ([], False, [], [])


@pytest.mark.slow
def test_without_the_switches_onnxruntime_calls_home_and_keeps_what_it_could_not_send(tmp_path: Path) -> None:
    import onnxruntime.capi

    (library,) = Path(onnxruntime.capi.__file__).parent.glob("onnxruntime_pybind11_state*.so")
    if b"ORT_DISABLE_TELEMETRY" not in library.read_bytes():
        pytest.skip(f"onnxruntime {onnxruntime.__version__} has no telemetry")
    seen = python(UNPROTECTED + JUDGE + LATER, tmp_path)
    assert seen.done.returncode == 0, seen.done.stderr
    assert seen.looked_up
    assert seen.reached
    assert [path for path in seen.written if path.endswith("onnxruntime.db")]
    assert [path for path in seen.home if path.endswith("onnxruntime.db")]


def test_without_the_switches_mlflow_looks_up_a_host(tmp_path: Path) -> None:
    seen = python(UNPROTECTED + TRACKER + "import time; time.sleep(1)", tmp_path)
    assert seen.done.returncode == 0, seen.done.stderr
    assert seen.looked_up
    assert seen.reached


def test_of_servers_only_the_one_that_was_named_is_called(tmp_path: Path, mlflow_server: Any) -> None:
    write(record(), tmp_path / "here" / "runs" / "records")
    command = ["mirror", "--tracking-uri", mlflow_server.uri, "--experiment-name", "watched"]
    seen = python(ALL, tmp_path, json.dumps([command]), block=False)
    assert "code 0" in seen.done.stderr
    assert "1 record" in seen.done.stdout
    assert seen.reached == [mlflow_server.uri.removeprefix("http://")]
    assert (seen.looked_up, seen.written, seen.home) == (False, [], [])


def test_the_switches_are_set_whatever_the_shell_says_and_reach_children() -> None:
    code = "import json, os, subprocess, sys; import facebench.datasets.base; "
    code += "subprocess.run([sys.executable, '-c', 'import json, os; print(json.dumps(dict(os.environ)))'], check=True)"
    opposite = {name: {"1": "0", "true": "false", "0": "1"}[value] for name, value in facebench.SILENT.items()}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **opposite}, capture_output=True, text=True, check=True
    )
    got = json.loads(done.stdout)
    assert {name: got[name] for name in facebench.SILENT} == facebench.SILENT


def test_whoever_imports_onnxruntime_first_is_told() -> None:
    told = {}
    for first in ("onnxruntime, facebench", "facebench, onnxruntime"):
        environment = {key: value for key, value in os.environ.items() if key not in facebench.SILENT}
        environment["CI"] = "true"  # onnxruntime sends nothing from there
        command = [sys.executable, "-c", f"import {first}"]
        told[first] = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr
    assert "onnxruntime was imported before facebench" in told["onnxruntime, facebench"]
    assert told["facebench, onnxruntime"] == ""


def test_the_documents_name_every_switch() -> None:
    page = (Path(facebench.__file__).parent / "docs" / "threats.md").read_text("utf-8")
    assert not [name for name, value in facebench.SILENT.items() if f"`{name}={value}`" not in page]
