"""Random numbers of an image: RFC 8439's from a key, and nothing that a key tells of another one."""

import hashlib

import numpy as np
import pytest
import torch
from facebench.facemae.runtime.randomness import derived, key_of_seed, noise_bytes, numbers, uniform
from scipy.stats import chisquare, kstest

KEYS = torch.tensor([list(hashlib.sha256(bytes([i])).digest()) for i in range(64)], dtype=torch.uint8)


def test_a_keys_numbers_are_chacha20s():
    """RFC 8439, appendix A.1, vectors 1 and 2: key and nonce zero, blocks 0 and 1."""
    words = numbers(torch.zeros(1, 32, dtype=torch.uint8), 16)
    stream = words.view(torch.uint8)[0].numpy().tobytes()
    assert stream[:32].hex() == "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
    assert stream[64:96].hex() == "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"


@pytest.mark.parametrize("own", [KEYS, torch.arange(64)])
def test_an_images_numbers_are_its_own(own):
    together = numbers(own, 9)
    alone = torch.cat([numbers(own[i : i + 1], 9) for i in range(64)])
    assert torch.equal(together, alone)
    assert torch.equal(numbers(own, 4), together[:, :4])
    assert len(set(together.flatten().tolist())) == 64 * 9
    assert not set(together.flatten().tolist()) & set(numbers(own, 9, purpose=1).flatten().tolist())
    assert numbers(own[:0], 9).shape == (0, 9)


@pytest.mark.parametrize("own", [KEYS, torch.arange(64)])
def test_numbers_are_uniform_and_one_bit_of_a_key_changes_half_of_all(own):
    drawn = uniform(numbers(own, 2000)).flatten().numpy()
    assert kstest(drawn, "uniform").pvalue > 1e-3
    counts = np.bincount(noise_bytes(own, 4000).flatten().numpy(), minlength=256)
    assert chisquare(counts).pvalue > 1e-3
    other = own.clone()
    other[:] = own ^ 1 if own.ndim == 1 else torch.cat([own[:, :1] ^ 1, own[:, 1:]], dim=1)
    changed = np.unpackbits((numbers(own, 100) ^ numbers(other, 100)).view(torch.uint8).numpy())
    assert changed.mean() == pytest.approx(0.5, abs=5 * 0.5 / len(changed) ** 0.5)


def test_derived_keys_tell_nothing_of_each_other():
    key = bytes(range(32))
    made = [
        derived(key, purpose="a"),
        derived(key, purpose="b"),
        derived(key, b"x", purpose="a"),
        derived(key, b"x", b"y", purpose="a"),
        derived(key, b"xy", purpose="a"),  # parts do not run into each other
        derived(key_of_seed(0, "a"), purpose="a"),
    ]
    assert len({*made, key}) == 7
    assert derived(key, purpose="a") == made[0]
    assert key_of_seed(1, "release") != key_of_seed(2, "release")
    with pytest.raises(ValueError, match="key: expected 32 bytes, got 31"):
        derived(key[1:], purpose="a")
