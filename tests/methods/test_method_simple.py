"""The methods that learn nothing, against what they say of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facebench.facemae.patches import random_mask
from facebench.methods.base import Method
from facebench.methods.blur import Blur
from facebench.methods.masking import Masking
from facebench.methods.noise import Noise
from facebench.methods.original import Original
from facebench.methods.pixelate import Pixelate
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter1d
from scipy.stats import chisquare, kstest, norm

NOWHERE = Path("nothing-is-read-here")


def faces(count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 112, 112), dtype=torch.uint8, generator=generator)


def apply(method: Method, images: torch.Tensor, seeds: list[int] | None = None) -> torch.Tensor:
    given = torch.tensor(seeds if seeds is not None else list(range(len(images))), dtype=torch.int64)
    return method.load(NOWHERE, device=torch.device("cpu"))(images, given)


def test_original_is_the_face() -> None:
    assert torch.equal(apply(Original(), faces()), faces())


@pytest.mark.parametrize("kind", ["uniform", "gaussian"])
def test_noise_holds_nothing_of_the_face(kind: Any) -> None:
    black = torch.zeros(3, 3, 112, 112, dtype=torch.uint8)
    assert torch.equal(apply(Noise(kind=kind), faces()), apply(Noise(kind=kind), black))


@pytest.mark.parametrize("kind", ["uniform", "gaussian"])
def test_noise_of_neighbouring_seeds_is_unrelated(kind: Any) -> None:
    golden = 0x9E3779B97F4A7C15 - 2**64  # one step of the stream: seeds this far apart must not share numbers
    flat = apply(Noise(kind=kind), faces(4), [0, 1, 2, golden]).flatten(1).double()
    related = torch.corrcoef(flat) - torch.eye(4)
    assert related.abs().max() < 5 / flat.shape[1] ** 0.5
    shifted = torch.corrcoef(torch.stack([flat[0, 8:], flat[3, :-8]]))[0, 1]
    assert shifted.abs() < 5 / flat.shape[1] ** 0.5


def test_uniform_noise_has_all_values_equally_often() -> None:
    values = apply(Noise(), faces(8)).flatten()
    assert chisquare(torch.bincount(values, minlength=256)).pvalue > 1e-3


def test_gaussian_noise_is_gaussian() -> None:
    values = apply(Noise(kind="gaussian"), faces(2)).flatten().double()
    inside = values[(values > 0) & (values < 255)][:2000].numpy()
    share = norm.cdf([0.5, 254.5], 127.5, 64)
    spread = inside + np.random.default_rng(0).uniform(-0.5, 0.5, len(inside))
    assert kstest(spread, lambda x: (norm.cdf(x, 127.5, 64) - share[0]) / (share[1] - share[0])).pvalue > 1e-3
    assert (values == 0).double().mean() == pytest.approx(share[0], abs=0.003)


@pytest.mark.parametrize(("ratio", "patch", "visible"), [(0.75, 16, 12), (0.5, 28, 8), (0.9, 8, 20), (0.99, 56, 1)])
def test_masking_hides_the_share_it_says_and_keeps_the_rest(ratio: float, patch: int, visible: int) -> None:
    images = faces().clamp(min=1)
    got = apply(Masking(ratio=ratio, patch=patch), images)
    cut = got.unfold(2, patch, patch).unfold(3, patch, patch)  # [B, 3, rows, columns, patch, patch]
    shown = (cut > 0).all(dim=5).all(dim=4).all(dim=1)
    black = (cut == 0).all(dim=5).all(dim=4).all(dim=1)
    assert (shown ^ black).all()
    assert (shown.sum((1, 2)) == visible).all()
    assert torch.equal(got[got > 0], images[got > 0])


def test_masking_is_what_facemae_sees() -> None:
    got = apply(Masking(), faces().clamp(min=1), [4, 5, 6])
    hidden = random_mask(torch.tensor([4, 5, 6]), 49, 0.75).hidden.reshape(3, 7, 7)
    assert torch.equal((got == 0).all(dim=1)[:, ::16, ::16], hidden)


def test_masking_with_the_mean_lets_nothing_hidden_out() -> None:
    images, seeds = faces(), [1, 2, 3]
    hidden = apply(Masking(), images.clamp(min=1), seeds) == 0
    changed = torch.where(hidden, 255 - images, images)
    got = apply(Masking(fill="mean"), images, seeds)
    assert torch.equal(got, apply(Masking(fill="mean"), changed, seeds))
    expected = images[0, 1][~hidden[0, 1]].double().mean().round()
    assert (got[0, 1][hidden[0, 1]] == expected).all()


@pytest.mark.parametrize("block", [2, 16, 30, 111, 112])
def test_pixelate_gives_each_block_its_mean_also_where_blocks_do_not_divide_the_face(block: int) -> None:
    images = faces(2)
    got = apply(Pixelate(block=block), images)
    for top in range(0, 112, block):
        for left in range(0, 112, block):
            here = (slice(None), slice(None), slice(top, top + block), slice(left, left + block))
            means = images[here].double().mean((2, 3), keepdim=True)
            assert ((got[here].double() - means).abs() <= 0.5 + 1e-4).all()
            assert (got[here] == got[here][:, :, :1, :1]).all()


@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0, 27.0])
def test_blur_is_scipys(sigma: float) -> None:
    images = faces(2)
    columns = gaussian_filter1d(images.double().numpy(), sigma, axis=2, mode="mirror", truncate=4.0)
    expected = gaussian_filter1d(columns, sigma, axis=3, mode="mirror", truncate=4.0)
    assert np.array_equal(apply(Blur(sigma=sigma), images).numpy(), expected.round())


@pytest.mark.parametrize(
    ("kind", "parameters", "says"),
    [
        (Masking, {"ratio": 1.0}, "less than 1"),
        (Masking, {"ratio": 0.0}, "greater than 0"),
        (Masking, {"ratio": float("nan")}, "ratio"),
        (Masking, {"patch": 15}, r"expected a divisor of 112 \(1, 2, 4, 7, 8, 14, 16, 28, 56\), got 15"),
        (Masking, {"patch": 112}, "less than or equal to 56"),
        (Masking, {"fill": "red"}, "'black', 'mean' or 'noise'"),
        (Pixelate, {"block": 1}, "greater than or equal to 2"),
        (Pixelate, {"block": 113}, "less than or equal to 112"),
        (Blur, {"sigma": 0}, "greater than 0"),
        (Blur, {"sigma": 28}, "less than or equal to 27"),
        (Noise, {"kind": "pink"}, "'uniform' or 'gaussian'"),
        (Original, {"ratio": 0.5}, "Extra inputs"),
    ],
)
def test_parameters_out_of_range_say_what_was_expected(
    kind: type[Method], parameters: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        kind(**parameters)
