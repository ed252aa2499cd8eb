import math

import pytest
import torch
from facebench.facemae.model import SIZES, Architecture, MaskedAutoencoder, pixel_loss, sine_cosine
from facebench.facemae.patches import patchify, random_mask
from torch.nn.functional import conv2d

SMALL = Architecture(height=32, width=48, patch=8, encoder=(32, 2, 4), decoder=(16, 1, 2))


def faces(count: int = 3, *, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, SMALL.height, SMALL.width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_positions_are_the_published_formula():
    positions = sine_cosine(16, (3, 5))
    assert positions.shape == (15, 16)
    for row in range(3):
        for column in range(5):
            expected = []
            for place in (column, row):
                angles = [place / 10000 ** (k / 4) for k in range(4)]
                expected += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
            assert positions[row * 5 + column].tolist() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("class_token", [True, False])
@pytest.mark.parametrize("ratio", [0.0, 0.75, 0.95])
def test_every_patch_is_rebuilt_in_pixel_space(class_token, ratio):
    architecture = Architecture(
        height=32, width=48, patch=8, encoder=(32, 2, 4), decoder=(16, 1, 2), class_token=class_token
    )
    model = MaskedAutoencoder(architecture)
    mask = random_mask(torch.arange(3), architecture.patches, ratio)
    assert model.encode(faces(), mask.keep).shape == (3, mask.keep.shape[1] + class_token, 32)
    assert model(faces(), mask).shape == (3, 24, 192)


def test_the_encoder_sees_nothing_of_hidden_patches():
    model = MaskedAutoencoder(SMALL)
    mask = random_mask(torch.arange(3), 24, 0.75)
    one, other = faces(seed=1), faces(seed=2)
    shown = mask.hidden.reshape(3, 1, 4, 6).repeat_interleave(8, 2).repeat_interleave(8, 3)
    mixed = torch.where(shown, other, one)
    assert torch.equal(model(one, mask), model(mixed, mask))
    assert not torch.equal(model(one, mask), model(other, mask))


def test_the_order_in_which_patches_are_seen_changes_nothing():
    model = MaskedAutoencoder(SMALL).double()
    mask = random_mask(torch.arange(3), 24, 0.75)
    order = mask.restore.argsort(1)
    visible = mask.keep.shape[1]
    turned = torch.cat([order[:, :visible].flip(1), order[:, visible:]], dim=1)
    again = mask._replace(keep=turned[:, :visible], restore=turned.argsort(1))
    assert torch.allclose(model(faces().double(), mask), model(faces().double(), again), atol=1e-12)


def test_patches_are_embedded_as_a_convolution_would():
    model = MaskedAutoencoder(SMALL)
    model.blocks = torch.nn.Sequential()
    model.norm = torch.nn.Identity()
    everything = torch.arange(24).expand(3, -1)
    projection = model.patch_embed.proj
    whole = conv2d(faces(), projection.weight, projection.bias, stride=8).flatten(2).transpose(1, 2)
    assert torch.allclose(model.encode(faces(), everything)[:, 1:], whole + model.pos_embed, atol=1e-5)


def test_equal_seeds_give_equal_weights_and_leave_the_global_state():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, again, other = (MaskedAutoencoder(SMALL, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one.decoder_pred.weight, other.decoder_pred.weight)


def test_weights_and_positions_bear_the_usual_names():
    names = set(MaskedAutoencoder(SMALL).state_dict())
    assert {"cls_token", "mask_token", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "norm.weight"} <= names
    assert {"decoder_embed.weight", "decoder_blocks.0.mlp.fc1.bias", "decoder_norm.bias", "decoder_pred.bias"} <= names
    assert {name for name in names if "pos_embed" in name} == {"pos_embed", "decoder_pos_embed"}


def test_base_is_the_published_size():
    encoder, decoder = SIZES["base"]
    architecture = Architecture(height=224, width=224, patch=16, encoder=encoder, decoder=decoder)
    with torch.device("meta"):
        model = MaskedAutoencoder(architecture)
    # facebook/vit-mae-base has 111,907,840 parameters, its fixed positions of 197 tokens counted
    total = sum(weight.numel() for weight in model.parameters())
    assert total == 111_907_840 - 197 * 768 - 197 * 512


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"patch": 10}, "patch 10 does not divide an image of 112 x 112"),
        ({"height": 100, "patch": 8}, "patch 8 does not divide an image of 100 x 112"),
        ({"encoder": (30, 1, 2)}, "encoder: 30 features; expected a multiple of 4"),
        ({"decoder": (32, 1, 5)}, "decoder: 32 features; .* of the 5 heads"),
    ],
)
def test_an_impossible_architecture_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Architecture(**wrong)


def test_images_of_another_size_are_refused():
    model = MaskedAutoencoder(SMALL)
    with pytest.raises(ValueError, match=r"images: expected \[B, 3, 32, 48\], got \[1, 3, 48, 32\]"):
        model(torch.zeros(1, 3, 48, 32), random_mask(torch.zeros(1, dtype=torch.int64), 24, 0.75))


def test_the_pixel_loss_is_the_formula():
    generator = torch.Generator().manual_seed(3)
    rebuilt, target = (torch.randn(2, 5, 12, generator=generator) for _ in range(2))
    hidden = torch.tensor([[1, 0, 1, 1, 0], [0, 1, 1, 0, 1]]).bool()
    errors = [[float(((rebuilt[b, n] - target[b, n]) ** 2).mean()) for n in range(5)] for b in range(2)]
    everywhere = [e for row in errors for e in row]
    masked = [errors[b][n] for b in range(2) for n in range(5) if hidden[b, n]]
    assert float(pixel_loss(rebuilt, target)) == pytest.approx(sum(everywhere) / 10)
    assert float(pixel_loss(rebuilt, target, hidden)) == pytest.approx(sum(masked) / 6)


def test_the_normalised_pixel_loss_compares_with_each_patch_made_standard():
    target = patchify(faces(), 8) * 3 + 1
    standard = torch.stack([(p - p.mean()) / (p.var() + 1e-6).sqrt() for p in target.flatten(0, 1)])
    assert float(pixel_loss(standard.reshape(target.shape), target, normalise=True)) == pytest.approx(0, abs=1e-10)
