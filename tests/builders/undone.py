"""How releases were undone whose random numbers followed from a public seed and the place of a face in its dataset.

Both attacks need no recognizer. What they attack is kept here as it was, so that a test can show that they work.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from facebench.datasets.base import Faces
from facebench.facemae.patches import random_mask
from facebench.facemae.runtime.randomness import stream
from facebench.methods.base import FaceByFace, Publish
from facebench.methods.dppix import DPPix
from facebench.methods.facemae import FaceMAE
from facebench.methods.masking import Masking
from facebench.methods.noise import Noise
from numpy.typing import NDArray

PATCHES = 49


def public_seeds(places: NDArray[np.int64], seed: int) -> torch.Tensor:
    """A face's own seed, as it was: the dataset card named the seed, and the place is the number of the photo."""
    return torch.from_numpy(np.int64(seed) * np.int64(1 << 40) + places)


class FromPublicSeeds(FaceByFace):
    """One private face for each original, whose random numbers nobody has to guess."""

    def __init__(self, originals: Faces, privatize: Any, how: Publish, seed: int) -> None:
        super().__init__(originals, privatize, how)
        seeds = public_seeds(how.places, seed)
        self._privatize = lambda images, _: privatize(images, seeds[self._rows])

    def take(self, rows: NDArray[np.int64]) -> torch.Tensor:
        self._rows = torch.from_numpy(rows)
        return super().take(rows)


class _Public:
    def publish(self, fitted: Path, originals: Faces, how: Publish) -> FromPublicSeeds:
        return FromPublicSeeds(originals, self.load(fitted, device=how.device), how, 5)  # type: ignore[attr-defined]


class PublicMasking(_Public, Masking):
    """Masks that name the photograph."""


class PublicNoise(_Public, Noise):
    """Noise that names the photograph."""


class PublicFaceMAE(_Public, FaceMAE):
    """Rebuilt faces whose hidden patches name the photograph."""


class PublicDPPix(_Public, DPPix):
    """Noise that everybody can take away, since it follows from a number in the dataset card."""

    def load(self, fitted: Path, *, device: torch.device):
        side = 112 // self.block

        def privatize(images: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
            means = images.reshape(-1, 3, side, self.block, side, self.block).double().mean((3, 5))
            noisy = means + self.scale * public_laplace(seeds, 3 * side * side).reshape(means.shape)
            colours = noisy.round().clamp(0, 255).to(torch.uint8)
            return colours.repeat_interleave(self.block, 2).repeat_interleave(self.block, 3)

        return privatize


def public_laplace(seeds: torch.Tensor, count: int) -> torch.Tensor:
    """Laplace noise of scale 1 as it was drawn: float64 [B, count]."""
    words = stream(stream(seeds, 1)[:, 0], count)
    uniform = (((words >> 10) & (2**53 - 1)).double() + 0.5) / 2**53
    return uniform.log() * (1 - 2 * (words & 1))


def places_by_mask(images: torch.Tensor, candidates: torch.Tensor) -> NDArray[np.int64]:
    """[Q], the place whose mask fits best what is black in each face: no recognizer, no look at the face.

    Args:
        images: uint8 [Q, 3, 112, 112], masked faces.
        candidates: bool [N, 49], the mask of each place.
    """
    black = (images == 0).all(1).reshape(-1, 7, 16, 7, 16).float().mean((2, 4)).reshape(len(images), PATCHES)
    seen, expected = black * 2 - 1, candidates.float() * 2 - 1
    return torch.cat([(part @ expected.T).argmax(1) for part in seen.split(1000)]).numpy()


def places_by_noise(images: torch.Tensor, method: DPPix, candidates: torch.Tensor) -> NDArray[np.int64]:
    """[Q], the place whose noise is most alike to each face of DP-Pix.

    Args:
        images: uint8 [Q, 3, 112, 112].
        method: its parameters, as the card tells them.
        candidates: float64 [N, 3 * side * side], the noise of each place, of scale 1.
    """
    seen = images[:, :, :: method.block, :: method.block].flatten(1).float()
    seen = seen - seen.mean(1, keepdim=True)
    noise = (method.scale * candidates).clamp(-255, 255).float()
    noise = (noise - noise.mean(1, keepdim=True)) / noise.std(1, keepdim=True)
    return torch.cat([(part @ noise.T).argmax(1) for part in seen.split(1000)]).numpy()


def masks_of(seeds: torch.Tensor) -> torch.Tensor:
    """bool [N, 49], the masks of the old scheme; in pieces."""
    return torch.cat([random_mask(part, PATCHES, 0.75).hidden for part in seeds.split(4096)])


def stacked(faces: Faces, rows: Sequence[int] | None = None) -> torch.Tensor:
    """uint8 [Q, 3, 112, 112]."""
    return torch.stack([faces[row].image for row in (range(len(faces)) if rows is None else rows)])
