"""Judges as people export them: other layouts, other numbers, a normalisation of their own inside."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from facebench.facemae.onnx.embedder import OnnxEmbedder
from facebench.facemae.onnx.first_nodes import FIRST, normalisation
from facebench.facemae.recognition.embedder import WeightsError
from onnx import TensorProto, helper, numpy_helper

FIRST_SHAPE, LAST_SHAPE, OPEN = ("N", 3, 112, 112), ("N", 112, 112, 3), ("N", "a", "b", "c")
RGB = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])


def number(name: str, value: Any, kind: Any = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, kind), name)


def write(
    path: Path,
    first: Sequence[onnx.NodeProto] = (),
    weights: Sequence[onnx.TensorProto] = (),
    *,
    shape: Sequence[Any] = FIRST_SHAPE,
    kind: int = TensorProto.FLOAT,
    listed: bool = False,
) -> Path:
    """A model of the means of 28 x 28 blocks, behind first nodes from `x` to `y`; [N, 48, 1, 1]."""
    nodes = [
        *(first or [helper.make_node("Identity", ["x"], ["y"])]),
        helper.make_node("Cast", ["y"], ["z"], to=TensorProto.FLOAT),
        helper.make_node("AveragePool", ["z"], ["means"], kernel_shape=[28, 28], strides=[28, 28]),
        helper.make_node("Reshape", ["means", "wide"], ["out"]),
    ]
    inputs = [helper.make_tensor_value_info("x", kind, shape)]
    if listed:  # as before IR 4, where constants are inputs, too
        inputs = [*(helper.make_tensor_value_info(w.name, w.data_type, list(w.dims)) for w in weights), *inputs]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)]
    kept = [*weights, number("wide", [-1, 48, 1, 1], np.int64)]
    graph = helper.make_graph(nodes, "m", inputs, outputs, kept)
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    )
    return path


def faces() -> torch.Tensor:
    return torch.randint(0, 256, (5, 3, 112, 112), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def turned(**more: Any) -> dict[str, Any]:
    return {"first": [helper.make_node("Transpose", ["x"], ["y"], perm=[0, 3, 1, 2])], **more}


@pytest.mark.parametrize(
    "how",
    [
        turned(shape=LAST_SHAPE),
        turned(shape=OPEN),
        turned(shape=(2, 112, 112, 3)),
        {"kind": TensorProto.DOUBLE},
        {"kind": TensorProto.FLOAT16},
        {"kind": TensorProto.UINT8},
        turned(kind=TensorProto.UINT8, shape=LAST_SHAPE),
    ],
    ids=["channels last", "open sizes", "batch of two", "float64", "float16", "bytes", "bytes, channels last"],
)  # fmt: skip
@pytest.mark.parametrize("bgr", [False, True])
def test_other_layouts_and_numbers_are_the_same_judge(how: dict[str, Any], bgr: bool, tmp_path: Path) -> None:
    expected = OnnxEmbedder(write(tmp_path / "a.onnx"), "raw", bgr=bgr).embed(faces())
    got = OnnxEmbedder(write(tmp_path / "b.onnx", **how), "raw", bgr=bgr).embed(faces())
    assert got.shape == (5, 48)
    np.testing.assert_allclose(got, expected, atol=2e-4)


def test_bytes_are_raw_and_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", kind=TensorProto.UINT8)
    with pytest.raises(
        WeightsError, match=r"declared arcface \(\(x - 127.5\) / 127.5\), but its input is bytes.* fits raw"
    ):
        OnnxEmbedder(path, "arcface")


def steps(*given: tuple[str, Any], turned: bool = False, inside: bool = False) -> dict[str, Any]:
    """First nodes that add, take off, multiply or divide by constants: of the file, or made by nodes."""
    nodes, weights, name = [], [], "x"
    for place, (kind, value) in enumerate(given):
        if inside:
            nodes.append(helper.make_node("Constant", [], [f"c{place}"], value=number("", value)))
        else:
            weights.append(number(f"c{place}", value))
        nodes.append(helper.make_node(kind, [name, f"c{place}"], [f"s{place}"]))
        name = f"s{place}"
    last = helper.make_node("Transpose", [name], ["y"], perm=[0, 3, 1, 2]) if turned else None
    nodes.append(last or helper.make_node("Identity", [name], ["y"]))
    return {"first": nodes, "weights": weights, "shape": LAST_SHAPE if turned else FIRST_SHAPE}


def shaped(values: list[float]) -> Any:
    return np.reshape(values, (1, 3, 1, 1))


OWN = {
    "insightface": (steps(("Sub", 127.5), ("Mul", 0.0078125)), "raw"),
    "constant nodes": (steps(("Sub", [127.5]), ("Div", [128.0]), inside=True), "raw"),
    "product first": (steps(("Mul", 1 / 127.5), ("Add", -1)), "raw"),
    "by 255 alone": (steps(("Div", 255)), "raw"),
    "mean alone": (steps(("Sub", shaped(RGB[0]))), "raw"),
    "imagenet": (steps(("Sub", shaped(RGB[0])), ("Div", shaped(RGB[1]))), "raw"),
    "torchvision": (steps(("Sub", shaped([0.485, 0.456, 0.406])), ("Div", shaped([0.229, 0.224, 0.225]))), "unit"),
    "halves": (steps(("Sub", 0.5), ("Div", 0.5)), "unit"),
    "keras": (steps(("Div", 127.5), ("Sub", [1.0, 1.0, 1.0]), turned=True), "raw"),
    "inputs of old files": ({**steps(("Sub", 127.5), ("Mul", 0.0078125)), "listed": True}, "raw"),
}  # fmt: skip


@pytest.mark.parametrize(("how", "right"), OWN.values(), ids=OWN)
def test_a_normalisation_inside_is_held_against_the_declared_one(
    how: dict[str, Any], right: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "m.onnx", **how)
    with caplog.at_level(logging.WARNING):
        OnnxEmbedder(path, right)  # type: ignore[arg-type]
    assert not caplog.text
    for wrong in {"arcface", "imagenet", "raw", "unit"} - {right}:
        says = rf"declared {wrong} \(.*first nodes normalise pixels themselves \(x \* .*\), which fits {right} \("
        with pytest.raises(WeightsError, match=says):
            OnnxEmbedder(path, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("declared", ["arcface", "imagenet", "raw"])
def test_what_was_put_back_before_is_reckoned_with(
    declared: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """To bytes and from them again: pixels come out as they came in, which says nothing."""
    back = steps(("Mul", 127.5), ("Add", 127.5), ("Sub", 127.5), ("Mul", 0.0078125))
    with caplog.at_level(logging.WARNING):
        OnnxEmbedder(write(tmp_path / "m.onnx", **back), declared)
    assert not caplog.text


def test_what_fits_nothing_is_said_and_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        OnnxEmbedder(write(tmp_path / "m.onnx", **steps(("Mul", 1000.0))), "arcface")
    assert "declared arcface, but the file's first nodes change pixels themselves (x * 1000 + 0)" in caplog.text


def graph(nodes: Sequence[onnx.NodeProto], weights: Sequence[onnx.TensorProto]) -> onnx.GraphProto:
    return helper.make_graph(
        nodes, "m", [helper.make_tensor_value_info("x", TensorProto.FLOAT, FIRST_SHAPE)], [], weights
    )


def test_sums_that_are_no_normalisation_are_none() -> None:
    sub = helper.make_node("Sub", ["x", "c"], ["s"])
    behind = [helper.make_node("Conv", ["x", "w"], ["v"]), helper.make_node("Sub", ["v", "c"], ["s"])]
    assert normalisation(graph(behind, [number("c", 127.5)])) is None
    assert normalisation(graph([helper.make_node("Sub", ["x", "x"], ["s"])], [])) is None
    assert normalisation(graph([sub], [number("c", np.zeros((3, 112, 112)))])) is None
    assert normalisation(graph([sub], [number("c", np.nan)])) is None
    assert normalisation(graph([helper.make_node("Div", ["x", "c"], ["s"])], [number("c", 0)])) is None
    damaged = number("c", 127.5)
    damaged.raw_data = b"12"
    assert normalisation(graph([sub], [damaged])) is None
    many = [helper.make_node("Identity", [f"x{n}" if n else "x"], [f"x{n + 1}"]) for n in range(FIRST)]
    assert (
        normalisation(graph([*many, helper.make_node("Sub", [f"x{FIRST}", "c"], ["s"])], [number("c", 127.5)])) is None
    )
