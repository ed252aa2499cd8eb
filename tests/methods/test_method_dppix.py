"""DP-Pix: the noise is the paper's, its scale follows from the sensitivity, and without it blocks are left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facebench.bench.plugins import spell
from facebench.methods.dppix import DPPix
from facebench.methods.pixelate import Pixelate
from pydantic import ValidationError
from scipy.stats import kstest

CPU = torch.device("cpu")


def apply(method: Any, images: torch.Tensor, seeds: torch.Tensor | None = None) -> torch.Tensor:
    given = torch.arange(len(images)) if seeds is None else seeds
    return method.load(Path("nothing-is-read-here"), device=CPU)(images, given)


def grey(count: int) -> torch.Tensor:
    return torch.full((count, 3, 112, 112), 128, dtype=torch.uint8)


def noise_of(method: DPPix, count: int) -> np.ndarray[Any, Any]:
    """The noise of every block of grey faces."""
    step = method.block
    return (apply(method, grey(count))[:, :, ::step, ::step].double() - 128).flatten().numpy()


@pytest.mark.parametrize(
    ("block", "m", "epsilon", "expected"),
    [
        (16, 16, 0.5, 95.625),  # by hand: 3 * 255 * 16 / (16 * 16 * 0.5)
        (112, 1, 1.0, 765 / 12544),
        (1, 1, 765.0, 1.0),
    ],
)
def test_the_scale_is_the_sensitivity_of_all_three_channels_by_epsilon(
    block: int, m: int, epsilon: float, expected: float
) -> None:
    assert DPPix(block=block, m=m, epsilon=epsilon).scale == pytest.approx(expected, rel=1e-12)


def test_the_worst_neighbour_moves_the_means_by_what_the_scale_assumes() -> None:
    """Of m pixels, wherever they are, from black to white: the L1 distance of all means is epsilon times the scale."""
    method = DPPix(block=8, m=100, epsilon=2.0)
    generator = np.random.default_rng(0)
    for chosen in (np.arange(100), generator.choice(112 * 112, 100, replace=False)):
        neighbour = np.zeros((3, 112 * 112))
        neighbour[:, chosen] = 255
        means = neighbour.reshape(3, 14, 8, 14, 8).mean((2, 4))
        assert means.sum() == pytest.approx(method.epsilon * method.scale, rel=1e-12)


def test_noise_has_the_scale_and_the_shape_of_laplaces_distribution() -> None:
    method = DPPix(block=4, m=4, epsilon=20.0)  # scale 9.5625: 128 +- 128 holds all but exp(-13.4) of it
    drawn = noise_of(method, 40)
    assert len(drawn) == 40 * 3 * 28 * 28
    # the mean of |noise| estimates the scale with a standard error of scale / sqrt(n), so 0.33 %; five of them
    assert np.abs(drawn).mean() == pytest.approx(method.scale, rel=5 / len(drawn) ** 0.5)
    assert abs(drawn.mean()) < 5 * method.scale * (2 / len(drawn)) ** 0.5
    spread = drawn + np.random.default_rng(0).uniform(-0.5, 0.5, len(drawn))  # undoes the rounding, nearly
    assert kstest(spread[:20000], "laplace", args=(0, method.scale)).pvalue > 1e-3


def test_half_of_epsilon_is_twice_the_noise() -> None:
    loud, quiet = (np.abs(noise_of(DPPix(block=4, m=1, epsilon=e), 20)).mean() for e in (10.0, 20.0))
    assert loud / quiet == pytest.approx(2, rel=0.02)


def test_blocks_channels_and_neighbouring_seeds_have_noise_of_their_own() -> None:
    method = DPPix(block=4, m=4, epsilon=20.0)
    golden = 0x9E3779B97F4A7C15 - 2**64  # one step of the stream: seeds this far apart must not share numbers
    images = apply(method, grey(3), torch.tensor([0, 1, golden]))[:, :, ::4, ::4].double()
    rows = images.flatten(2).flatten(0, 1)  # nine channels of 784 blocks
    related = (torch.corrcoef(rows) - torch.eye(9)).abs()
    assert related.max() < 5 / 784**0.5
    flat = images.flatten(1)
    assert torch.corrcoef(torch.stack([flat[0, 1:], flat[2, :-1]]))[0, 1].abs() < 5 / flat.shape[1] ** 0.5
    blocks = torch.corrcoef(torch.stack([flat[:, :-1].flatten(), flat[:, 1:].flatten()]))[0, 1]
    assert blocks.abs() < 5 / flat.numel() ** 0.5


def test_the_noise_does_not_depend_on_the_face() -> None:
    method = DPPix(block=16, m=1, epsilon=10.0)
    dark, light = (apply(method, torch.full_like(grey(4), level)).int() for level in (100, 150))
    assert torch.equal(light - dark, torch.full_like(dark, 50))


@pytest.mark.parametrize("block", [4, 16, 112])
def test_without_limit_on_epsilon_it_is_pixelation(block: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, 3, 112, 112), dtype=torch.uint8, generator=generator)
    got = apply(DPPix(block=block, m=1, epsilon=1e9), images).int()
    expected = apply(Pixelate(block=block), images).int()
    side = 112 // block
    means = images.reshape(4, 3, side, block, side, block).double().mean((3, 5))
    tie = ((means % 1) == 0.5).repeat_interleave(block, 2).repeat_interleave(block, 3)  # any noise decides these
    assert torch.equal(got[~tie], expected[~tie])
    assert int((got - expected).abs().max()) <= 1


def test_with_almost_no_epsilon_nothing_of_the_face_is_left() -> None:
    method = DPPix(epsilon=1e-6)
    assert torch.equal(apply(method, grey(3)), apply(method, torch.zeros_like(grey(3))))
    assert set(apply(method, grey(3)).unique().tolist()) == {0, 255}


def test_what_is_recorded_says_epsilon_mechanism_and_unit() -> None:
    assert spell(DPPix(epsilon=3.0))["parameters"] == {
        "block": 16,
        "m": 16,
        "epsilon": 3.0,
        "mechanism": "discrete laplace",
        "unit": "m pixels of one image",
    }


def test_what_epsilon_means_for_a_person_is_said() -> None:
    """Group privacy: 784 changes of 16 pixels make a whole image, and every photo of a person adds its own."""
    said = DPPix(epsilon=0.5, m=16).promise(30)
    assert "for 16 pixels of one image" in said
    assert "for a photo it is 392, and for a person with 30 photos 11,760: no protection of who it is" in said
    assert "no protection" not in DPPix(epsilon=0.5, m=112 * 112).promise(2)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"epsilon": 0}, "greater than or equal to 0.000001"),
        ({"epsilon": float("inf")}, "finite number"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"m": 0}, "greater than or equal to 1"),
        ({"m": 12545}, "less than or equal to 12544"),
        ({"block": 15}, r"expected a divisor of 112 \(1, 2, 4, 7, 8, 14, 16, 28, 56, 112\), got 15"),
        ({"unit": "a person"}, "'m pixels of one image'"),
    ],
)
def test_parameters_out_of_range_say_what_was_expected(parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        DPPix(**parameters)
