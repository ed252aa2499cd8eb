import pytest
import torch
from facebench.facemae.patches import compose_faces, patchify, random_mask, split, unpatchify, visible_patches
from facebench.facemae.runtime.pixels import to_float, to_uint8
from facebench.facemae.runtime.randomness import stream

WORD = 2**64


def splitmix64(state: int, count: int) -> list[int]:
    """The published algorithm on Python's own integers."""
    numbers = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % WORD
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
        numbers.append(z ^ (z >> 31))
    return numbers


@pytest.mark.parametrize(("height", "width", "patch"), [(112, 112, 16), (112, 96, 8), (24, 40, 8), (7, 14, 7)])
def test_patches_put_together_are_the_image(height, width, patch):
    images = torch.rand(3, 3, height, width, generator=torch.Generator().manual_seed(1))
    patches = patchify(images, patch)
    assert patches.shape == (3, height * width // patch**2, 3 * patch**2)
    assert torch.equal(unpatchify(patches, patch, height=height, width=width), images)


def test_a_patch_holds_rows_columns_channels_of_its_place():
    images = torch.arange(2 * 3 * 8 * 12).reshape(2, 3, 8, 12)
    patches = patchify(images, 4)
    row, column = 1, 2
    expected = images[1, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].permute(1, 2, 0).flatten()
    assert torch.equal(patches[1, row * 3 + column], expected)


def test_a_patch_that_does_not_divide_the_image_is_refused():
    with pytest.raises(ValueError, match=r"patch 16 does not divide an image of 112 x 100"):
        patchify(torch.zeros(1, 3, 112, 100), 16)
    with pytest.raises(ValueError, match=r"48 patches of 768 numbers .* expected 49 of 768"):
        unpatchify(torch.zeros(1, 48, 768), 16, height=112, width=112)


def test_the_stream_is_splitmix64():
    # first numbers for the state 1234567, as published with the generator (Vigna, prng.di.unimi.it/splitmix64.c)
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert splitmix64(1234567, 4) == published
    seeds = [1234567, 0, -1, 2**63 - 1, -(2**63)]
    ours = stream(torch.tensor(seeds), 6)
    assert [[number % WORD for number in row] for row in ours.tolist()] == [splitmix64(s % WORD, 6) for s in seeds]


@pytest.mark.parametrize("patches", [1, 2, 49, 196])
@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.5, 0.75, 0.9, 0.999])
def test_every_image_has_exactly_as_many_visible_patches_as_the_ratio_says(patches, ratio):
    visible = max(1, round(patches * (1 - ratio)))
    mask = random_mask(torch.arange(50), patches, ratio)
    assert visible_patches(patches, ratio) == visible
    assert mask.keep.shape == (50, visible)
    assert (mask.hidden.sum(1) == patches - visible).all()
    assert not mask.hidden.gather(1, mask.keep).any()
    assert all(len(set(row)) == visible for row in mask.keep.tolist())


def test_restore_puts_the_patches_back_in_their_places():
    mask = random_mask(torch.tensor([5, 6]), 49, 0.75)
    order = torch.cat([mask.keep, torch.full((2, 37), -1)], dim=1)
    back = order.gather(1, mask.restore)
    assert torch.equal(back < 0, mask.hidden)
    assert torch.equal(torch.where(back < 0, torch.arange(49), back), torch.arange(49).expand(2, -1))


def test_a_mask_depends_on_the_seed_alone_and_not_on_the_batch():
    seeds = torch.randint(-(2**63), 2**63 - 1, (64,), generator=torch.Generator().manual_seed(0))
    together = random_mask(seeds, 196, 0.75)
    for place in (0, 17, 63):
        alone = random_mask(seeds[place : place + 1], 196, 0.75)
        assert all(torch.equal(one[0], many[place]) for one, many in zip(alone, together, strict=True))
    turned = random_mask(seeds.flip(0), 196, 0.75)
    assert torch.equal(turned.hidden.flip(0), together.hidden)


def test_masks_of_neighbouring_seeds_have_nothing_in_common():
    hidden = random_mask(torch.arange(4000), 49, 0.75).hidden.double()
    share = 37 / 49
    # each patch is hidden as often as the others: 5 standard errors
    assert (hidden.mean(0) - share).abs().max() < 5 * (share * (1 - share) / 4000) ** 0.5
    agreement = (hidden[1:] == hidden[:-1]).double().mean()
    assert agreement == pytest.approx(share**2 + (1 - share) ** 2, abs=0.005)


def test_what_is_visible_at_a_high_ratio_is_visible_at_a_low_one():
    seeds = torch.arange(20)
    few, many = (random_mask(seeds, 49, ratio).hidden for ratio in (0.9, 0.5))
    assert not (many & ~few).any()


@pytest.mark.parametrize("seeds", [torch.zeros(2), torch.zeros(2, 2, dtype=torch.int64), torch.zeros(2).int()])
def test_seeds_of_another_type_or_shape_are_refused(seeds):
    with pytest.raises(ValueError, match=r"expected seeds, int64 \[B\], or keys, uint8 \[B, 32\], got"):
        random_mask(seeds, 49, 0.75)


@pytest.mark.parametrize("ratio", [-0.1, 1.0, float("nan")])
def test_a_ratio_out_of_range_is_refused(ratio):
    with pytest.raises(ValueError, match="ratio: expected 0 <= ratio < 1"):
        random_mask(torch.zeros(1, dtype=torch.int64), 49, ratio)


def test_split_shows_the_first_of_any_order():
    mask = split(torch.tensor([[3, 1, 0, 2]]), 2)
    assert mask.keep.tolist() == [[3, 1]]
    assert mask.hidden.tolist() == [[True, False, True, False]]


def test_pasted_keeps_visible_patches_to_the_bit_and_rebuilt_keeps_none():
    generator = torch.Generator().manual_seed(2)
    originals = torch.randint(0, 256, (4, 3, 48, 32), dtype=torch.uint8, generator=generator)
    mask = random_mask(torch.arange(4), 24, 0.75)
    rebuilt = torch.randn(4, 24, 192, generator=generator)
    faces = to_float(originals)
    cut = patchify(originals, 8)
    pasted = patchify(to_uint8(compose_faces(faces, rebuilt, mask.hidden, patch=8, compose="pasted")), 8)
    assert torch.equal(pasted[~mask.hidden], cut[~mask.hidden])
    assert torch.equal(pasted[mask.hidden], to_uint8(rebuilt.clamp(-1, 1))[mask.hidden])
    whole = patchify(to_uint8(compose_faces(faces, rebuilt, mask.hidden, patch=8, compose="rebuilt")), 8)
    assert torch.equal(whole, to_uint8(rebuilt))


def test_published_values_are_clamped_but_their_gradient_is_not_lost():
    rebuilt = torch.tensor([-3.0, 0.25, 2.0]).repeat(1, 4, 16).requires_grad_()
    hidden = torch.tensor([[True, True, False, True]])
    faces = compose_faces(torch.zeros(1, 3, 8, 8), rebuilt, hidden, patch=4, compose="pasted")
    assert faces.min() == -1 and faces.max() == 1
    faces.sum().backward()
    assert torch.equal(rebuilt.grad, hidden[..., None].expand(-1, -1, 48).float())
