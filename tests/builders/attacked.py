"""What attackers of tests hold: drawn people in their roles, a simple recognizer, and methods with known weaknesses."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from facebench.bench.attacks.base import Embeddings, Evidence, NotApplicableError, Paired
from facebench.bench.biometrics.embeddings import embed_all
from facebench.datasets.base import Faces
from facebench.datasets.synthetic import Synthetic
from facebench.datasets.views.subset import Subset
from facebench.facemae.runtime.randomness import key_of_seed
from facebench.methods.base import Method, MethodError, Publish
from facebench.methods.original import Original

CPU = torch.device("cpu")
SIDE = 16


class Inverted(Method):
    """A colour becomes its opposite: nothing is lost, and a recognizer takes a face for its least similar one."""

    random = False

    def load(self, fitted: Path, *, device: torch.device):
        return lambda faces, seeds: 255 - faces.flip(1)


class Shuffled(Method):
    """Blocks of pixels in a secret order that is the same for every face: invertible, and unlike the original."""

    random = False

    def load(self, fitted: Path, *, device: torch.device):
        order = torch.from_numpy(np.random.default_rng(1).permutation(49))

        def shuffle(faces: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
            blocks = faces.unfold(2, SIDE, SIDE).unfold(3, SIDE, SIDE).reshape(len(faces), 3, 49, SIDE, SIDE)
            mixed = blocks[:, :, order].reshape(len(faces), 3, 7, 7, SIDE, SIDE)
            return mixed.permute(0, 1, 2, 4, 3, 5).reshape(faces.shape)

        return shuffle


class Own(Method):
    """Works for the released people only."""

    def publish(self, fitted: Path, originals: Faces, how: Publish):
        raise MethodError("/home/somebody/set: expected people of the release, got others")


def blocks(images: torch.Tensor) -> np.ndarray:
    """A recognizer of the simplest kind: the colours of 7 x 7 blocks, less the average of the face."""
    seen = torch.nn.functional.avg_pool2d(images.float(), SIDE).flatten(1).numpy()
    vectors = seen - seen.mean(axis=1, keepdims=True)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def embed(faces: Faces) -> Embeddings:
    """That recognizer, on any faces."""
    return embed_all(blocks, faces)


@cache
def roles() -> dict[str, Faces]:
    """Faces of people: 70 of A, 40 of P, 30 of H."""
    faces = Synthetic(people=140, images=4).open()
    ends = {"A": (0, 70), "P": (70, 110), "H": (110, 140)}
    return {
        role: Subset(faces, np.flatnonzero((faces.labels >= low) & (faces.labels < high)))
        for role, (low, high) in ends.items()
    }


def both_ways(method: Method, faces: Faces, seen: Any = embed, *, seed: int = 0) -> Paired:
    """Some people as the method makes them private, and as they are."""

    def made(rows: np.ndarray, seed: int) -> Any:
        return method.publish(Path(), Subset(faces, rows), Publish(key_of_seed(seed, "test"), CPU, rows))

    whole = np.arange(len(faces))
    try:
        private = made(whole, seed)
    except MethodError as error:
        raise NotApplicableError("does not apply: the method cannot be applied to other people") from error
    return Paired(seen(private), seen(faces), private.source, private, faces, lambda rows: made(rows, seed + 1))


def evidence(method: Method, *, seen: Any = embed, **more: Any) -> Evidence:
    """What the attacker of a method holds; `more` replaces entries."""
    people = roles()
    released = both_ways(Original() if isinstance(method, Own) else method, people["P"], seen)
    given: dict[str, Any] = {
        "private": released.private,
        "original": released.original,
        "source": released.source,
        "seed": 0,
        "device": CPU,
        "private_faces": released.private_faces,
        "original_faces": released.original_faces,
        "attacker_faces": people["A"],
        "generator_faces": people["A"],
        "holdout_faces": people["H"],
        "embed": seen,
        "attacker": lambda: both_ways(method, people["A"], seen, seed=2),
        "holdout": lambda: both_ways(method, people["H"], seen, seed=3),
        "again": released.again,
        "deterministic": not method.draws,
    }
    return Evidence(**{**given, **more})


def leak(attack: Any, given: Evidence, out: Path) -> Any:
    """leak@1 of an attack."""
    return scores(attack, given, out)["leak@1"]


def scores(attack: Any, given: Evidence, out: Path) -> dict[str, Any]:
    """All scores of an attack by name."""
    out.mkdir(exist_ok=True)
    attack.run(given, out)
    return {score.measure.name: score for score in attack.scores(out, "it")[0]}
