"""Discrete Laplace noise from random words, in whole numbers alone: what floating-point noise betrays, it does not.

Source: Mironov, "On significance of the least significant bits for differential privacy", CCS 2012, is the attack on
floating-point noise; Ghosh, Roughgarden, Sundararajan, "Universally utility-maximizing privacy mechanisms", STOC 2009,
is the distribution; that the binary digits of a geometric number are independent, and with which probabilities, is
textbook. Libraries of differential privacy draw from the operating system; a release that is made in shards, and goes
on after it was killed, has to draw equal noise for equal faces from its own key, so the words come from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

_TAIL = 96
"""A geometric number ends where less than e^-96 (2^-138) of its distribution is left."""
_PRECISION = 60
"""Decimal digits with which the probabilities are computed; 128 bits, of which they are kept, are 39."""


def words_needed(scale: Fraction) -> int:
    """How many random 64-bit words one number takes: one for each binary digit of two geometric numbers."""
    return 2 * _digits(scale)


def discrete_laplace(
    words: NDArray[np.uint64], scale: Fraction, more: Callable[[], NDArray[np.uint64]]
) -> NDArray[np.int64]:
    """Noise with P(z) proportional to exp(-|z| / scale), z a whole number; within 2^-120 of it in total variation.

    The difference of two geometric numbers has that distribution. Each binary digit of a geometric number is drawn on
    its own: 128 random bits against a threshold, of which the second half is asked for where the first one ties.

    Args:
        words: [B, `words_needed`, N], uniform.
        scale: above 0, exact.
        more: gives as many words again, independent of these.

    Returns:
        [B, N].
    """
    digits = _digits(scale)
    high, low = (threshold[:, None] for threshold in _thresholds(scale, digits))
    drawn = words.reshape(len(words), 2, digits, -1)
    ones = drawn < high
    ties = drawn == high
    if ties.any():  # once in 2^64
        ones |= ties & (more().reshape(drawn.shape) < low)
    noise = np.zeros((len(words), drawn.shape[-1]), np.int64)
    for digit in range(digits):
        noise += (ones[:, 0, digit].astype(np.int64) - ones[:, 1, digit]) << digit
    return noise


def _digits(scale: Fraction) -> int:
    return max(1, int(_TAIL * scale).bit_length())


@cache
def _thresholds(scale: Fraction, digits: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """[digits] each, the upper and lower 64 bits of P(digit k is 1) = 1 / (1 + exp(2^k / scale))."""
    with localcontext(prec=_PRECISION):
        shares = [
            1 / (1 + (Decimal(2**digit * scale.denominator) / Decimal(scale.numerator)).exp())
            for digit in range(digits)
        ]
        whole = [int(share * 2**128) for share in shares]
    return (
        np.array([share >> 64 for share in whole], np.uint64),
        np.array([share & (2**64 - 1) for share in whole], np.uint64),
    )
