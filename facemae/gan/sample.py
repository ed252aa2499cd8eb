"""Draw people that do not exist, and their faces; each from the key of the set and its own number alone."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..runtime.pixels import to_uint8
from ..runtime.randomness import KEY_BYTES, derived, numbers, uniform
from .networks import Generator, mix_codes
from .step import enlarge

_PAIRS, _WEIGHTS, _NUISANCE = "new people", "weights", "nuisance"


class NewPeople(NamedTuple):
    """Whom each new person is mixed of; all [M]."""

    one: NDArray[np.int64]
    other: NDArray[np.int64]
    weight: NDArray[np.float64]
    """Of the first of the two."""


def pairs(people: int) -> int:
    """How many new people can be made of so many."""
    return people * (people - 1) // 2


def draw_people(count: int, *, people: int, mix: tuple[float, float], key: bytes) -> NewPeople:
    """Draw different pairs of people and the weights of their mixes. The first of many are those of few.

    Round by round all people are shuffled and neighbours paired, so that everyone is used about equally often.

    Args:
        count: M, at most `pairs(people)`.
        people: how many there are to be mixed.
        mix: range of the weight of the first, uniform.
        key: 32 bytes, which decide all.

    Raises:
        ValueError: there are not as many pairs.
    """
    if not 0 <= count <= pairs(people):
        raise ValueError(f"new people: expected at most {pairs(people)}, the pairs of {people} people, got {count}")
    own = _own(derived(key, purpose=_PAIRS))
    seen: set[tuple[int, int]] = set()
    found: list[tuple[int, int]] = []
    for turn in itertools.count():
        if len(found) >= count:
            break
        order = numbers(own, people, purpose=turn)[0].argsort(stable=True).tolist()
        for one, other in zip(order[::2], order[1::2], strict=False):
            pair = (min(one, other), max(one, other))
            if pair not in seen:
                seen.add(pair)
                found.append((one, other))
    both = np.array(found[:count], dtype=np.int64).reshape(count, 2)
    share = uniform(numbers(_own(derived(key, purpose=_WEIGHTS)), count))[0].numpy()
    return NewPeople(both[:, 0], both[:, 1], mix[0] + (mix[1] - mix[0]) * share)


def draw_nuisance(person: NDArray[np.int64], index: NDArray[np.int64], *, count: int, key: bytes) -> Tensor:
    """float32 [B, count], standard normal: image `index` of `person`, each of a key of its own."""
    own = [
        derived(key, who.to_bytes(8, "little"), which.to_bytes(8, "little"), purpose=_NUISANCE)
        for who, which in zip(person.tolist(), index.tolist(), strict=True)
    ]
    normal: Tensor = torch.special.ndtri(uniform(numbers(_own(*own), count)))
    return normal.float()


def _own(*keys: bytes) -> Tensor:
    """Keys as `numbers` takes them: uint8 [B, 32]."""
    return torch.tensor([list(key) for key in keys], dtype=torch.uint8).reshape(len(keys), KEY_BYTES)


class Sampler:
    """A trained generator with the codes of the people it mixes."""

    def __init__(self, generator: Generator, codes: Tensor, *, mix: tuple[float, float], key: bytes) -> None:
        self.generator, self.codes, self.mix, self._key = generator.eval(), codes.cpu(), mix, key
        self.device = next(generator.parameters()).device
        # always the same number of faces at once: how a processor adds up a product depends on its shape, and a
        # face in another batch would come out a grey level lighter here and there
        self._chunk = 256 if self.device.type == "cuda" else 32

    def people(self, count: int) -> Tensor:
        """[M, D], the codes of the first `count` new people."""
        drawn = draw_people(count, people=len(self.codes), mix=self.mix, key=self._key)
        weight = torch.from_numpy(drawn.weight).float()
        return mix_codes(self.codes[torch.from_numpy(drawn.one)], self.codes[torch.from_numpy(drawn.other)], weight)

    @torch.inference_mode()
    def faces(self, codes: Tensor, person: NDArray[np.int64], index: NDArray[np.int64]) -> Tensor:
        """Generate faces, equal however they are asked for.

        Args:
            codes: [M, D], unit length, on the CPU.
            person: [B], 0..M - 1.
            index: [B], which image of the person.

        Returns:
            uint8 [B, 3, 112, 112], on the CPU.
        """
        nuisance = draw_nuisance(person, index, count=self.generator.shape.nuisance, key=self._key)
        code = codes[torch.from_numpy(person)]
        done = torch.empty(len(code), 3, 112, 112, dtype=torch.uint8)
        for start in range(0, len(code), self._chunk):
            own, how = code[start : start + self._chunk], nuisance[start : start + self._chunk]
            rows = torch.arange(self._chunk).clamp(max=len(own) - 1)  # the rest of a chunk is thrown away
            made = self.generator(own[rows].to(self.device), how[rows].to(self.device))
            done[start : start + len(own)] = to_uint8(enlarge(made)[: len(own)]).cpu()
        return done
