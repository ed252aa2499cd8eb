"""How good generated faces are: do people stay themselves, do faces differ as real ones do, are they like real ones.

All of it is measured on samples and in the space of the recognizer that the generator was trained with, so that it
flatters. It is meant to find a failed training, not to compare methods.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ... import FacebenchError
from ..recognition.embedder import embed
from .codes import EACH, Seen
from .measures import FAR, Variety, accept_threshold, accepted, frechet, variety
from .sample import Sampler, pairs

LITTLE = 0.5
"""Share of the real faces' variety below which a note is left."""
ALIKE = 0.1
"""Share of pairs of two new people above the threshold that one in a hundred real pairs passes: more leave a note."""
POOR_TEACHER = 0.2
"""Share of real pairs that it knows again, below which a note is left."""
_GRID = (10, 8)
"""People and faces of each in the picture."""


class Collapse(FacebenchError, RuntimeError):
    """A generator whose faces are all alike; the message says how much, and what to do."""


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
    real_threshold = accept_threshold(seen.features, seen.people)
    pixels, wanted = variety(images, people), variety(seen.images, seen.people)
    quality: dict[str, Any] = {
        "new_people": count,
        "faces": len(images),
        "real_faces": len(seen.people),
        "far": FAR,
        "consistency": accepted(features, people, accept_threshold(features, people))[0],
        "consistency_of_real": accepted(seen.features, seen.people, real_threshold)[0],
        "alike": accepted(features, people, real_threshold)[1],
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
    if quality["consistency_of_real"] < POOR_TEACHER:
        quality["notes"].append(
            "the teacher hardly knows real people again: it cannot teach who is who, nor measure it; train it longer"
        )
    if quality["alike"] > ALIKE:
        quality["notes"].append(
            f"people look alike: {quality['alike']:.0%} of pairs of two new people pass the threshold that "
            f"{FAR:.0%} of real pairs pass; train longer, or fit on more people"
        )
    if quality["consistency"] < 0.5 * quality["consistency_of_real"]:
        quality["notes"].append(
            "people are not themselves: pairs of one new person pass the threshold less than half as often as real "
            "pairs do; train longer, or raise identity_weight"
        )


def _plain(value: Any) -> Any:
    """JSON has no NaN: what was not measured is null."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
