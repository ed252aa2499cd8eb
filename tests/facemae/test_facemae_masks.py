"""Which patches are hidden: always as many as asked for, from the image's own seed alone, and where they should be."""

import pytest
import torch
from facebench.facemae.masks import block_mask, draw_mask, face_mask
from facebench.facemae.model import Architecture
from facebench.facemae.patches import random_mask
from facebench.facemae.regions import region_patches
from facebench.facemae.runtime.randomness import numbers

FACE = Architecture(patch=16)
WIDE = Architecture(height=48, width=96, patch=8, encoder=(32, 1, 4), decoder=(32, 1, 4))
SEEDS = torch.arange(200)


@pytest.mark.parametrize("architecture", [FACE, WIDE])
@pytest.mark.parametrize("kind", ["random", "block", "face"])
@pytest.mark.parametrize("ratio", [0.6, 0.75, 0.9])
def test_every_image_has_equally_many_hidden_patches(architecture, kind, ratio):
    share = 0.5  # of the face, that 0.6 has room for it
    mask = draw_mask(SEEDS, architecture, ratio, kind=kind, share=share)
    visible = round(architecture.patches * (1 - ratio))
    assert mask.keep.shape == (200, visible)
    assert torch.equal(mask.hidden.sum(1), torch.full((200,), architecture.patches - visible))
    assert not mask.hidden.gather(1, mask.keep).any()


@pytest.mark.parametrize("kind", ["random", "block", "face"])
def test_a_mask_follows_from_its_seed_alone(kind):
    together = draw_mask(SEEDS, FACE, 0.75, kind=kind).hidden
    alone = torch.cat([draw_mask(SEEDS[i : i + 1], FACE, 0.75, kind=kind).hidden for i in range(200)])
    assert torch.equal(together, alone)
    assert len({tuple(row.tolist()) for row in together}) > 10


def test_random_is_the_mask_that_masking_draws():
    assert torch.equal(draw_mask(SEEDS, FACE, 0.75).hidden, random_mask(SEEDS, 49, 0.75).hidden)


def test_a_block_is_one_rectangle_but_for_its_last_row_or_column():
    hidden = block_mask(numbers(torch.arange(300), 3), (20, 20), 0.3).hidden.reshape(300, 20, 20)
    for mask in hidden:
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        height, width = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        assert mask.sum() == 120
        assert height * width - max(height, width) < 120 <= height * width


def test_blocks_lie_everywhere_and_have_many_shapes():
    hidden = block_mask(numbers(torch.arange(2000), 3), (14, 14), 0.5).hidden
    share = hidden.float().mean(0)
    assert share.min() > 0.15
    wide = hidden.reshape(-1, 14, 14)
    across, down = wide.any(1).sum(1), wide.any(2).sum(1)
    assert (across > down).float().mean() == pytest.approx(0.5, abs=0.1)


def test_face_hides_eyes_nose_and_mouth_in_every_image():
    region = region_patches(16, 112, 112, ("eyes", "nose", "mouth"))
    mask = draw_mask(SEEDS, FACE, 0.75, kind="face")
    assert mask.hidden[:, region].all()
    others = mask.hidden[:, ~region].float().mean(0)
    expected = (37 - int(region.sum())) / int((~region).sum())
    assert others.min() > expected - 0.15
    assert others.max() < expected + 0.15


def test_a_share_of_the_face_is_a_random_share():
    region = torch.tensor([True] * 10 + [False] * 10)
    drawn = numbers(torch.arange(3000), 40)
    hidden = face_mask(drawn, region, 0.5, share=0.7).hidden
    assert (hidden[:, :10].sum(1) >= 7).all()
    assert hidden[:, :10].float().mean(0).std() < 0.03  # no place is preferred
    none = face_mask(drawn, region, 0.5, share=0).hidden
    assert none.float().mean(0).sub(0.5).abs().max() < 0.05


def test_a_ratio_that_cannot_hide_the_face_is_told():
    region = region_patches(16, 112, 112, ("eyes", "nose", "mouth"))
    with pytest.raises(ValueError, match=rf"hides 12 of 49 patches; expected at least the {int(region.sum())} on eyes"):
        draw_mask(SEEDS, FACE, 0.25, kind="face")
    with pytest.raises(ValueError, match="expected 0 <= ratio < 1"):
        draw_mask(SEEDS, FACE, 1.0, kind="block")
