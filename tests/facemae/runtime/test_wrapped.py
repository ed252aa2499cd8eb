"""Checkpoints as people save them: wrappers of training programs, and settings beside tensors."""

from __future__ import annotations

import argparse
import collections
import datetime
import decimal
import random
import sys
import types
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facebench.facemae.model import SIZES, Architecture, MaskedAutoencoder
from facebench.facemae.pretrained import begin_from
from facebench.facemae.recognition import embedder
from facebench.facemae.runtime.checkpoint import WeightsError
from facebench.facemae.runtime.wrapped import HEADS, states
from safetensors.torch import save

torch.manual_seed(1)
NETWORK = embedder.build("small", dim=8)
STATE = {name: value + 0.01 if value.is_floating_point() else value for name, value in NETWORK.state_dict().items()}
OTHER = {name: value + 1 for name, value in STATE.items()}


def behind(*prefixes: str, state: dict[str, torch.Tensor] = STATE) -> dict[str, torch.Tensor]:
    return {"".join(prefixes) + name: value for name, value in state.items()}


def read(content: Any, path: Path, *, legacy: bool = False) -> None:
    """Is it read, as the network that was written?"""
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    got = embedder.load(path, device=torch.device("cpu")).state_dict()
    for name, value in STATE.items():
        torch.testing.assert_close(got[name], value, rtol=0, atol=0)


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": behind("module."), "epoch": 3},
        {"state_dict_backbone": behind("module."), "state_dict_softmax_fc": {"weight": torch.zeros(3, 8)}},
        {"state_dict": {**behind("model."), "head.kernel": torch.zeros(8, 3)}},
        {"model": STATE, "optimizer": {"state": {0: {"step": 1}}, "param_groups": [{"lr": 1.0}]}},
        {"checkpoint": 1, "net": {"state_dict": {"model": behind("net.")}}},
        {"Model": STATE},
        {"backbone_state_dict": STATE},
        {"state_dict_ema": behind("module.", state=OTHER), "state_dict": STATE},
        {"ema": {"module": STATE}},
        {"student": behind("module.backbone.", state=OTHER), "teacher": behind("backbone.")},
        {"state_dict": {**behind("module.encoder_k.", state=OTHER), **behind("module.encoder_q.")}},
        {**behind("encoder."), **behind("decoder.", state=OTHER), "decoder.mask": torch.ones(1)},
        behind("_orig_mod."),
        behind("module._orig_mod."),
        behind("_orig_mod.module.model."),
        behind("_fsdp_wrapped_module."),
        {**STATE, **{f"{head}.weight": torch.zeros(8, 3) for head in HEADS}, "kernel": torch.zeros(8, 3)},
        {name: value for name, value in STATE.items() if value.is_floating_point()},  # from before 0.4.1
        {name: torch.nn.Parameter(value, requires_grad=False) for name, value in STATE.items()},
        (STATE, 3),
        [{"state_dict": STATE}, {"epoch": 3}],
    ],
)  # fmt: skip
def test_wrappers_are_taken_off(content: Any, tmp_path: Path) -> None:
    read(content, tmp_path / "weights.pth.tar")


@pytest.fixture
def strange() -> Iterator[type]:
    """A class of a library that is there where the checkpoint was written: a dict with attributes."""
    module = types.ModuleType("easydict")
    made = type("EasyDict", (dict,), {"__module__": "easydict"})
    module.EasyDict = made  # type: ignore[attr-defined]
    sys.modules["easydict"] = module
    yield made
    del sys.modules["easydict"]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "beside",
    [
        argparse.Namespace(lr=1e-3, out=Path("runs"), best=np.float64(3), nested=argparse.Namespace(a=1)),
        types.SimpleNamespace(a=1),
        [np.float32(1), np.int64(2), np.bool_(True), np.arange(3), np.array(["a"]), np.array([None], dtype=object)],
        [np.random.get_state(), random.getstate(), torch.get_rng_state()],  # noqa: NPY002 - what people keep
        [{1}, frozenset([1]), collections.defaultdict(list, a=[1]), collections.Counter("a"), collections.deque([1])],
        [datetime.datetime.now(datetime.UTC), datetime.date(2020, 1, 1), datetime.timedelta(3)],
        [uuid.uuid4(), decimal.Decimal(1), 1 + 2j, slice(1), range(3), b"\xff", bytearray(b"1")],
        [torch.__version__, torch.device("cpu"), torch.float32, torch.Size([1])],
    ],
    ids=lambda beside: type(beside).__name__ if not isinstance(beside, list) else type(beside[0]).__name__,
)
def test_settings_beside_tensors_are_passed_over(beside: Any, legacy: bool, tmp_path: Path) -> None:
    read({"model": STATE, "args": beside, "epoch": 1}, tmp_path / "weights.pt", legacy=legacy)


def test_a_class_that_is_not_here_is_passed_over(strange: type, tmp_path: Path) -> None:
    settings = strange(a=1)
    settings.b = 2  # type: ignore[attr-defined]
    torch.save({"state_dict": STATE, "cfg": settings}, tmp_path / "weights.pt")
    del sys.modules["easydict"]
    try:
        embedder.load(tmp_path / "weights.pt", device=torch.device("cpu"))
        assert "easydict" not in sys.modules
    finally:
        sys.modules["easydict"] = types.ModuleType("easydict")


class Unknown:
    """Of a program that nobody knows."""


def test_what_is_not_of_the_list_is_named(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "cfg": Unknown()}, tmp_path / "weights.pt")
    with pytest.raises(
        WeightsError, match=r"it holds test_wrapped\.Unknown\).* export its state dict with torch\.save"
    ):
        embedder.load(tmp_path / "weights.pt", device=torch.device("cpu"))


def test_an_unknown_entry_beside_the_network_is_no_head(tmp_path: Path) -> None:
    torch.save({**STATE, "more.weight": torch.zeros(3)}, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=r"the first that differs is .more\.weight.: the file also has it"):
        embedder.load(tmp_path / "weights.pt", device=torch.device("cpu"))


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.bin", "weights.pth"])
def test_safetensors_are_told_by_what_they_begin_with(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(save(behind("module.")))
    got = embedder.load(tmp_path / name, device=torch.device("cpu")).state_dict()
    torch.testing.assert_close(got["features.weight"], STATE["features.weight"])


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module.model.", "encoder.", "base_model."])
def test_a_checkpoint_to_begin_from_is_unwrapped_alike(prefix: str, tmp_path: Path) -> None:
    encoder, decoder = SIZES["tiny"]
    how = Architecture(height=32, width=32, patch=16, encoder=encoder, decoder=decoder)
    source = MaskedAutoencoder(how, seed=5)
    path = tmp_path / "checkpoint-799.pth"
    settings = argparse.Namespace(lr=1e-3, mask_ratio=0.75)
    torch.save({"model": behind(prefix, state=source.state_dict()), "epoch": 799, "scaler": {}, "args": settings}, path)
    model = MaskedAutoencoder(how, seed=6)
    taken = begin_from(model, path, pixels="symmetric")
    assert "blocks.0.attn.qkv.weight" in taken.taken
    for name in taken.taken:
        torch.testing.assert_close(model.state_dict()[name], source.state_dict()[name])


def test_a_checkpoint_that_holds_itself_ends() -> None:
    content: dict[str, Any] = {"weight": torch.zeros(1)}
    content |= {"model": content, "state_dict": {"module": content, "net": content}, "net": [content]}
    assert [list(state.inside) for state in states(content)]
    many = dict.fromkeys(("module." * n + "model." * m + "w" for n in range(9) for m in range(9)), torch.zeros(1))
    assert 1 < len(list(states(many))) <= 64
