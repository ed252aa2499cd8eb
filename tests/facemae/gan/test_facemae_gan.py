import pytest
import torch
from facebench.facemae.gan.layers import Conv, Linear, Modulated, smooth, spread
from facebench.facemae.gan.networks import Discriminator, Encoder, Generator, Shape, mix_codes
from torch.nn.functional import conv2d, leaky_relu, normalize


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def same_weights():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("resolution", [28, 56, 112])
def test_codes_become_faces_and_faces_a_judgement(resolution):
    shape = Shape(code=16, resolution=resolution, nuisance=4, width=16)
    code, nuisance = normalize(torch.randn(3, 16), dim=1), torch.randn(3, 4)
    faces = Generator(shape)(code, nuisance)
    assert faces.shape == (3, 3, resolution, resolution)
    assert Discriminator(shape)(faces, code).shape == (3,)
    assert [part.shape for part in Encoder(shape)(faces)] == [(3, 4), (3, 4)]


def test_features_halve_from_fourteen_pixels_on():
    shape = Shape(code=16, resolution=112, nuisance=4, width=64)
    assert shape.sides == [7, 14, 28, 56]  # the last doubling folds pixels into channels
    assert [shape.features(side) for side in shape.sides] == [64, 64, 32, 16]


@pytest.mark.parametrize("wrong", [{"resolution": 96}, {"width": 4}, {"nuisance": 0}, {"code": 0}])
def test_shapes_that_cannot_be_are_told(wrong):
    with pytest.raises(ValueError, match="expected"):
        Shape(**{"code": 16, "resolution": 28, **wrong})


def test_modulation_is_a_kernel_of_its_own_for_each_image():
    """Equations 1 and 3 of arXiv 1912.04958, image by image."""
    layer = Modulated(6, 5, styles=4)
    x, style = torch.randn(3, 6, 7, 7), torch.randn(3, 4)
    got = layer(x, style)
    for one in range(3):
        gains = layer.style(style)[one]
        kernel = layer.weight / (6 * 9) ** 0.5 * gains[None, :, None, None]
        kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        expected = leaky_relu(conv2d(x[one : one + 1], kernel, padding=1), 0.2) * 2**0.5
        assert torch.allclose(got[one], expected[0], atol=1e-5)


def test_weights_are_scaled_so_that_outputs_have_the_size_of_inputs():
    for layer, x in ((Linear(400, 300), torch.randn(200, 400)), (Conv(40, 30), torch.randn(20, 40, 9, 9))):
        y = layer(x).detach()
        inner = y if y.ndim == 2 else y[..., 1:-1, 1:-1]
        assert float(inner.std()) == pytest.approx(1, abs=0.1)
        assert float(layer.weight.detach().std()) == pytest.approx(1, abs=0.05)


def test_the_spread_of_a_batch_is_the_mean_deviation_and_equal_images_have_none():
    two = torch.stack([torch.full((4, 2, 2), -3.0), torch.full((4, 2, 2), 5.0)])
    assert spread(two).shape == (2, 1, 2, 2)
    assert torch.allclose(spread(two), torch.tensor(4.0))  # half of the distance
    assert float(spread(two[[0, 0]]).max()) < 1e-3


def test_smoothing_keeps_what_is_even_and_removes_what_is_chequered():
    even = torch.full((1, 2, 6, 6), 0.7)
    assert torch.allclose(smooth(even), even)
    chequers = (torch.arange(6)[:, None] + torch.arange(6)) % 2 * 2.0 - 1
    assert float(smooth(chequers.expand(1, 2, 6, 6))[..., 1:-1, 1:-1].abs().max()) < 1e-6
    dot = torch.zeros(1, 1, 5, 5)
    dot[..., 2, 2] = 16
    expected = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]])
    assert torch.equal(smooth(dot)[0, 0, 1:4, 1:4], expected)


def test_a_zero_code_asks_only_whether_it_is_a_face():
    shape = Shape(code=16, resolution=28, nuisance=4, width=16)
    judge = Discriminator(shape)
    faces, code = torch.randn(4, 3, 28, 28), normalize(torch.randn(4, 16), dim=1)
    plain = judge(faces, torch.zeros(4, 16))
    one, double = judge(faces, code), judge(faces, 2 * code)
    assert not torch.allclose(one, plain)
    assert torch.allclose(double - plain, 2 * (one - plain), atol=1e-4)  # the projection is linear in the code


def test_faces_start_as_the_average_face():
    shape = Shape(code=16, resolution=56, nuisance=4, width=32)
    generator = Generator(shape)
    generator.average.fill_(0.5)
    faces = generator(normalize(torch.randn(16, 16), dim=1), torch.randn(16, 4)).detach()
    assert float(faces.mean()) == pytest.approx(0.5, abs=0.2)
    assert float((faces - 0.5).std()) < 0.35


def test_identity_and_nuisance_both_change_a_face():
    generator = Generator(Shape(code=16, resolution=28, nuisance=4, width=16))
    code, nuisance = normalize(torch.randn(2, 16), dim=1), torch.randn(2, 4)
    first, other_code, other_nuisance = generator(code[[0, 1, 0]], nuisance[[0, 0, 1]])
    assert not torch.allclose(first, other_code, atol=1e-3)
    assert not torch.allclose(first, other_nuisance, atol=1e-3)


def test_the_length_of_a_nuisance_counts_for_nothing_so_that_none_can_blow_a_face_up():
    generator = Generator(Shape(code=16, resolution=28, nuisance=4, width=16))
    code, nuisance = normalize(torch.randn(2, 16), dim=1), torch.randn(2, 4)
    style = generator.styles(code, nuisance)
    assert torch.allclose(style.square().mean(1), torch.ones(2), atol=1e-5)
    assert torch.allclose(generator.styles(code, 100 * nuisance), style, atol=1e-4)


def test_a_mix_is_the_weighted_sum_at_unit_length():
    one, other = torch.tensor([[1.0, 0.0]] * 3), torch.tensor([[0.0, 1.0]] * 3)
    mixed = mix_codes(one, other, torch.tensor([1.0, 0.5, 0.2]))
    expected = torch.tensor([[1.0, 0.0], [0.5**0.5, 0.5**0.5], [0.2 / 0.68**0.5, 0.8 / 0.68**0.5]])
    assert torch.allclose(mixed, expected)
