import pytest
import torch
from facebench.facemae.gan.augment import augment

KINDS = ("colour", "translation", "cutout")


def faces(count: int = 64, side: int = 16) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nothing_asked_nothing_changed():
    images = faces()
    assert torch.equal(augment(images, (), drawn()), images)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_augment_equally_and_others_do_not(kind):
    one, again, other = (augment(faces(), (kind,), drawn(seed)) for seed in (1, 1, 2))
    assert one.shape == faces().shape
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_colour_is_brightness_then_saturation_then_contrast():
    bright, saturate, contrast = torch.rand(3, 64, 1, 1, 1, generator=drawn()).unbind()
    image = faces()[5] + (bright[5] - 0.5)
    grey = (image[0] + image[1] + image[2]) / 3
    image = grey + 2 * saturate[5] * (image - grey)
    expected = image.mean() + (0.5 + contrast[5]) * (image - image.mean())
    assert torch.allclose(augment(faces(), ("colour",), drawn())[5], expected, atol=1e-6)


def test_translation_moves_by_whole_pixels_up_to_an_eighth_and_fills_with_zero():
    dot = torch.zeros(256, 3, 16, 16)
    dot[:, :, 8, 8] = 1
    moved = augment(dot, ("translation",), drawn())
    places = moved[:, 0].flatten(1).argmax(1)
    assert torch.equal(moved.flatten(1).sum(1), torch.full((256,), 3.0))
    assert set((places // 16).tolist()) == {6, 7, 8, 9, 10}  # 16 / 8 = 2 either way
    assert set((places % 16).tolist()) == {6, 7, 8, 9, 10}
    ones = augment(torch.ones(256, 3, 16, 16), ("translation",), drawn())
    down, right = ((places // 16 - 8).abs(), (places % 16 - 8).abs())
    assert torch.equal(ones[:, 0].sum((1, 2)).long(), (16 - down) * (16 - right))


def test_cutout_is_one_square_of_half_the_side_which_the_edge_may_cut():
    cut = augment(torch.ones(256, 3, 16, 16), ("cutout",), drawn())
    holes = (cut == 0).all(1)
    rows, columns = holes.any(2).sum(1), holes.any(1).sum(1)
    assert torch.equal(holes.sum((1, 2)), rows * columns)  # a rectangle
    assert int(rows.max()) == int(columns.max()) == 8
    assert int(rows.min()) == int(columns.min()) == 4  # its centre is on the edge
    assert ((cut == 0) | (cut == 1)).all()


def test_gradients_pass_to_every_pixel_that_is_still_seen():
    images = faces(4).requires_grad_(True)
    seen = augment(images, ("translation", "cutout"), drawn())
    seen.sum().backward()
    assert torch.equal(images.grad.sum((1, 2, 3)), (seen != 0).sum((1, 2, 3)).float())
    again = faces(4).requires_grad_(True)
    augment(again, ("colour",), drawn()).square().sum().backward()
    assert int(again.grad.count_nonzero()) == again.numel()
