"""How good generated faces are: do people stay themselves, do faces differ as real ones do, are they like real ones.

All of it is measured on samples and in the space of the recognizer that the generator was trained with, so that it
flatters. It is meant to find a failed training, not to compare methods.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from .embedder import embed
from .gan_codes import EACH, Seen
from .gan_sample import Sampler, pairs

FAR = 0.01
"""False accept rate at which consistency is stated."""
LITTLE = 0.5
"""Share of the real faces' variety below which a note is left."""
_SIDE = 28
_GRID = (10, 8)
"""People and faces of each in the picture."""


class Collapse(RuntimeError):
    """A generator whose faces are all alike; the message says how much, and what to do."""


class Variety(NamedTuple):
    """How much pictures differ: mean distance of two, in grey levels (root mean square over pixels, at 28 pixels)."""

    within: float
    """Of one person."""
    between: float
    """Of two people."""


def variety(images: Tensor, people: NDArray[np.int64]) -> Variety:
    """Measure variety in pixels, where a recognizer that learned to overlook pose and light cannot hide it.

    Args:
        images: uint8 [N, 3, H, W].
        people: [N], who is shown.

    Returns:
        NaN where no person, or no two people, are shown twice.
    """
    small = avg_pool2d(images.float(), images.shape[2] // _SIDE).flatten(1)
    distance = (torch.cdist(small, small, compute_mode="donot_use_mm_for_euclid_dist") / small.shape[1] ** 0.5).numpy()
    same, upper = _pairs(people)
    return Variety(_mean(distance[upper & same]), _mean(distance[upper & ~same]))


def consistency(features: NDArray[np.float32], people: NDArray[np.int64]) -> float:
    """Share of pairs of one person that pass the threshold which one in a hundred pairs of two people passes.

    Args:
        features: [N, D], unit length.
        people: [N], as for `variety`.

    Returns:
        0..1, or NaN where there are no such pairs.
    """
    similarity = features.astype(np.float64) @ features.T.astype(np.float64)
    same, upper = _pairs(people)
    impostors = np.sort(similarity[upper & ~same])[::-1]
    if not len(impostors):
        return float("nan")
    threshold = impostors[int(FAR * len(impostors))]  # as many lie above it as the rate allows, or fewer
    return _mean(similarity[upper & same] > threshold)


def frechet(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Frechet distance of two sets of features, each taken as a normal distribution; it depends on their numbers.

    |m - n|^2 + tr(C + D - 2 (C D)^(1/2)). The last root's trace is the sum of the roots of the eigenvalues of
    C^(1/2) D C^(1/2), which is symmetric, so that no root of a matrix without one is taken.
    Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule" (arXiv 1706.08500), equation 6.

    Args:
        one: [N, D], N at least 2.
        other: [M, D], M at least 2.
    """
    first, second = one.astype(np.float64), other.astype(np.float64)
    shift = first.mean(0) - second.mean(0)
    left, right = np.atleast_2d(np.cov(first.T)), np.atleast_2d(np.cov(second.T))
    values, vectors = np.linalg.eigh(left)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ right @ root).clip(0)).sum()
    return max(0.0, float(shift @ shift + np.trace(left) + np.trace(right) - 2 * cross))


def _pairs(people: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """[N, N] twice: whether two pictures show one person, and whether the pair was not counted yet."""
    same: NDArray[np.bool_] = people[:, None] == people[None, :]
    return same, np.triu(np.ones_like(same), 1)


def assess(
    sampler: Sampler, seen: Seen, teacher: nn.Module, *, least: float, device: torch.device
) -> tuple[dict[str, Any], Tensor]:
    """Compare new people with the training set.

    Collapse is judged in pixels, by the share of the real faces' distances that generated ones keep. Within a
    person it finds a generator that overlooks the nuisance, between people one that shows one face to all. A
    recognizer's space would not do: it was trained to see no difference within a person. Healthy trainings keep
    0.6 and more, a generator that fell on one face 0.1 and less.

    Args:
        sampler: the trained generator.
        seen: the training set.
        teacher: float [B, 3, 112, 112] in [-1, 1] to features [B, D].
        least: share of the real faces' distances; less is a collapse.
        device: where both networks are.

    Returns:
        Measures as JSON takes them, and faces [people, each, 3, 112, 112] for a picture.

    Raises:
        Collapse: faces differ by less than `least` of what real ones differ by, or features are not finite.
    """
    half = seen.people < np.median(seen.people)
    real = np.flatnonzero(half) if half.any() else np.arange(len(seen.people))
    others = np.flatnonzero(~half)[: len(real)]
    count = min(pairs(len(sampler.codes)), max(2, len(real) // EACH))
    people, index = np.repeat(np.arange(count), EACH), np.tile(np.arange(EACH), count)
    codes = sampler.people(count)
    images = sampler.faces(codes, people, index)
    features = embed(teacher, images, device=device)
    if not np.isfinite(features).all():
        raise Collapse("expected finite features of generated faces, got others; lower the learning rate")
    pixels, wanted = variety(images, people), variety(seen.images, seen.people)
    quality: dict[str, Any] = {
        "new_people": count,
        "faces": len(images),
        "real_faces": len(seen.people),
        "far": FAR,
        "consistency": consistency(features, people),
        "consistency_of_real": consistency(seen.features, seen.people),
        "frechet": frechet(features, seen.features[real]),
        "frechet_n": [len(features), len(real)],
        "frechet_of_real": frechet(seen.features[others], seen.features[real]) if len(others) > 1 else None,
        "frechet_of_real_n": [len(others), len(real)],
        "variety": pixels._asdict(),
        "variety_of_real": wanted._asdict(),
        "notes": [],
    }
    shown = min(_GRID[0], count)
    grid = sampler.faces(codes, *(part.ravel() for part in np.indices((shown, _GRID[1]))))
    _judge(quality, pixels, wanted, least)
    return _plain(quality), grid.unflatten(0, (shown, _GRID[1]))


def _judge(quality: dict[str, Any], pixels: Variety, wanted: Variety, least: float) -> None:
    """Refuse a collapse, and note what is poor."""
    kinds = (("of one person", pixels.within, wanted.within), ("of different people", pixels.between, wanted.between))
    for name, got, real in kinds:
        # where no real person has two images nothing is known about how they differ
        share = got / real if np.isfinite(real) and real > 0 else np.inf
        said = f"generated faces {name} differ by {got:.3g} grey levels, real ones by {real:.3g}"
        if share < least:
            raise Collapse(
                f"mode collapse: {said}; expected at least {least:g} of it, got {share:.2g}: train longer, give "
                "rebuild_weight, raise r1_weight or lower lr (least_variety=0 accepts every generator)"
            )
        if share < LITTLE:
            quality["notes"].append(f"little variety: {said}")
    if quality["consistency"] < 0.5 * quality["consistency_of_real"]:
        quality["notes"].append(
            "people are not themselves: pairs of one new person pass the threshold less than half as often as real "
            "pairs do; train longer, or raise identity_weight"
        )


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _plain(value: Any) -> Any:
    """JSON has no NaN: what was not measured is null."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
