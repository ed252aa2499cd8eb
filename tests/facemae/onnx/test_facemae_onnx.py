"""ONNX judges: preprocessing, batches, and what a file that is no face embedder is answered."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from facebench.facemae.onnx.embedder import OnnxEmbedder
from facebench.facemae.onnx.session import available_processors
from facebench.facemae.recognition.embedder import WeightsError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

DATA = Path(os.environ.get("FACEBENCH_DATA", "../shared/data")).resolve()
FACE = ("N", 3, 112, 112)


def faces(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, 112, 112), dtype=torch.uint8, generator=generator)


def write(
    path: Path,
    *,
    inputs: tuple[tuple[str | int, ...], ...] = (FACE,),
    outputs: tuple[str, ...] = ("vector",),
    nodes: list[onnx.NodeProto] | None = None,
    weights: list[onnx.TensorProto] | None = None,
    kind: int = TensorProto.FLOAT,
) -> Path:
    """A model that takes the mean of each 56 x 56 quarter of each channel: [N, 3, 112, 112] to [N, 12]."""
    pool = helper.make_node("AveragePool", ["face"], ["means"], kernel_shape=[56, 56], strides=[56, 56])
    flat = helper.make_node("Flatten", ["means"], ["vector"])
    names = ["face", "other"]
    graph = helper.make_graph(
        [pool, flat] if nodes is None else nodes,
        "embedder",
        [helper.make_tensor_value_info(n, kind, s) for n, s in zip(names, inputs, strict=False)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        initializer=weights or [],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("elsewhere", 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


def quarters(images: torch.Tensor, *, flip: bool) -> NDArray[np.float64]:
    """What `write`'s model should see of 0..255."""
    numbers = images.double().numpy()
    both = numbers + numbers[..., ::-1] if flip else numbers
    means: NDArray[np.float64] = both.reshape(-1, 3, 2, 56, 2, 56).mean(axis=(3, 5))
    return means


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    flat = vectors.reshape(len(vectors), -1)
    rows: NDArray[np.float64] = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return rows


MEAN = np.array([0.485, 0.456, 0.406])[:, None, None]
DEVIATION = np.array([0.229, 0.224, 0.225])[:, None, None]


@pytest.mark.parametrize(
    ("preset", "scale"),
    [
        ("arcface", lambda x: (x - 127.5) / 127.5),
        ("arcface128", lambda x: (x - 127.5) / 128),
        ("imagenet", lambda x: (x / 255 - MEAN) / DEVIATION),
        ("raw", lambda x: x),
        ("unit", lambda x: x / 255),
    ],
)
@pytest.mark.parametrize("bgr", [False, True])
def test_the_declared_preprocessing_is_used_and_no_guess(preset: str, scale: object, bgr: bool, tmp_path: Path) -> None:
    images = faces(3)
    expected = scale(quarters(images, flip=False))  # type: ignore[operator]
    if bgr:
        expected = expected[:, ::-1]
    got = OnnxEmbedder(write(tmp_path / "m.onnx"), preset, bgr=bgr).embed(images, flip=False)
    np.testing.assert_allclose(got, unit(expected), atol=2e-4)


@pytest.mark.parametrize("first", ["N", 1, 4])
def test_any_number_of_faces_goes_through_open_and_fixed_batches(first: str | int, tmp_path: Path) -> None:
    judge = OnnxEmbedder(write(tmp_path / "m.onnx", inputs=((first, 3, 112, 112),)), "raw")
    images = faces(6)
    seen: list[tuple[int, int]] = []
    got = judge.embed(images, batch=5, progress=lambda done, total: seen.append((done, total)))
    np.testing.assert_allclose(got, unit(quarters(images, flip=True)), atol=1e-5)
    assert got.dtype == np.float32
    assert seen[-1] == (6, 6)
    assert judge.embed(images[:0]).shape == (0, 12)


def test_a_batch_of_one_that_the_shape_does_not_tell_is_found_out(tmp_path: Path) -> None:
    pool = helper.make_node("AveragePool", ["face"], ["means"], kernel_shape=[56, 56], strides=[56, 56])
    flat = helper.make_node("Reshape", ["means", "shape"], ["vector"])
    shape = numpy_helper.from_array(np.array([1, -1]), "shape")
    judge = OnnxEmbedder(write(tmp_path / "m.onnx", nodes=[pool, flat], weights=[shape]), "raw")
    np.testing.assert_allclose(judge.embed(faces(3)), unit(quarters(faces(3), flip=True)), atol=1e-5)


def test_insightface_runs_it_and_onnxruntime_where_insightface_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from insightface.model_zoo import arcface_onnx

    path = write(tmp_path / "m.onnx")
    calls: list[int] = []
    forward = arcface_onnx.ArcFaceONNX.forward

    def count(self: object, batch: NDArray[np.float32]) -> object:
        calls.append(len(batch))
        return forward(self, batch)

    monkeypatch.setattr(arcface_onnx.ArcFaceONNX, "forward", count)
    first = OnnxEmbedder(path, "arcface", bgr=True).embed(faces(2))
    assert calls

    def refuse(self: object, *args: object, **more: object) -> None:
        raise AssertionError("no")

    monkeypatch.setattr(arcface_onnx.ArcFaceONNX, "__init__", refuse)
    calls.clear()
    np.testing.assert_allclose(OnnxEmbedder(path, "arcface", bgr=True).embed(faces(2)), first, atol=1e-6)
    assert not calls


def dividing(path: Path) -> Path:
    """x / (x - 7): a face of 7s gives infinity, one of 0s gives zeros."""
    seven = numpy_helper.from_array(np.array(7, np.float32), "seven")
    nodes = [
        helper.make_node("Flatten", ["face"], ["flat"]),
        helper.make_node("Sub", ["flat", "seven"], ["less"]),
        helper.make_node("Div", ["flat", "less"], ["vector"]),
    ]
    return write(path, nodes=nodes, weights=[seven])


def test_faces_it_fails_on_are_rows_of_nan_and_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    judge = OnnxEmbedder(dividing(tmp_path / "m.onnx"), "raw")
    images = torch.full((3, 3, 112, 112), 100, dtype=torch.uint8)
    images[0], images[2] = 7, 0
    with caplog.at_level(logging.WARNING):
        got = judge.embed(images)
    assert np.isnan(got[[0, 2]]).all()
    assert np.isfinite(got[1]).all()
    assert "no usable embedding for 2 of 3 faces" in caplog.text
    with pytest.raises(WeightsError, match=r"m\.onnx: expected finite embeddings, got NaN.* all 1 faces"):
        judge.embed(images[:1])


def flatten() -> list[onnx.NodeProto]:
    return [helper.make_node("Flatten", ["face"], ["vector"])]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"inputs": (("N", 3, 160, 160),), "nodes": flatten()}, r"float32 \[N, 3, 112, 112\] or .*, got .* 160, 160\]"),
        ({"inputs": (("N", 3),), "nodes": flatten()}, r"expected float32 \[N, 3, 112, 112\]"),
        ({"kind": TensorProto.INT64, "nodes": [helper.make_node("Cast", ["face"], ["vector"], to=1)]}, "int64"),
        ({"inputs": (FACE, FACE), "nodes": [helper.make_node("Add", ["face", "other"], ["vector"])]}, "got 2 and 1"),
        ({"outputs": ("vector", "means")}, "got 1 and 2"),
        ({"nodes": [helper.make_node("Identity", ["face"], ["vector"])]}, r"expected \[1, D\] for 1 faces, got \[1, 3"),
        ({"nodes": [helper.make_node("Magic", ["face"], ["vector"], domain="elsewhere")]}, "standard operators"),
    ],
)  # fmt: skip
def test_models_of_another_kind_say_what_was_expected(how: dict[str, object], says: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=says) as caught:
        OnnxEmbedder(write(tmp_path / "m.onnx", **how), "arcface")  # type: ignore[arg-type]
    assert "m.onnx" in str(caught.value)


def test_files_that_are_no_onnx_are_refused(tmp_path: Path) -> None:
    good = write(tmp_path / "good.onnx").read_bytes()
    for bad in (b"", b"\x00" * 50, b"not a model", good[: len(good) // 2], os.urandom(500)):
        (tmp_path / "m.onnx").write_bytes(bad)
        with pytest.raises(WeightsError, match=r"m\.onnx: expected"):
            OnnxEmbedder(tmp_path / "m.onnx", "arcface")
    with pytest.raises(WeightsError, match=r"none\.onnx: expected a file"):
        OnnxEmbedder(tmp_path / "none.onnx", "arcface")


def test_an_undeclared_preprocessing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"expected one of arcface, arcface128, imagenet, raw, unit, got 'torch'"):
        OnnxEmbedder(write(tmp_path / "m.onnx"), "torch")  # type: ignore[arg-type]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "beside.bin"])
def test_weights_in_other_files_are_refused(location: str, nested: bool, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for secret in (tmp_path / "secret", folder / "beside.bin"):
        secret.write_bytes(bytes(48))
    outside = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[12], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value=location)
    pool = helper.make_node("AveragePool", ["face"], ["means"], kernel_shape=[56, 56], strides=[56, 56])
    flat = helper.make_node("Flatten", ["means"], ["flat"])
    add = helper.make_node("Add", ["flat", "w"], ["vector"])
    weights = [outside]
    if nested:
        constant, weights = helper.make_node("Constant", [], ["w"], value=outside), []
        inner = helper.make_graph([constant], "inner", [], [helper.make_tensor_value_info("w", 1, [12])])
        yes = helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True)))
        either = helper.make_node("If", ["yes"], ["w"], then_branch=inner, else_branch=inner)
        nodes = [yes, either, pool, flat, add]
    else:
        nodes = [pool, flat, add]
    path = write(folder / "m.onnx", nodes=nodes, weights=weights)
    with pytest.raises(
        WeightsError, match="expected all weights inside the file, got tensors that point to other files"
    ):
        OnnxEmbedder(path, "raw")


def test_only_faces_as_bytes_are_taken(tmp_path: Path) -> None:
    judge = OnnxEmbedder(write(tmp_path / "m.onnx"), "raw")
    with pytest.raises(TypeError, match=re.escape("expected uint8 [N, 3, 112, 112], got torch.float32")):
        judge.embed(faces(1).float())


def test_at_least_one_processor_is_available() -> None:
    assert 1 <= available_processors() <= (os.cpu_count() or 1)


@pytest.mark.slow
@pytest.mark.realdata
def test_the_ms1m_judge_reaches_its_published_accuracy_on_lfw() -> None:
    """99.42 % on aligned LFW by its authors; a quarter of each fold, so 0.6 points either way."""
    weights, pairs_file = DATA.parent / "weights" / "mobilefacenet_ms1m.onnx", DATA / "faces_celeba_112x112" / "lfw.bin"
    if not weights.exists() or not pairs_file.exists():
        pytest.skip(f"no {weights} or no {pairs_file}")
    from facebench.bench.biometrics.roc import PairScores
    from facebench.bench.metrics.accuracy import Accuracy
    from facebench.datasets.bin import Bin

    pairs = Bin(path=pairs_file).open()
    assert len(pairs.same) == 6000
    judge = OnnxEmbedder(weights, "imagenet")
    first, second = judge.embed(pairs.first[::4]), judge.embed(pairs.second[::4])
    similarity = (first.astype(np.float64) * second).sum(axis=1)
    score, _ = Accuracy()(PairScores(similarity=similarity, same=pairs.same[::4]), "lfw")
    assert score.value == pytest.approx(0.994, abs=0.006)


def misnamed(path: Path, what: str) -> Path:
    """A judge in which a name is no UTF-8: bytes that only onnxruntime's Python side takes amiss."""
    name = "unspoken"
    kind = name if what == "operator" else "Flatten"
    shape = (name if what == "batch" else "N", 3, 112, 112)
    write(path, nodes=[helper.make_node(kind, ["face"], ["vector"], name=name)], inputs=(shape,))
    path.write_bytes(path.read_bytes().replace(name.encode(), b"\xbf" * len(name)))
    return path


@pytest.mark.parametrize("what", ["operator", "node", "batch"])
def test_onnxruntime_says_nothing_on_standard_output(
    what: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = misnamed(tmp_path / "m.onnx", what)
    with contextlib.suppress(WeightsError):
        OnnxEmbedder(path, "raw").embed(faces(2))
    assert capfd.readouterr().out == ""


def test_where_the_gpu_fails_the_processor_goes_on_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import EPFail

    path = write(tmp_path / "m.onnx")
    expected = OnnxEmbedder(path, "raw").embed(faces(2))
    create, run = onnxruntime.InferenceSession._create_inference_session, onnxruntime.InferenceSession.run
    gpu = "CUDAExecutionProvider"
    broken = True

    def creating(self: object, providers: list[str], *more: object, **named: object) -> None:
        if gpu in providers and broken:
            raise RuntimeError("no such library")
        create(self, [name for name in providers if name != gpu], *more, **named)
        self.providers = providers  # type: ignore[attr-defined]

    def running(self: object, *given: object) -> object:
        if gpu in self.providers:  # type: ignore[attr-defined]
            raise EPFail("out of memory")
        return run(self, *given)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [gpu, "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime.InferenceSession, "_create_inference_session", creating)
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", running)
    monkeypatch.setattr(onnxruntime.InferenceSession, "get_providers", lambda self: self.providers)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(OnnxEmbedder(path, "raw").embed(faces(2)), expected)
        broken = False
        assert np.array_equal(OnnxEmbedder(path, "raw").embed(faces(2)), expected)
    assert "no GPU for it (no such library)" in caplog.text
    assert "the GPU failed (out of memory)" in caplog.text
    assert capfd.readouterr().out == ""
