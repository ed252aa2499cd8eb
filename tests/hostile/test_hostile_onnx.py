"""Mutated ONNX files: refused by the documented error, or embeddings that are finite and depend on the face alone.

`FACEBENCH_HOSTILE=N` tries N files instead of the few hundred of an ordinary run.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from facebench.facemae.onnx import trial
from facebench.facemae.onnx.embedder import OnnxEmbedder
from facebench.facemae.recognition.embedder import WeightsError
from onnx import TensorProto, helper, numpy_helper

COUNT = int(os.environ.get("FACEBENCH_HOSTILE", "240"))
PARTS = 6
LIMIT = 3.0
"""Seconds for the trial of a file; several times as long for all of it, on a busy machine too."""

SERVER = """
import os, sys, time
import numpy, onnxruntime
from facebench.facemae.onnx import child as onnx_child

nowhere = os.open(os.devnull, os.O_WRONLY)
for line in sys.stdin:
    *arguments, limit = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if not child:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os._exit(onnx_child.main(arguments))
    code, end = None, time.monotonic() + float(limit)
    while code is None:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
        elif time.monotonic() > end:
            os.kill(child, 9)
            os.waitpid(child, 0)
            code = "late"
        else:
            time.sleep(0.002)
    print(code, flush=True)
"""
"""Makes the processes apart by forking one that has loaded onnxruntime: a hundredth of a second each."""


@pytest.fixture(scope="module", autouse=True)
def _quick_processes() -> Iterator[None]:
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )

    def run(command: list[str], *, timeout: float, **rest: Any) -> subprocess.CompletedProcess[str]:
        server.stdin.write("\t".join([*command[3:], str(timeout)]) + "\n")
        server.stdin.flush()
        code = server.stdout.readline().strip()
        if code == "late":
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, int(code))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facebench.facemae.onnx.trial.subprocess.run", run)
        patch.setattr(trial, "MEMORY", 2 << 30)
        yield
    server.stdin.close()
    server.wait(10)
    server.stdout.close()


def weights(name: str, shape: tuple[int, ...], seed: int = 0) -> onnx.TensorProto:
    drawn = np.random.default_rng(seed).normal(size=shape) / np.sqrt(np.prod(shape[1:]) or 1)
    return numpy_helper.from_array(drawn.astype(np.float32), name)


def constant(name: str, value: Any, kind: Any = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, kind), name)


def model(nodes: list[onnx.NodeProto], kept: list[onnx.TensorProto], outputs: tuple[str, ...] = ("out",)) -> Any:
    graph = helper.make_graph(
        nodes,
        "embedder",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, ["N", 3, 112, 112])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        kept,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def bases() -> list[Any]:
    """A convolutional network, a linear one, one that ends in [N, D, 1, 1], and one with two outputs."""
    node = helper.make_node
    pool = node("AveragePool", ["face"], ["p"], kernel_shape=[16, 16], strides=[16, 16])
    one, zero = constant("one", np.ones(8)), constant("zero", np.zeros(8))
    return [
        model(
            [
                node("Conv", ["face", "k"], ["c"], strides=[8, 8]),
                node("BatchNormalization", ["c", "one", "zero", "zero", "one"], ["b"]),
                node("PRelu", ["b", "slope"], ["r"]),
                node("GlobalAveragePool", ["r"], ["g"]),
                node("Flatten", ["g"], ["f"]),
                node("Gemm", ["f", "w"], ["out"]),
            ],
            [weights("k", (8, 3, 8, 8)), one, zero, constant("slope", np.full((8, 1, 1), 0.2)), weights("w", (8, 16))],
        ),
        model([pool, node("Flatten", ["p"], ["f"]), node("MatMul", ["f", "w"], ["out"])], [weights("w", (147, 32))]),
        model([pool, node("Conv", ["p", "k"], ["out"])], [weights("k", (16, 3, 7, 7))]),
        model(
            [pool, node("Flatten", ["p"], ["out"]), node("ReduceL2", ["out"], ["norm"], axes=[1])], [], ("out", "norm")
        ),
    ]


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 1, 2, 8])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _splice(data: bytearray, chance: random.Random) -> None:
    start, size = chance.randrange(len(data)), chance.randrange(1, 64)
    data[chance.randrange(len(data)) :][:0] = data[start : start + size]
    data[start:start] = bytes(chance.randrange(256) for _ in range(chance.choice([0, 1, 4])))


def _insert(made: Any, chance: random.Random, nodes: Callable[[str], list[Any]], *kept: onnx.TensorProto) -> None:
    """Between a node and those that use it; `nodes` makes of the name that it now has what `hostile` is."""
    graph = made.graph
    place = chance.randrange(len(graph.node))
    name = graph.node[place].output[0]
    graph.node[place].output[0] = "inner"
    late = list(graph.node[place + 1 :])
    del graph.node[place + 1 :]
    added = nodes(name)
    for each in added:
        each.name = f"added_{each.output[0]}"
    graph.node.extend([*added, *late])
    graph.initializer.extend(kept)


_told = helper.make_tensor_value_info


def _loop(made: Any, chance: random.Random) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Tanh", ["v"], ["next"])],
        "body",
        [_told("i", TensorProto.INT64, []), _told("go", TensorProto.BOOL, []), _told("v", TensorProto.FLOAT, None)],
        [_told("on", TensorProto.BOOL, []), _told("next", TensorProto.FLOAT, None)],
    )
    times = constant("times", chance.choice([0, 2, 1 << 20, 1 << 40, (1 << 62)]), np.int64)
    _insert(made, chance, lambda name: [helper.make_node("Loop", ["times", "yes", "inner"], [name], body=body)],
            times, constant("yes", True, bool))  # fmt: skip


def _random(made: Any, chance: random.Random) -> None:
    scale = chance.choice([1e-3, 0.1, 1.0, 100.0])
    op = chance.choice(["RandomNormalLike", "RandomUniformLike"])
    more = {"scale": scale} if op == "RandomNormalLike" else {"low": -scale, "high": scale}
    _insert(made, chance, lambda name: [helper.make_node(op, ["inner"], ["r"], **more),
                                        helper.make_node("Add", ["inner", "r"], [name])])  # fmt: skip


def _dropout(made: Any, chance: random.Random) -> None:
    _insert(made, chance, lambda name: [helper.make_node("Dropout", ["inner", "rate", "train"], [name])],
            constant("rate", chance.choice([0.1, 0.5, 0.9])), constant("train", True, bool))  # fmt: skip


def _over_batch(made: Any, chance: random.Random) -> None:
    op = chance.choice(["ReduceMean", "ReduceMax", "ReduceL2", "CumSum", "Softmax"])
    if op == "CumSum":
        _insert(made, chance, lambda name: [helper.make_node(op, ["inner", "axis"], [name])],
                constant("axis", 0, np.int64))  # fmt: skip
    elif op == "Softmax":
        _insert(made, chance, lambda name: [helper.make_node(op, ["inner"], [name], axis=0)])
    else:
        _insert(made, chance, lambda name: [helper.make_node(op, ["inner"], ["m"], axes=[0], keepdims=1),
                                            helper.make_node("Sub", ["inner", "m"], [name])])  # fmt: skip


def _large(made: Any, chance: random.Random) -> None:
    """Something of up to 2 ** 40 numbers on the way."""
    size = 1 << chance.choice([4, 12, 26, 33, 40])
    _insert(made, chance, lambda name: [
        helper.make_node("ReduceMean", ["inner"], ["m"], keepdims=0), helper.make_node("Expand", ["m", "s"], ["e"]),
        helper.make_node("ReduceMean", ["e"], ["a"], keepdims=0), helper.make_node("Sub", ["inner", "a"], [name])],
        constant("s", [size], np.int64))  # fmt: skip


def _values(made: Any, chance: random.Random) -> None:
    value = chance.choice([0.0, np.nan, np.inf, -np.inf, 1e38, 1e-45])
    op = chance.choice(["Mul", "Add", "Div", "Pow"])
    _insert(made, chance, lambda name: [helper.make_node(op, ["inner", "v"], [name])], constant("v", value))


def _batch(made: Any, chance: random.Random) -> None:
    size = chance.choice([1, 2, 5, 64, 1 << 10, 1 << 20, 1 << 31, (1 << 62), -1])
    for entry in made.graph.input[:1]:
        entry.type.tensor_type.shape.dim[0].dim_value = size


def _shape(made: Any, chance: random.Random) -> None:
    for entry in made.graph.input[:1]:
        chance.choice(entry.type.tensor_type.shape.dim).dim_value = chance.choice([0, 1, 3, 111, 112, 1 << 30])


def _operator(made: Any, chance: random.Random) -> None:
    chance.choice(made.graph.node).op_type = chance.choice(
        ["Identity", "Relu", "Softmax", "Transpose", "Shape", "NonZero", "Loop", "If", "Scan", "ArgMax", "Erf", "Cast",
         "GlobalMaxPool", "Unique", "Bernoulli", "Multinomial", "LpNormalization", "Magic", ""]
    )  # fmt: skip


def _attribute(made: Any, chance: random.Random) -> None:
    found = [attribute for node in made.graph.node for attribute in node.attribute]
    if found:
        attribute = chance.choice(found)
        if attribute.ints:
            attribute.ints[chance.randrange(len(attribute.ints))] = chance.choice([-1, 0, 1, 7, 1 << 31, (1 << 62)])
        else:
            attribute.i = chance.choice([-1, 0, 5, 1 << 40])


def _wiring(made: Any, chance: random.Random) -> None:
    node = chance.choice(made.graph.node)
    names = [name for each in made.graph.node for name in (*each.input, *each.output)]
    if node.input:
        node.input[chance.randrange(len(node.input))] = chance.choice([*names, "", "nowhere"])


def _drop(made: Any, chance: random.Random) -> None:
    part = chance.choice([made.graph.node, made.graph.initializer, made.graph.output, made.graph.input])
    if part:
        del part[chance.randrange(len(part))]


def _tensor(made: Any, chance: random.Random) -> None:
    if made.graph.initializer:
        tensor = chance.choice(made.graph.initializer)
        what = chance.randrange(4)
        if what == 0 and tensor.dims:
            tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice([0, -1, 1, 1 << 31, (1 << 62)])
        elif what == 1:
            tensor.data_type = chance.randrange(24)
        elif what == 2:
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=chance.choice(["/etc/passwd", "../x", "m.onnx"]))
        else:
            tensor.raw_data = tensor.raw_data[: chance.randrange(len(tensor.raw_data) + 1)]


def _version(made: Any, chance: random.Random) -> None:
    made.opset_import[0].version = chance.choice([0, 1, 7, 11, 18, 99, -1])
    made.ir_version = chance.choice([0, 3, 9, 10, 99])


def _folded(made: Any, chance: random.Random) -> None:
    """A constant of up to 2 ** 40 numbers, which an optimizer may compute while the file is opened."""
    size = 1 << chance.choice([4, 26, 33, 40])
    _insert(made, chance, lambda name: [
        helper.make_node("ConstantOfShape", ["s"], ["z"]), helper.make_node("ReduceMax", ["z"], ["a"], keepdims=0),
        helper.make_node("Add", ["inner", "a"], [name])], constant("s", [size], np.int64))  # fmt: skip


BYTES = (_flip, _cut, _splice)
PARTS_OF = (
    _loop, _random, _dropout, _over_batch, _large, _values, _batch, _shape, _operator, _attribute, _wiring, _drop,
    _tensor, _version, _folded,
)  # fmt: skip


def mutated(seed: int) -> tuple[bytes, str]:
    """A file, and what was done to it."""
    chance = random.Random(seed)
    made = chance.choice(bases())
    done = []
    if chance.random() < 0.8:
        for _ in range(chance.choice([1, 1, 2])):
            change = chance.choice(PARTS_OF)
            if not made.graph.node:
                break
            change(made, chance)
            done.append(change.__name__)
    data = bytearray(made.SerializeToString())
    if not done or chance.random() < 0.15:
        harm = chance.choice(BYTES)
        harm(data, chance)
        done.append(harm.__name__)
    return bytes(data), ", ".join(done)


def images() -> torch.Tensor:
    """Five unlike images without black and white, of which no sound model gives zeros."""
    drawn = np.random.default_rng(7)
    colours, noise = drawn.uniform(60, 190, (5, 3, 1, 1)), drawn.normal(0, 15, (5, 3, 112, 112))
    return torch.from_numpy(np.clip(colours + noise, 10, 245).astype(np.uint8))


@pytest.mark.parametrize("part", range(PARTS))
def test_a_mutated_judge_is_refused_or_gives_embeddings_of_faces_alone(part: int, tmp_path: Path) -> None:
    path, seen = tmp_path / "m.onnx", images()
    kinds = {"refused": 0, "accepted": 0}
    for seed in range(part, COUNT, PARTS):
        data, done = mutated(seed)
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        told, started = f"seed {seed}: {done}", time.monotonic()
        output = "out" if seed % 2 else None
        try:
            judge = OnnxEmbedder(path, "arcface", threads=1, output=output, limit=LIMIT)
            found = judge.embed(seen, flip=False)
        except WeightsError as error:
            assert "judge" in str(error) or "weights" in str(error), told
            assert "; " in str(error), f"{told}: {error}"  # what to do
            kinds["refused"] += 1
        else:
            kinds["accepted"] += 1
            for other in (
                judge.embed(seen, flip=False),
                judge.embed(seen.flip(0), flip=False)[::-1],
                judge.embed(seen, flip=False, batch=2),
            ):
                assert np.isfinite(found).all(), told
                assert np.linalg.norm(found - other, axis=1).max() < 0.05, told
        assert time.monotonic() - started < 15 * LIMIT, told
    if COUNT >= 240:
        assert min(kinds.values()) > 3, kinds  # neither refuses all nor takes all


def test_equal_seeds_give_equal_files() -> None:
    assert [mutated(seed) for seed in range(40)] == [mutated(seed) for seed in range(40)]
