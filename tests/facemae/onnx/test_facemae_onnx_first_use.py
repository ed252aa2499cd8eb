"""Judges that loop, draw random numbers, look at other faces, see nothing, or ask for all memory are refused."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from facebench.facemae.onnx import child, file, trial
from facebench.facemae.onnx.embedder import OnnxEmbedder
from facebench.facemae.onnx.trial import TooSlow
from facebench.facemae.recognition.embedder import WeightsError
from onnx import TensorProto, helper, numpy_helper

NODES = [
    helper.make_node("AveragePool", ["face"], ["means"], kernel_shape=[28, 28], strides=[28, 28]),
    helper.make_node("Flatten", ["means"], ["flat"]),
]


def number(name: str, value: Any, kind: Any = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, kind), name)


def write(
    path: Path, nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto] | None = None, *, batch: Any = "N",
    outputs: tuple[str, ...] = ("out",),
) -> Path:  # fmt: skip
    graph = helper.make_graph(
        [*NODES, *nodes],
        "embedder",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, [batch, 3, 112, 112])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        weights or [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def turning(count: str) -> onnx.NodeProto:
    """A loop that turns so many times."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Mul", ["v", "most"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
        [number("most", 1)],
    )
    return helper.make_node("Loop", [count, "yes", "flat"], ["out"], body=body)


def faces(count: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 112, 112), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_a_loop_that_does_not_end_is_stopped_in_time(tmp_path: Path) -> None:
    weights = [number("times", 1 << 60, np.int64), number("yes", True, bool)]
    path = write(tmp_path / "m.onnx", [turning("times")], weights)
    started = time.monotonic()
    with pytest.raises(TooSlow, match=r"m\.onnx: expected an answer within 2 s, got none"):
        OnnxEmbedder(path, "raw", limit=2)
    assert time.monotonic() - started < 20


def test_a_short_loop_is_a_judge(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", [turning("times")], [number("times", 3, np.int64), number("yes", True, bool)])
    assert OnnxEmbedder(path, "raw").embed(faces()).shape == (3, 48)


def test_a_loop_that_only_some_faces_set_off_is_stopped_while_they_are_embedded(tmp_path: Path) -> None:
    """It turns 2 ** 62 times where a face is white, and not at all elsewhere."""
    nodes = [
        helper.make_node("ReduceMax", ["flat"], ["highest"], keepdims=0),
        helper.make_node("Greater", ["highest", "white"], ["is"]),
        helper.make_node("Cast", ["is"], ["one"], to=TensorProto.INT64),
        helper.make_node("Mul", ["one", "many"], ["times"]),
        turning("times"),
    ]
    weights = [number("white", 254), number("many", 1 << 62, np.int64), number("yes", True, bool)]
    judge = OnnxEmbedder(write(tmp_path / "m.onnx", nodes, weights), "raw")
    assert judge.embed(faces()).shape == (3, 48)
    judge._session.limit = 1
    with pytest.raises(TooSlow, match="within 1 s"):
        judge.embed(torch.full((2, 3, 112, 112), 255, dtype=torch.uint8))


@pytest.mark.parametrize("batch", ["N", 1, 2])
def test_random_embeddings_are_refused(batch: Any, tmp_path: Path) -> None:
    noisy = [
        helper.make_node("RandomNormalLike", ["flat"], ["noise"], scale=20.0, seed=1.0),
        helper.make_node("Add", ["flat", "noise"], ["out"]),
    ]
    with pytest.raises(WeightsError, match=r"equal embeddings of equal faces, got other ones each time .*model\.eval"):
        OnnxEmbedder(write(tmp_path / "m.onnx", noisy, batch=batch), "raw")


@pytest.mark.parametrize("batch", ["N", 3, 4])
def test_embeddings_that_depend_on_the_batch_are_refused(batch: Any, tmp_path: Path) -> None:
    centred = [
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["flat", "mean"], ["less"]),
        helper.make_node("Add", ["less", "one"], ["out"]),
    ]
    with pytest.raises(WeightsError, match="depends on the other faces of the batch"):
        OnnxEmbedder(write(tmp_path / "m.onnx", centred, [number("one", 1)], batch=batch), "raw")


def test_a_judge_that_sees_nothing_is_refused(tmp_path: Path) -> None:
    blind = [helper.make_node("Mul", ["flat", "zero"], ["none"]), helper.make_node("Add", ["none", "one"], ["out"])]
    with pytest.raises(WeightsError, match="other embeddings of other faces, got the same one for all"):
        OnnxEmbedder(write(tmp_path / "m.onnx", blind, [number("zero", 0), number("one", 1)]), "raw")


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_judge_without_finite_embeddings_is_refused(value: float, tmp_path: Path) -> None:
    broken = [helper.make_node("Mul", ["flat", "k"], ["out"])]
    with pytest.raises(WeightsError, match="expected finite embeddings, got NaN, infinity or zeros"):
        OnnxEmbedder(write(tmp_path / "m.onnx", broken, [number("k", value)]), "raw")


@pytest.mark.parametrize("batch", [1 << 20, 1 << 31])
def test_a_baked_batch_asks_for_no_memory(batch: int, tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", [helper.make_node("Identity", ["flat"], ["out"])], batch=batch)
    with pytest.raises(WeightsError, match=rf"a batch of at most {file.MOST_FACES} faces, got {batch:,}"):
        OnnxEmbedder(path, "raw")


def test_a_model_that_asks_for_all_memory_is_refused_and_takes_none_here(tmp_path: Path) -> None:
    """48 numbers a face, repeated to 2 ** 34 of them: 64 GiB."""
    nodes = [
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Expand", ["mean", "shape"], ["wide"]),
        helper.make_node("ReduceMean", ["wide"], ["narrow"], axes=[1], keepdims=1),
        helper.make_node("Add", ["flat", "narrow"], ["out"]),
    ]
    path = write(tmp_path / "m.onnx", nodes, [number("shape", [1, 1 << 34], np.int64)])
    with pytest.raises(WeightsError, match=r"embeds a few faces in \d+ GiB, got one that asks for more memory"):
        OnnxEmbedder(path, "raw")


def test_a_width_that_depends_on_the_batch_is_refused(tmp_path: Path) -> None:
    """As many numbers a face as there are faces."""
    nodes = [
        helper.make_node("Transpose", ["flat"], ["turned"]),
        helper.make_node("MatMul", ["flat", "turned"], ["out"]),
    ]
    with pytest.raises(WeightsError, match=r"expected \[2, 3\] for 2 faces, got \[2, 2\]"):
        OnnxEmbedder(write(tmp_path / "m.onnx", nodes), "raw")


def test_too_wide_an_embedding_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Tile", ["flat", "times"], ["out"])]
    path = write(tmp_path / "m.onnx", nodes, [number("times", [1, 2000], np.int64)])
    with pytest.raises(WeightsError, match="expected at most 65,536 numbers a face, got 96,000"):
        OnnxEmbedder(path, "raw")


def test_too_many_nodes_are_refused_in_nested_graphs_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "m.onnx", [turning("times")], [number("times", 3, np.int64), number("yes", True, bool)])
    monkeypatch.setattr(file, "MOST_NODES", 5)  # three outside, two in the loop
    assert OnnxEmbedder(path, "raw").dim == 48
    monkeypatch.setattr(file, "MOST_NODES", 4)
    with pytest.raises(WeightsError, match="expected at most 4 nodes, got 5"):
        OnnxEmbedder(path, "raw")


def test_a_model_that_kills_the_process_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a fault in the runtime's own code does: the run lives on."""
    deadly = tmp_path / "python"
    deadly.write_text("#!/bin/sh\nkill -SEGV $$\n")
    deadly.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(deadly))
    path = write(tmp_path / "m.onnx", [helper.make_node("Identity", ["flat"], ["out"])])
    with pytest.raises(WeightsError, match=r"ends the process that tries it \(signal 11\)"):
        OnnxEmbedder(path, "raw")


def test_the_trial_is_made_once_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "m.onnx", [helper.make_node("Identity", ["flat"], ["out"])])
    tried: list[Path] = []
    monkeypatch.setattr(trial, "try_apart", lambda path, **how: tried.append(path))
    for _ in range(3):
        OnnxEmbedder(path, "raw")
    assert tried == [path]
    write(path, [helper.make_node("Neg", ["flat"], ["out"])], batch=2)
    assert OnnxEmbedder(path, "raw")._fixed == 2
    assert tried == [path, path]


def test_axes_of_one_are_taken_away(tmp_path: Path) -> None:
    flat = OnnxEmbedder(write(tmp_path / "a.onnx", [helper.make_node("Identity", ["flat"], ["out"])]), "raw")
    deep = [helper.make_node("Reshape", ["flat", "shape"], ["out"])]
    for shape in ([0, -1, 1, 1], [0, 1, -1]):
        path = write(tmp_path / f"{len(shape)}.onnx", deep, [number("shape", shape, np.int64)])
        np.testing.assert_allclose(OnnxEmbedder(path, "raw").embed(faces()), flat.embed(faces()))
    with pytest.raises(WeightsError, match=r"expected \[1, D\] for 1 faces, got \[1, 4, 12\]"):
        path = write(tmp_path / "m.onnx", deep, [number("shape", [0, 4, 12], np.int64)])
        OnnxEmbedder(path, "raw")


def test_one_of_several_outputs_is_named(tmp_path: Path) -> None:
    both = [
        helper.make_node("ReduceL2", ["flat"], ["norm"], axes=[1], keepdims=1),
        helper.make_node("Div", ["flat", "norm"], ["out"]),
    ]
    path = write(tmp_path / "m.onnx", both, outputs=("norm", "out"))
    plain = OnnxEmbedder(write(tmp_path / "a.onnx", [helper.make_node("Identity", ["flat"], ["out"])]), "raw")
    with pytest.raises(WeightsError, match=r"got 1 and 2 \('norm', 'out'\); .* --set attack.output=NAME"):
        OnnxEmbedder(path, "raw")
    with pytest.raises(WeightsError, match="output: expected one of 'norm', 'out', got 'embedding'"):
        OnnxEmbedder(path, "raw", output="embedding")
    np.testing.assert_allclose(OnnxEmbedder(path, "raw", output="out").embed(faces()), plain.embed(faces()), atol=1e-6)


def test_the_process_apart_has_a_bound_of_memory(tmp_path: Path) -> None:
    """1 GiB a face is little for the machine, and too much for a process that may have 1 GiB."""
    nodes = [
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Expand", ["mean", "shape"], ["wide"]),
        helper.make_node("ReduceMean", ["wide"], ["out"], axes=[1], keepdims=1),
    ]
    path = write(tmp_path / "m.onnx", nodes, [number("shape", [1, 1 << 28], np.int64)])
    command = [sys.executable, "-m", child.__name__, str(path), "1", str(1 << 30), "NCHW"]
    assert subprocess.run(command, check=False).returncode == child.MEMORY
