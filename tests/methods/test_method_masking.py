"""Masking: regions of the template, fills, and that random patches are what they always were."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from facebench.facemae.regions import BOXES, LANDMARKS, region_patches, region_pixels
from facebench.methods.masking import Masking, Where
from pydantic import ValidationError
from scipy.stats import chisquare

REGIONS = [region for region in get_args(Where) if region != "patches"]


def faces(count: int = 3, *, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 112, 112), dtype=torch.uint8, generator=generator)


def apply(method: Masking, images: torch.Tensor, seeds: list[int] | None = None) -> torch.Tensor:
    given = torch.tensor(seeds if seeds is not None else list(range(len(images))), dtype=torch.int64)
    return method.load(Path("nothing-is-read-here"), device=torch.device("cpu"))(images, given)


def covered(region: str) -> torch.Tensor:
    return (apply(Masking(region=region), faces().clamp(min=1)) == 0).all(dim=1)


@pytest.mark.parametrize(
    ("ratio", "patch", "fill", "expected"),
    [
        (0.75, 16, "black", "bb52b65471073d29"),
        (0.75, 16, "mean", "1d0970965e364c94"),
        (0.5, 7, "black", "77dd9bd9de9b249a"),
        (0.9, 28, "mean", "54928321cabb774b"),
    ],
)
def test_random_patches_of_a_seed_are_byte_for_byte_those_of_version_1(
    ratio: float, patch: int, fill: Any, expected: str
) -> None:
    """Digests from the file as it was before it knew regions and keys (commit 3dec215)."""
    got = apply(Masking(ratio=ratio, patch=patch, fill=fill), faces(5, seed=3), [0, 1, 2**62, -5, 77])
    assert hashlib.sha256(got.numpy().tobytes()).hexdigest()[:16] == expected


def test_regions_lie_where_the_template_has_its_landmarks() -> None:
    at = {name: (round(y), round(x)) for name, (x, y) in LANDMARKS.items()}
    for region, inside in {
        "eyes": ["left eye", "right eye"],
        "nose": ["nose"],
        "mouth": ["left corner of the mouth", "right corner of the mouth"],
        "lower": ["nose", "left corner of the mouth", "right corner of the mouth"],
    }.items():
        hidden = covered(region)[0]
        assert {name for name, place in at.items() if hidden[place]} == set(inside)


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_is_the_same_box_in_every_face_and_nothing_else_is_changed(region: str) -> None:
    images = faces()
    hidden = covered(region)
    assert (hidden == hidden[0]).all()
    expected = torch.zeros(112, 112, dtype=torch.bool)
    for left, top, right, bottom in (BOXES[part] for part in region.split("+")):
        expected[top:bottom, left:right] = True
    assert torch.equal(hidden[0], expected)
    got = apply(Masking(region=region, fill=77), images)
    assert torch.equal(got, torch.where(expected, torch.tensor(77, dtype=torch.uint8), images))


@pytest.mark.parametrize("region", ["patches", "eyes+lower"])
@pytest.mark.parametrize("fill", ["black", "mean", "noise", 128])
def test_nothing_hidden_gets_out_whatever_is_filled_in(region: Any, fill: Any) -> None:
    images = faces()
    hidden = apply(Masking(region=region), images.clamp(min=1)) == 0
    other = torch.where(hidden, 255 - images, images)
    assert not torch.equal(images, other)
    assert torch.equal(
        apply(Masking(region=region, fill=fill), images), apply(Masking(region=region, fill=fill), other)
    )


def test_the_mean_is_that_of_the_visible_pixels_of_each_channel() -> None:
    images = faces(1)
    hidden = covered("lower")[0]
    got = apply(Masking(region="lower", fill="mean"), images)[0]
    for channel in range(3):
        assert (got[channel][hidden] == images[0, channel][~hidden].double().mean().round()).all()


def test_noise_is_uniform_follows_the_seed_and_is_not_shared_by_neighbours() -> None:
    images = faces(1).expand(4, 3, 112, 112)
    got = apply(Masking(region="lower", fill="noise"), images, [5, 6, 5, -5])
    drawn = got[:, :, 64:].flatten(1)
    assert torch.equal(drawn[0], drawn[2])
    assert torch.equal(got[:, :, :64], images[:, :, :64])
    for other in (1, 3):
        assert abs(float(np.corrcoef(drawn[0], drawn[other])[0, 1])) < 5 / drawn.shape[1] ** 0.5
    assert chisquare(torch.bincount(drawn[[0, 1, 3]].flatten(), minlength=256)).pvalue > 1e-3


def test_patches_of_a_region_are_those_that_hold_a_pixel_of_it() -> None:
    # by hand: with patches of 16, eyes are columns 1 to 5 of rows 2 and 3, the mouth columns 2 to 4 of rows 5 and 6
    eyes = [1 + column + 7 * row for row in (2, 3) for column in range(5)]
    assert region_patches(16, 112, 112, ["eyes"]).nonzero().flatten().tolist() == eyes
    both = region_patches(16, 112, 112, ["eyes", "mouth"])
    assert both.nonzero().flatten().tolist() == eyes + [7 * row + column for row in (5, 6) for column in (2, 3, 4)]
    assert torch.equal(region_patches(1, 112, 112, ["nose"]), region_pixels(["nose"]).flatten())


def test_regions_scale_with_the_image() -> None:
    twice = region_pixels(["nose", "mouth"], height=224, width=224)
    assert torch.equal(twice, region_pixels(["nose", "mouth"]).repeat_interleave(2, 0).repeat_interleave(2, 1))
    flat = region_pixels(["lower"], height=56, width=112)
    assert torch.equal(flat.any(dim=1).nonzero().flatten(), torch.arange(32, 56))


@pytest.mark.parametrize("which", [[], ["ears"], "eyes", ["eyes", "ears"]])
def test_unknown_regions_are_refused(which: Any) -> None:
    with pytest.raises(ValueError, match="regions: expected one or several of eyes, nose, mouth, lower, got"):
        region_pixels(which)


def test_a_patch_that_does_not_divide_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="patch 15 does not divide an image of 112 x 112"):
        region_patches(15, 112, 112, ["eyes"])


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"region": "ears"}, "'patches', 'eyes'"),
        ({"fill": 256}, "less than or equal to 255"),
        ({"fill": True}, "fill"),
        ({"region": "eyes", "ratio": 0.5}, "ratio: has no effect where region is eyes.*got 0.5"),
        ({"region": "lower", "patch": 8}, "patch: has no effect where region is lower.*got 8"),
    ],
)
def test_parameters_that_mean_nothing_say_so(parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Masking(**parameters)
