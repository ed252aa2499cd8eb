"""Noise in whole numbers: exactly the distribution that epsilon is proved for."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from facebench.methods.parts.discrete_laplace import _thresholds, discrete_laplace, words_needed
from numpy.typing import NDArray
from scipy.stats import chisquare, dlaplace


def drawn(scale: Fraction, count: int, seed: int = 0) -> NDArray[np.int64]:
    words = np.random.default_rng(seed).integers(0, 2**64, (1, words_needed(scale), count), dtype=np.uint64)
    return discrete_laplace(words, scale, _never)[0]


def _never() -> NDArray[np.uint64]:
    raise AssertionError("a tie, which comes once in 2^64")


@pytest.mark.parametrize("scale", [Fraction(1, 3), Fraction(1), Fraction(5, 2), Fraction(40)])
def test_the_distribution_is_scipys(scale: Fraction) -> None:
    noise = drawn(scale, 200_000)
    reach = int(6 * scale) + 1
    inside = np.arange(-reach, reach + 1)
    expected = dlaplace.pmf(inside, float(1 / scale)) * len(noise)
    common = expected > 20
    found = np.array([(noise == value).sum() for value in inside])
    assert chisquare(found[common], expected[common] * found[common].sum() / expected[common].sum()).pvalue > 1e-3
    assert noise.std() == pytest.approx(dlaplace.std(float(1 / scale)), rel=0.03)
    assert abs(noise.mean()) < 5 * noise.std() / len(noise) ** 0.5


def test_a_digits_chance_is_exact_to_128_bits() -> None:
    """1 / (1 + e^x) by its Taylor series in fractions, without the library that the product uses."""
    scale = Fraction(24480)
    high, low = _thresholds(scale, 22)
    for digit in (0, 7, 14, 20):
        x = Fraction(2**digit) / scale
        term, exp = Fraction(1), Fraction(0)
        for n in range(1, 400):
            exp += term
            term = term * x / n
        exact = int((1 / (1 + exp)) * 2**128)
        assert abs(((int(high[digit]) << 64) + int(low[digit])) - exact) <= 1


def test_a_tie_of_the_first_half_is_decided_by_the_second() -> None:
    scale = Fraction(1, 2)
    high, low = _thresholds(scale, words_needed(scale) // 2)
    words = np.repeat(np.concatenate([high, np.full_like(high, 2**64 - 1)]), 2).reshape(1, -1, 2)
    below = discrete_laplace(words, scale, lambda: np.repeat(np.concatenate([low - 1, low]), 2).reshape(words.shape))
    assert below.tolist() == [[2 ** len(high) - 1] * 2]
    above = discrete_laplace(words, scale, lambda: np.repeat(np.concatenate([low, low]), 2).reshape(words.shape))
    assert above.tolist() == [[0, 0]]


def test_one_unit_more_costs_a_factor_of_e_to_the_one_by_scale() -> None:
    """What privacy is: shifted by the sensitivity, no outcome is more than e^epsilon times as likely."""
    scale = Fraction(3)
    noise = drawn(scale, 400_000, seed=3)
    found = np.array([(noise == value).sum() for value in range(-12, 13)])
    ratios = np.log(found[1:] / found[:-1])
    error = 5 * np.sqrt(1 / found[1:] + 1 / found[:-1])
    assert (np.abs(ratios) <= 1 / 3 + error).all()
    assert np.abs(np.abs(ratios) - 1 / 3).max() < error.max()
