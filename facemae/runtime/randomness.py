"""Random numbers of one image: of a secret key where faces are released, of a public seed where networks train.

A release's numbers must not be known to anybody who reads it: they come from ChaCha20 under a key of 256 bits, which
is drawn from the operating system and kept by the owner. What is trained or benchmarked is to be repeated by anybody:
those numbers come from SplitMix64, or from a key that follows from a seed.

Source: RFC 8439 (ChaCha20), RFC 7693 (BLAKE2, which derives keys from keys); Steele, Lea, Flood, "Fast splittable
pseudorandom number generators" (OOPSLA 2014), figure 17.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

KEY_BYTES = 32
"""Of every key."""

_GAMMA = 0x9E3779B97F4A7C15 - 2**64  # SplitMix64's constants, as the signed numbers torch has
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64


def derived(key: bytes, *parts: bytes, purpose: str) -> bytes:
    """A key that follows from another one, and tells nothing of it: 32 bytes.

    Args:
        key: of 32 bytes.
        parts: what it is for; other parts give an unrelated key.
        purpose: at most 16 bytes of ASCII, which keep apart keys for unlike things.

    Raises:
        ValueError: the key has another length.
    """
    if len(key) != KEY_BYTES:
        raise ValueError(f"key: expected {KEY_BYTES} bytes, got {len(key)}")
    mixed = hashlib.blake2b(key=key, digest_size=KEY_BYTES, person=purpose.encode("ascii"))
    for part in parts:
        mixed.update(len(part).to_bytes(8, "little") + part)  # the length, so that parts cannot run into each other
    return mixed.digest()


def key_of_seed(seed: int, purpose: str) -> bytes:
    """The key of a benchmark, which anybody who knows the seed has: never of a release.

    Args:
        seed: of the run, 0 or more.
        purpose: of the numbers; at most 16 bytes of ASCII.
    """
    return derived(bytes(KEY_BYTES), seed.to_bytes(16, "little"), purpose=purpose)


def numbers(own: Tensor, count: int, *, purpose: int = 0) -> Tensor:
    """Uniform random numbers of each image, equal alone, in any batch and on any device.

    Args:
        own: each image's own key, uint8 [B, 32], or its own seed, int64 [B].
        count: numbers an image.
        purpose: keeps numbers for unlike things apart; 0 to 2^31 - 1.

    Returns:
        int64 [B, count].

    Raises:
        ValueError: keys or seeds of another type or shape.
    """
    if own.dtype == torch.int64 and own.ndim == 1:
        return stream(_mix(own ^ _mix(torch.tensor(purpose))) if purpose else _mix(own), count)
    if own.dtype != torch.uint8 or own.ndim != 2 or own.shape[1] != KEY_BYTES:
        raise ValueError(
            f"randomness: expected seeds, int64 [B], or keys, uint8 [B, {KEY_BYTES}], got {own.dtype} {list(own.shape)}"
        )
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

    plain, nonce = bytes(8 * count), bytes(8) + purpose.to_bytes(8, "little")  # the first half counts blocks
    drawn = torch.empty(len(own), count, dtype=torch.int64)
    for key, row in zip(own.cpu().numpy(), drawn.numpy(), strict=True):
        Cipher(ChaCha20(key.tobytes(), nonce), mode=None).encryptor().update_into(plain, row.view("u1"))
    return drawn.to(own.device)


def noise_bytes(own: Tensor, count: int, *, purpose: int = 0) -> Tensor:
    """Uniform over 0..255: uint8 [B, count], as `numbers`."""
    return numbers(own, -(-count // 8), purpose=purpose).view(torch.uint8)[:, :count]


def uniform(words: Tensor) -> Tensor:
    """int64 to float64 in (0, 1), both ends open, in steps of 2^-52."""
    return ((words >> 12 & (2**52 - 1)).double() + 0.5) / 2**52


def stream(seeds: Tensor, count: int) -> Tensor:
    """[B, count], the first numbers of the SplitMix64 stream of each seed, as signed 64-bit integers.

    Seeds that differ by a multiple of its step share numbers, so `numbers` hashes them first.
    """
    steps = torch.arange(1, count + 1, device=seeds.device) * _GAMMA  # 64-bit overflow wraps, as it should
    return _mix(seeds[:, None] + steps)


def _mix(words: Tensor) -> Tensor:
    """SplitMix64's mixing function, on each int64."""
    words = (words ^ _shift(words, 30)) * _FIRST
    words = (words ^ _shift(words, 27)) * _SECOND
    return words ^ _shift(words, 31)


def _shift(words: Tensor, bits: int) -> Tensor:
    """Shift right without the sign, which torch's own shift would drag along."""
    return (words >> bits) & ((1 << (64 - bits)) - 1)
