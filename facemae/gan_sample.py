"""Draw people that do not exist, and their faces; each from the seed and its own number alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .gan import Generator, mix_codes
from .gan_step import enlarge
from .pixels import to_uint8


class NewPeople(NamedTuple):
    """Whom each new person is mixed of; all [M]."""

    one: NDArray[np.int64]
    other: NDArray[np.int64]
    weight: NDArray[np.float64]
    """Of the first of the two."""


def pairs(people: int) -> int:
    """How many new people can be made of so many."""
    return people * (people - 1) // 2


def draw_people(count: int, *, people: int, mix: tuple[float, float], seed: int) -> NewPeople:
    """Draw different pairs of people and the weights of their mixes. The first of many are those of few.

    Round by round all people are shuffled and neighbours paired, so that everyone is used about equally often.

    Args:
        count: M, at most `pairs(people)`.
        people: how many there are to be mixed.
        mix: range of the weight of the first, uniform.
        seed: decides all.

    Raises:
        ValueError: there are not as many pairs.
    """
    if not 0 <= count <= pairs(people):
        raise ValueError(f"new people: expected at most {pairs(people)}, the pairs of {people} people, got {count}")
    drawn = np.random.default_rng([seed, 1])
    seen: set[tuple[int, int]] = set()
    found: list[tuple[int, int]] = []
    while len(found) < count:
        order = drawn.permutation(people).tolist()
        for one, other in zip(order[::2], order[1::2], strict=False):
            pair = (min(one, other), max(one, other))
            if pair not in seen:
                seen.add(pair)
                found.append((one, other))
    both = np.array(found[:count], dtype=np.int64).reshape(count, 2)
    weight = np.random.default_rng([seed, 2]).uniform(*mix, count)
    return NewPeople(both[:, 0], both[:, 1], weight)


def draw_nuisance(person: NDArray[np.int64], index: NDArray[np.int64], *, numbers: int, seed: int) -> Tensor:
    """float32 [B, numbers], standard normal: image `index` of `person`, each from its own stream."""
    rows = [
        np.random.default_rng([seed, 3, who, which]).standard_normal(numbers, dtype=np.float32)
        for who, which in zip(person.tolist(), index.tolist(), strict=True)
    ]
    return torch.from_numpy(np.stack(rows)) if rows else torch.empty(0, numbers)


class Sampler:
    """A trained generator with the codes of the people it mixes."""

    def __init__(self, generator: Generator, codes: Tensor, *, mix: tuple[float, float], seed: int) -> None:
        self.generator, self.codes, self.mix, self.seed = generator.eval(), codes.cpu(), mix, seed
        self.device = next(generator.parameters()).device
        # always the same number of faces at once: how a processor adds up a product depends on its shape, and a
        # face in another batch would come out a grey level lighter here and there
        self._chunk = 256 if self.device.type == "cuda" else 32

    def people(self, count: int) -> Tensor:
        """[M, D], the codes of the first `count` new people."""
        drawn = draw_people(count, people=len(self.codes), mix=self.mix, seed=self.seed)
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
        nuisance = draw_nuisance(person, index, numbers=self.generator.shape.nuisance, seed=self.seed)
        code = codes[torch.from_numpy(person)]
        done = torch.empty(len(code), 3, 112, 112, dtype=torch.uint8)
        for start in range(0, len(code), self._chunk):
            own, how = code[start : start + self._chunk], nuisance[start : start + self._chunk]
            rows = torch.arange(self._chunk).clamp(max=len(own) - 1)  # the rest of a chunk is thrown away
            made = self.generator(own[rows].to(self.device), how[rows].to(self.device))
            done[start : start + len(own)] = to_uint8(enlarge(made)[: len(own)]).cpu()
        return done
