"""What a run was given is used on a few faces before anything is made, and a dry run says the same."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from facebench.bench.cli.main import UNUSABLE, main
from facebench.facemae.recognition import embedder
from facebench.facemae.runtime import compiling
from facebench.facemae.runtime.checkpoint import WeightsError, write
from onnx import TensorProto, helper, numpy_helper, save

SMALL = ("synthetic.people=40", "synthetic.images=2", "synthetic.pairs=40")


@pytest.fixture(params=[(), ("--dry-run",)], ids=["run", "dry run"])
def refused(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a run says that ends before anything is made."""

    def told(method: str, *settings: str, more: tuple[str, ...] = ()) -> str:
        store = tmp_path / "runs"
        command = ["run", "--method", method, "--store", str(store), "--tracking-uri", "none", "-q", *request.param]
        assert main([*command, *more, "--set", *SMALL, *settings]) == UNUSABLE
        assert not (store / "stages").exists()
        return capsys.readouterr().err

    return told


def channels_last(path: Path) -> Path:
    """A judge that fails on its first face: it takes two channels."""
    weights = numpy_helper.from_array(np.ones((4, 2, 1, 1), np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["o"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "C", "H", "W"])]
    outputs = [helper.make_tensor_value_info("o", TensorProto.FLOAT, ["N", 4])]
    graph = helper.make_graph(nodes, "m", inputs, outputs, [weights])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_a_judge_that_fails(refused: Callable[..., str], tmp_path: Path) -> None:
    judge = channels_last(tmp_path / "judge.onnx")
    said = refused(
        "original", f"attack.embedder={judge}", "attack.preprocessing=arcface", more=("--attacks", "ignorant")
    )
    assert "judge.onnx" in said
    given = f"judges=[{{embedder: {judge}, preprocessing: arcface}}]"
    assert "judge.onnx" in refused("original", given, more=("--attacks", "ignorant", "ensemble"))


@pytest.mark.parametrize("method", ["facemae", "gan"])
def test_a_teacher_that_is_none(refused: Callable[..., str], method: str, tmp_path: Path) -> None:
    path = tmp_path / "teacher.pt"
    write({"weight": torch.zeros(3)}, path)
    fit = ("method.fitted=null",) if method == "facemae" else ()
    assert f"{method}: teacher: weights {path}" in refused(method, f"method.teacher={path}", *fit)


def test_a_teacher_that_gives_no_number(refused: Callable[..., str], tmp_path: Path) -> None:
    made = embedder.build("small", dim=8)
    with torch.no_grad():
        made.get_parameter(next(name for name, _ in made.named_parameters())).fill_(3e38)
    path = tmp_path / "teacher.pt"
    embedder.save(made, path, architecture="small", dim=8)
    assert "expected finite features of faces" in refused("gan", f"method.teacher={path}")


@pytest.mark.parametrize("method", ["facemae", "mae"])
def test_a_checkpoint_to_begin_from_that_does_not_fit(refused: Callable[..., str], method: str, tmp_path: Path) -> None:
    path = tmp_path / "init.pth"
    write({"model": {"weight": torch.zeros(3)}}, path)
    fit = ("method.fitted=null",) if method == "facemae" else ()
    assert "expected a vision transformer" in refused(method, f"method.init={path}", *fit)


def test_a_machine_that_cannot_compile(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for tool in ("env", "sh", "bash", "uname"):
        found = shutil.which(tool)
        assert found
        (bare / tool).symlink_to(found)
    monkeypatch.setenv("PATH", str(bare))
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    compiling.try_out.cache_clear()
    said = refused("mae", "method.compile=true")
    assert "install a C++ compiler" in said
    assert "--set method.compile=false" in said
    assert "report it" not in said


def test_errors_of_others_are_no_compilers() -> None:
    with pytest.raises(OSError, match="full"), compiling.explained():
        raise OSError(errno.ENOSPC, "full")
    with pytest.raises(WeightsError), compiling.explained():
        raise WeightsError("x")


def test_a_blind_judge_is_told_before_anything_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To it all faces are nearly one: its embedding is a constant and a little of the face."""
    weights = np.zeros((3, 8), np.float32)
    weights[:, :3] = np.eye(3) * 0.01
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["g"]),
        helper.make_node("Add", ["g", "c"], ["o"]),
    ]
    graph = helper.make_graph(
        nodes,
        "m",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 112, 112])],
        [helper.make_tensor_value_info("o", TensorProto.FLOAT, ["N", 8])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.ones(8, np.float32), "c")],
    )
    path = tmp_path / "blind.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    command = ["run", "--method", "original", "--store", str(tmp_path / "runs"), "--tracking-uri", "none", "-q"]
    judge = (f"attack.embedder={path}", "attack.preprocessing=arcface")
    assert main([*command, "--dry-run", "--attacks", "ignorant", "--set", *SMALL, *judge]) == 0
    said = capsys.readouterr().err
    assert "blind" in said
    assert "attack.preprocessing=arcface what the file expects" in said
