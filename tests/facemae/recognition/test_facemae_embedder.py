"""Embedders: shapes, sizes, weights in and out, and what a bad file of weights is answered."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from facebench.facemae.recognition.embedder import ARCHITECTURES, WeightsError, build, embed, load, save, unit
from facebench.facemae.recognition.iresnet import IResNet
from facebench.facemae.recognition.prelu import PReLU
from facebench.facemae.runtime import checkpoint, precision
from facebench.facemae.runtime.pixels import to_float, to_uint8
from facebench.facemae.runtime.precision import VARIABLE, PrecisionError, autocast, layout, native_bf16, trains_in_bf16

CPU = torch.device("cpu")
WEIGHTS = Path(os.environ.get("FACEBENCH_DATA", "../shared/data")).resolve().parent / "weights"


def faces(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 112, 112), dtype=torch.uint8, generator=generator)


def small(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build("small", dim=16)


def test_pixels_become_minus_one_to_one_and_come_back_unchanged() -> None:
    every = torch.arange(256, dtype=torch.uint8)
    floats = to_float(every)
    assert floats.dtype == torch.float32
    torch.testing.assert_close(floats, (torch.arange(256) - 127.5) / 127.5)
    assert (floats[0], floats[255]) == (-1, 1)
    assert torch.equal(to_uint8(floats), every)
    assert to_uint8(torch.tensor([-9.0, 9.0])).tolist() == [0, 255]


def test_pixels_refuse_to_be_converted_twice() -> None:
    with pytest.raises(TypeError, match="expected images as uint8"):
        to_float(torch.zeros(1))
    with pytest.raises(TypeError, match="expected float images"):
        to_uint8(torch.zeros(1, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("architecture", "dim", "millions"),
    # arcface_torch counts 24.0, 43.6 and 65.2 million; Chen et al. 2018, table 2, count 0.99 with the same output
    [("small", 128, 0.18), ("mobilefacenet", 128, 1.0), ("iresnet18", 512, 24.0), ("iresnet50", 512, 43.6),
     ("iresnet100", 512, 65.2)],
)  # fmt: skip
def test_architectures_have_the_published_number_of_parameters(architecture: str, dim: int, millions: float) -> None:
    with torch.device("meta"):
        network = build(architecture, dim=dim)
    count = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert count == pytest.approx(millions, abs=0.1)


@pytest.mark.parametrize("architecture", ["small", "mobilefacenet", "iresnet18"])
def test_embedders_take_faces_and_give_vectors(architecture: str) -> None:
    network = build(architecture, dim=24)
    out = network(to_float(faces(2)))
    assert out.shape == (2, 24)
    assert out.dtype == torch.float32
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters() if p.requires_grad)


def test_iresnet_units_are_those_of_arcface() -> None:
    kinds = [type(m).__name__ for m in IResNet((1, 1, 1, 1), dim=8).layer1[0].children()]
    assert kinds == ["BatchNorm2d", "Conv2d", "BatchNorm2d", "PReLU", "Conv2d", "BatchNorm2d", "Sequential"]


def test_build_names_the_architectures_there_are() -> None:
    with pytest.raises(ValueError, match=r"expected one of small, mobilefacenet, iresnet18.*got 'resnet'"):
        build("resnet", dim=128)
    with pytest.raises(ValueError, match=r"expected 1\.\.4096, got 0"):
        build("small", dim=0)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_prelu_gives_the_numbers_and_gradients_of_torch(channels_last: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 5, 4, 6, dtype=dtype)
    x[0, 0, 0] = 0  # the kink belongs to the negative side
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    weight, gradient = torch.randn(5, dtype=dtype), torch.randn_like(x)
    results = []
    for module in (torch.nn.PReLU(5, dtype=dtype), PReLU(5, dtype=dtype)):
        module.weight.data.copy_(weight)
        leaf = x.clone().requires_grad_()
        out = module(leaf)
        out.backward(gradient)
        results.append((out, leaf.grad, module.weight.grad))
    for expected, got in zip(*results, strict=True):
        torch.testing.assert_close(got, expected)


def test_prelu_trains_in_bfloat16() -> None:
    module = PReLU(4)
    with torch.autocast("cpu", torch.bfloat16):
        out = module(torch.randn(2, 4, 3, 3, dtype=torch.bfloat16))
    out.sum().backward()
    assert module.weight.grad is not None
    assert module.weight.grad.dtype == torch.float32


def product_dtype() -> torch.dtype:
    with autocast(CPU):
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


def test_bfloat16_is_used_exactly_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for asked in ("auto", ""):
        monkeypatch.setenv(VARIABLE, asked)
        assert product_dtype() == (torch.bfloat16 if native_bf16(CPU) else torch.float32)
    info = Path("/proc/cpuinfo")
    if info.exists() and "flags" in info.read_text():
        assert native_bf16(CPU) == ("avx512_bf16" in info.read_text() or "amx_bf16" in info.read_text())


@pytest.mark.parametrize("native", [True, False])
def test_who_asks_for_float32_gets_it_on_any_processor(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    monkeypatch.setattr(precision, "native_bf16", lambda device: native)
    monkeypatch.delenv(VARIABLE, raising=False)
    assert trains_in_bf16(CPU) is native
    monkeypatch.setenv(VARIABLE, "float32")
    assert trains_in_bf16(CPU) is False
    assert product_dtype() == torch.float32
    monkeypatch.setenv(VARIABLE, "float16")
    with pytest.raises(PrecisionError, match="FACEBENCH_PRECISION: expected auto or float32, got 'float16'"):
        trains_in_bf16(CPU)


def test_layout_is_channels_last() -> None:
    weight = layout(small(), CPU).get_parameter("stem.0.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_embeddings_are_flip_summed_unit_vectors_in_any_batch() -> None:
    network, images = small().eval(), faces(5)
    seen: list[tuple[int, int]] = []
    rows = embed(network, images, device=CPU, batch=2, progress=lambda done, total: seen.append((done, total)))
    with torch.no_grad():
        x = to_float(images)
        expected = torch.nn.functional.normalize(network(x) + network(x.flip(3))).numpy()
    np.testing.assert_allclose(rows, expected, atol=1e-5)
    assert (rows.dtype, rows.shape) == (np.float32, (5, 16))
    assert seen == [(2, 5), (4, 5), (5, 5)]
    np.testing.assert_allclose(embed(network, images, device=CPU, batch=256), rows, atol=1e-5)
    np.testing.assert_allclose(embed(network, images.flip(3), device=CPU), rows, atol=1e-5)
    unflipped = embed(network, images, device=CPU, flip=False)
    np.testing.assert_allclose(unflipped, torch.nn.functional.normalize(network(x)).detach(), atol=1e-5)


def test_embedding_leaves_the_network_in_its_mode() -> None:
    network = small().train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    embed(network, faces(2), device=CPU)
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_no_face_gives_no_row() -> None:
    assert embed(small(), faces(0), device=CPU).shape == (0, 16)


def test_failed_faces_are_rows_of_nan() -> None:
    rows = unit(np.array([[3, 4], [0, 0], [np.nan, 1], [np.inf, 1], [1e-30, 0]], np.float32))
    np.testing.assert_allclose(rows[[0, 4]], [[0.6, 0.8], [1, 0]], rtol=1e-6)
    assert np.isnan(rows[[1, 2, 3]]).all()


@pytest.mark.parametrize("architecture", ["small", "mobilefacenet"])
def test_weights_come_back_frozen_and_equal(architecture: str, tmp_path: Path) -> None:
    network = build(architecture, dim=32).eval()
    save(network, tmp_path / "w.pt", architecture=architecture, dim=32)
    again = load(tmp_path / "w.pt", device=CPU)
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    with torch.no_grad():
        torch.testing.assert_close(again(to_float(faces(2))), network(to_float(faces(2))))
    assert [file.name for file in tmp_path.iterdir()] == ["w.pt"]


@pytest.mark.parametrize("prefix", ["", "module.", "arcface.", "module.backbone."])
@pytest.mark.parametrize("architecture", ["small", "mobilefacenet"])
def test_bare_state_dicts_are_told_by_their_names(architecture: str, prefix: str, tmp_path: Path) -> None:
    network = build(architecture, dim=8)
    torch.save({prefix + key: value for key, value in network.state_dict().items()}, tmp_path / "w.pth")
    got = load(tmp_path / "w.pth", device=CPU)
    assert type(got) is type(network)
    assert got.dim == 8


@pytest.mark.slow
def test_the_state_dict_of_an_iresnet_is_told_by_its_depth(tmp_path: Path) -> None:
    torch.save(IResNet((2, 2, 2, 2), dim=4).state_dict(), tmp_path / "w.pth")
    got = load(tmp_path / "w.pth", device=CPU)
    assert isinstance(got, IResNet)
    assert got.dim == 4


class Trap:
    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_calls_a_function_runs_nothing(legacy: bool, tmp_path: Path) -> None:
    torch.save({"x": Trap(tmp_path / "owned")}, tmp_path / "w.pt", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match=r"w\.pt: expected tensors.*code to be run.*export its state dict"):
        load(tmp_path / "w.pt", device=CPU)
    assert not (tmp_path / "owned").exists()


def test_damaged_files_are_errors_of_one_kind(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    save(small(), path, architecture="small", dim=16)
    good = path.read_bytes()
    for bad in (b"", b"\x80\x02.", b"no weights", good[: len(good) // 2], good[:-30], bytes(1000), pickle.dumps(3)):
        path.write_bytes(bad)
        with pytest.raises(WeightsError, match=r"w\.pt.*expected"):
            load(path, device=CPU)
    with pytest.raises(WeightsError, match="nothing there"):
        load(tmp_path / "none.pt", device=CPU)
    with pytest.raises(WeightsError, match="nothing there"):
        load(tmp_path, device=CPU)


def test_a_file_that_unpacks_to_more_than_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "MAX_BYTES", 2**20)
    with zipfile.ZipFile(tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data/0", bytes(2**21))
    assert (tmp_path / "w.pt").stat().st_size < 2**16
    with pytest.raises(WeightsError, match="expected 1 to 1048576 bytes, got 2097152"):
        load(tmp_path / "w.pt", device=CPU)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda content: content | {"architecture": "vgg"}, "expected architecture one of small"),
        (lambda content: content | {"architecture": ["small"]}, "expected architecture one of small"),
        (lambda content: content | {"dim": 10**9}, r"dim within 1\.\.4096"),
        (lambda content: content | {"dim": 32}, r"fc.weight: expected shape \[32, 96\] of SmallNet, got \[16, 96\]"),
        (lambda content: content | {"architecture": "mobilefacenet"}, "exactly the .* entries of MobileFaceNet"),
        (lambda content: content | {"state": [1]}, "expected a state dict"),
        (lambda content: content | {"state": content["state"] | {"more": torch.zeros(1)}}, "the file also has it"),
        (lambda content: content | {"state": {"stem.0.weight": 3}}, "expected a state dict"),
        (lambda content: content["state"]["fc.weight"].fill_(torch.nan) is None or content, "expected finite"),
        (lambda content: {"a": torch.zeros(1)}, "got names of none of them"),
        (lambda content: [1, 2], "got names of none of them"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_say_what_was_expected(change: object, says: str, tmp_path: Path) -> None:
    content = {"architecture": "small", "dim": 16, "state": small().state_dict()}
    torch.save(change(content), tmp_path / "w.pt")  # type: ignore[operator]
    with pytest.raises(WeightsError, match=says):
        load(tmp_path / "w.pt", device=CPU)


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WeightsError, match="cannot be written"):
        save(small(), tmp_path / "file" / "w.pt", architecture="small", dim=16)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_half_way_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.pt"
    save(small(), path, architecture="small", dim=16)
    old = path.read_bytes()

    def full(content: object, file: io.BufferedWriter) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(WeightsError, match="No space left on device"):
        save(small(1), path, architecture="small", dim=16)
    assert path.read_bytes() == old
    assert [file.name for file in tmp_path.iterdir()] == ["w.pt"]


@pytest.mark.realdata
def test_published_mobilefacenet_weights_give_the_published_vectors() -> None:
    path, reference = WEIGHTS / "mobilefacenet_casia.pth", WEIGHTS / "mobilefacenet_casia.onnx"
    if not path.exists() or not reference.exists():
        pytest.skip(f"no {path}")
    import onnxruntime

    images = faces(4)
    session = onnxruntime.InferenceSession(str(reference), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"rgb_0_255": images.float().numpy()})[0]
    np.testing.assert_allclose(load(path, device=CPU)(to_float(images)).numpy(), expected, atol=1e-4)


def test_architectures_are_listed_from_small_to_large() -> None:
    with torch.device("meta"):
        sizes = [sum(p.numel() for p in build(name, dim=128).parameters()) for name in ARCHITECTURES]
    assert sizes == sorted(sizes)
