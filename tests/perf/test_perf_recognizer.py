"""A recognizer's training step: as this package runs it, against the plain way on the same processor.

    pytest tests/perf/test_perf_recognizer.py -n0 --benchmark-enable --benchmark-group-by=group

The plain way is float32, contiguous images, torch's own PReLU and its default optimizer loop. Ours keeps channels
last, uses `facemae.prelu`, a fused optimizer, and bfloat16 where the processor multiplies it. The ratio depends on
that: without native bfloat16 both sides do the same float32 products, and most of the step is those.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from facebench.facemae.recognition.embedder import build
from facebench.facemae.recognition.prelu import PReLU
from facebench.facemae.runtime.precision import autocast, layout, native_bf16
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BATCH = {"small": 64, "mobilefacenet": 16, "iresnet18": 8}


def plain_prelu(network: nn.Module) -> nn.Module:
    for name, child in network.named_children():
        if isinstance(child, PReLU):
            setattr(network, name, nn.PReLU(child.num_parameters))
        else:
            plain_prelu(child)
    return network


def training_step(architecture: str, *, fast: bool) -> Callable[[], float]:
    torch.manual_seed(0)
    network = build(architecture, dim=128)
    images = torch.rand(BATCH[architecture], 3, 112, 112, device=DEVICE) * 2 - 1
    labels = torch.arange(len(images), device=DEVICE)
    network = layout(network, DEVICE) if fast else plain_prelu(network).to(DEVICE)
    if fast:
        images = images.contiguous(memory_format=torch.channels_last)
    head = nn.Linear(128, 200).to(DEVICE)
    parameters = [*network.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9, nesterov=True, fused=True if fast else None)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with autocast(DEVICE) if fast else nullcontext():
            vectors = network(images)
        loss = nn.functional.cross_entropy(head(vectors.float()), labels)
        loss.backward()
        optimizer.step()
        return float(loss.detach())  # waits for the device

    return step


@pytest.mark.parametrize("way", ["plain", "ours"])
@pytest.mark.parametrize("architecture", ["small", "mobilefacenet", pytest.param("iresnet18", marks=pytest.mark.slow)])
def test_training_step(architecture: str, way: str, benchmark: BenchmarkFixture) -> None:
    benchmark.group = f"training step, {architecture}, {DEVICE.type}"
    benchmark.extra_info |= {"images": BATCH[architecture], "native_bf16": native_bf16(DEVICE)}
    loss = benchmark.pedantic(training_step(architecture, fast=way == "ours"), rounds=3, warmup_rounds=1)
    assert 0 < loss < 100


def test_both_ways_train_the_same_network() -> None:
    losses = [[step() for _ in range(3)] for step in (training_step("small", fast=fast) for fast in (False, True))]
    assert losses[1] == pytest.approx(losses[0], rel=0.05 if native_bf16(DEVICE) else 1e-3)
    assert losses[0][-1] < losses[0][0]
