"""Speed of the masked autoencoder against `transformers`' ViTMAE of the same widths, depths, batch and ratio."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
import torch
from facebench.facemae.model import SIZES, Architecture, MaskedAutoencoder
from facebench.facemae.objective import Losses, published
from facebench.facemae.patches import random_mask
from facebench.facemae.runtime.pixels import to_float, to_uint8
from facebench.facemae.runtime.precision import autocast
from facebench.facemae.schedule import adamw
from facebench.facemae.train import Training
from transformers import ViTMAEConfig, ViTMAEForPreTraining

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BATCH = 32
PEERS = ["facebench", "transformers"]
CASES = [("tiny", 16), ("tiny", 8), ("small", 16)]


def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (BATCH, 3, 112, 112), dtype=torch.uint8, generator=generator).to(DEVICE)


def peer(size: str, patch: int) -> ViTMAEForPreTraining:
    (width, depth, heads), (decoder, layers, decoder_heads) = SIZES[size]  # type: ignore[index]
    config = ViTMAEConfig(
        image_size=112, patch_size=patch, hidden_size=width, num_hidden_layers=depth, num_attention_heads=heads,
        intermediate_size=4 * width, decoder_hidden_size=decoder, decoder_num_hidden_layers=layers,
        decoder_num_attention_heads=decoder_heads, decoder_intermediate_size=4 * decoder, mask_ratio=0.75,
    )  # fmt: skip
    return ViTMAEForPreTraining(config).to(DEVICE)


def ours(size: str, patch: int) -> MaskedAutoencoder:
    encoder, decoder = SIZES[size]  # type: ignore[index]
    return MaskedAutoencoder(Architecture(patch=patch, encoder=encoder, decoder=decoder)).to(DEVICE)


def finish() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def training_step(who: str, size: str, patch: int) -> Callable[[], None]:
    """Images in memory to changed weights: pixel loss on hidden patches, AdamW."""
    faces = images()
    if who == "transformers":
        theirs = peer(size, patch).train()
        plain = torch.optim.AdamW(theirs.parameters(), lr=1e-4)

        def step() -> None:
            plain.zero_grad()
            theirs(to_float(faces)).loss.backward()
            plain.step()
            finish()

        return step
    how = Training(steps=1, lr=1e-4, compose="pasted", relation_weight=0, pixel_weight=1)
    model = ours(size, patch).train()
    losses, optimizer = Losses(model, how), adamw(model, lr=1e-4, weight_decay=0.05)

    def own_step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast(DEVICE):
            pixel, _ = losses(
                to_float(faces), random_mask(torch.arange(BATCH, device=DEVICE), model.architecture.patches, 0.75)
            )
        pixel.backward()
        optimizer.step()
        finish()

    return own_step


@pytest.mark.parametrize(("size", "patch"), CASES)
@pytest.mark.parametrize("who", PEERS)
def test_training_step(benchmark, who, size, patch):
    benchmark.group = f"training step, {size}, patch {patch}, {DEVICE.type}"
    benchmark(training_step(who, size, patch))


MEMORY = """
import sys
sys.path.insert(0, {folder!r})
from test_perf_rebuilder import training_step
step = training_step({who!r}, {size!r}, {patch})
peak = lambda: int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
before = peak()
for _ in range(3):
    step()
print((peak() - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(("size", "patch"), CASES)
def test_training_takes_no_more_memory(benchmark, size, patch):
    """MiB by which three steps raise a fresh process's peak, over model and images; a tenth is slack.

    The median of three processes, since the peak of one is now and then a tenth higher.
    """
    if not benchmark.enabled:
        pytest.skip("a benchmark; see --benchmark-enable")
    folder = str(Path(__file__).parent)

    def peak(who: str) -> int:
        script = MEMORY.format(folder=folder, who=who, size=size, patch=patch)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return int(done.stdout)

    benchmark.group = f"peak memory, {size}, patch {patch}"
    found = {who: median(peak(who) for _ in range(3)) for who in PEERS}
    benchmark.extra_info["MiB"] = found
    print(f"\npeak memory of a training step, {size}, patch {patch}: {found} MiB")
    benchmark.pedantic(lambda: None)
    assert found["facebench"] <= 1.1 * found["transformers"]


@pytest.mark.parametrize(("size", "patch"), CASES)
@pytest.mark.parametrize("who", PEERS)
def test_deployment(benchmark, who, size, patch):
    """uint8 faces to uint8 rebuilt faces."""
    benchmark.group = f"deployment, {size}, patch {patch}, {DEVICE.type}"
    faces = images()
    if who == "transformers":
        theirs = peer(size, patch).eval()

        @torch.no_grad()
        def rebuild() -> None:
            to_uint8(theirs.unpatchify(theirs(to_float(faces)).logits))
            finish()

    else:
        model, how = ours(size, patch).eval(), Training(steps=1, lr=1)

        @torch.inference_mode()
        def rebuild() -> None:
            floats = to_float(faces)
            mask = random_mask(torch.arange(BATCH, device=DEVICE), model.architecture.patches, 0.75)
            to_uint8(published(model(floats, mask), floats, mask, patch, how))
            finish()

    benchmark(rebuild)
