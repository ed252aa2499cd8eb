"""Published checkpoints under three naming schemes, and equality with the implementation of `transformers`."""

import pickle
from typing import Any

import pytest
import timm
import torch
from facebench.facemae.model import Architecture, MaskedAutoencoder, pixel_loss, sine_cosine
from facebench.facemae.patches import patchify, random_mask, unpatchify
from facebench.facemae.pretrained import begin_from
from facebench.facemae.runtime.checkpoint import WeightsError
from safetensors.torch import save_file
from transformers import ViTMAEConfig, ViTMAEForPreTraining

TINY = Architecture(height=32, width=32, patch=8, encoder=(48, 2, 4), decoder=(32, 1, 4))


def peer(*, normalised: bool = False) -> ViTMAEForPreTraining:
    torch.manual_seed(0)
    config = ViTMAEConfig(
        image_size=32, patch_size=8, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=192,
        decoder_hidden_size=32, decoder_num_hidden_layers=1, decoder_num_attention_heads=4,
        decoder_intermediate_size=128, layer_norm_eps=1e-6, mask_ratio=0.75, norm_pix_loss=normalised,
    )  # fmt: skip
    network = ViTMAEForPreTraining(config).eval()
    with torch.no_grad():  # its initial weights are so small that much could be wrong unseen
        for weight in network.parameters():
            if weight.requires_grad:
                weight.normal_(std=0.2)
    return network


@pytest.mark.parametrize("normalised", [False, True])
def test_equal_weights_give_the_loss_and_the_pixels_of_vitmae(tmp_path, normalised):
    theirs, ours = peer(normalised=normalised), MaskedAutoencoder(TINY).eval()
    save_file({name: weight.contiguous() for name, weight in theirs.state_dict().items()}, tmp_path / "mae.safetensors")
    taken = begin_from(ours, tmp_path / "mae.safetensors", pixels="symmetric")
    assert not (taken.missing or taken.unused or taken.resized)
    images = torch.randn(5, 3, 32, 32)
    mask = random_mask(torch.arange(5), 16, 0.75)
    with torch.no_grad():
        wanted = theirs(images, noise=mask.restore.float())  # it hides the patches with the highest numbers
        rebuilt = ours(images, mask)
        loss = pixel_loss(rebuilt, patchify(images, 8), mask.hidden, normalise=normalised)
    assert torch.equal(wanted.mask.bool(), mask.hidden)
    assert loss.item() == pytest.approx(wanted.loss.item(), rel=1e-5)
    torch.testing.assert_close(rebuilt, wanted.logits, atol=1e-5, rtol=1e-5)
    pictures = theirs.unpatchify(wanted.logits)
    torch.testing.assert_close(unpatchify(rebuilt, 8, height=32, width=32), pictures, atol=1e-5, rtol=1e-5)


def older_names(state):
    """As published checkpoints of ViTMAE call their weights."""
    for new, old in {
        "layers.": "encoder.layer.", "attention.q_proj": "attention.attention.query",
        "attention.k_proj": "attention.attention.key", "attention.v_proj": "attention.attention.value",
        "attention.o_proj": "attention.output.dense", "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense",
    }.items():  # fmt: skip
        state = {
            name.replace("vit." + new, "vit." + old).replace("decoder_" + new, "decoder_layers.")
            if new == "layers." else name.replace(new, old): weight
            for name, weight in state.items()
        }  # fmt: skip
    return state


def test_older_and_newer_names_of_vitmae_are_the_same_weights(tmp_path):
    state = {name: weight.contiguous() for name, weight in peer().state_dict().items()}
    renamed = older_names(state)
    assert "vit.encoder.layer.1.attention.attention.key.bias" in renamed
    assert "decoder.decoder_layers.0.output.dense.weight" in renamed
    one, other = MaskedAutoencoder(TINY), MaskedAutoencoder(TINY, seed=1)
    save_file(state, tmp_path / "new.safetensors")
    torch.save({"model": renamed}, tmp_path / "old.pth")
    assert begin_from(one, tmp_path / "new.safetensors") == begin_from(other, tmp_path / "old.pth")
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_pixels_of_imagenet_scaling_look_as_they_did(tmp_path):
    model = MaskedAutoencoder(TINY).eval()
    torch.save(model.state_dict(), tmp_path / "model.pth")
    begun = MaskedAutoencoder(TINY, seed=5).eval()
    begin_from(begun, tmp_path / "model.pth", pixels="imagenet")
    shown = torch.rand(3, 3, 32, 32)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    theirs = (shown - mean[:, None, None]) / std[:, None, None]
    keep = random_mask(torch.arange(3), 16, 0.5).keep
    torch.testing.assert_close(begun.encode(shown * 2 - 1, keep), model.encode(theirs, keep), atol=1e-5, rtol=1e-5)


def test_a_vit_of_timm_fills_the_encoder_and_the_rest_is_listed(tmp_path):
    torch.manual_seed(0)
    vit: Any = timm.create_model(
        "vit_tiny_patch16_224", pretrained=False, img_size=64, patch_size=8, embed_dim=48, depth=2, num_heads=4,
        num_classes=7,
    ).eval()  # fmt: skip
    with torch.no_grad():
        vit.cls_token.normal_()
        vit.pos_embed.normal_()
    torch.save(vit.state_dict(), tmp_path / "vit.pth")
    same = Architecture(height=64, width=64, patch=8, encoder=(48, 2, 4), decoder=(32, 1, 4))
    model = MaskedAutoencoder(same).eval()
    taken = begin_from(model, tmp_path / "vit.pth", pixels="symmetric")
    assert taken.unused == ("head.bias", "head.weight")
    assert all(name.startswith(("decoder", "mask_token")) for name in taken.missing)
    images = torch.randn(2, 3, 64, 64)
    everything = torch.arange(64).expand(2, -1)
    torch.testing.assert_close(model.encode(images, everything), vit.forward_features(images), atol=1e-4, rtol=1e-4)


def test_kernels_and_positions_of_another_size_are_resampled(tmp_path):
    fine = MaskedAutoencoder(TINY)
    torch.save(fine.state_dict(), tmp_path / "fine.pth")
    coarse = Architecture(height=32, width=64, patch=16, encoder=(48, 2, 4), decoder=(32, 1, 4))
    model = MaskedAutoencoder(coarse, seed=1)
    # positions of MAE's own files have a class token in front
    state = {**fine.state_dict(), "pos_embed": torch.cat([torch.zeros(1, 1, 48), fine.pos_embed], dim=1)}
    torch.save(state, tmp_path / "fine.pth")
    taken = begin_from(model, tmp_path / "fine.pth", pixels="symmetric")
    assert set(taken.resized) == {"patch_embed.proj.weight", "pos_embed", "decoder_pos_embed"}
    assert {"decoder_pred.weight", "decoder_pred.bias"} <= set(taken.missing)
    places = model.pos_embed[0]  # two rows of four
    assert places.shape == (8, 48)
    nearest = torch.cdist(places, sine_cosine(48, (4, 4))).argmin(1)
    rows, columns = nearest // 4, nearest % 4
    assert columns.reshape(2, 4).tolist() == [[0, 1, 2, 3]] * 2
    assert (rows.reshape(2, 4)[0] < rows.reshape(2, 4)[1]).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"patch_embed.proj.weight": torch.zeros(99, 3, 8, 8)}, "expected a vision transformer of .*48.* choose"),
        ({"model": "text"}, "expected a vision transformer"),
        ([torch.zeros(3)], "expected a state dict of names to tensors"),
        ({3: torch.zeros(3)}, "expected a state dict of names to tensors"),
    ],
)
def test_what_does_not_fit_at_all_is_refused_and_the_model_is_as_it_was(tmp_path, content, message):
    torch.save(content, tmp_path / "file.pth")
    model = MaskedAutoencoder(TINY)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        begin_from(model, tmp_path / "file.pth")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_weights_that_are_not_finite_are_refused(tmp_path):
    state = MaskedAutoencoder(TINY).state_dict()
    state["norm.bias"] = state["norm.bias"] + float("nan")
    torch.save(state, tmp_path / "file.pth")
    with pytest.raises(WeightsError, match=r"norm\.bias: expected finite"):
        begin_from(MaskedAutoencoder(TINY), tmp_path / "file.pth")


class Harm:
    def __reduce__(self):
        return exec, ("raise SystemExit",)


def test_a_hostile_checkpoint_runs_nothing(tmp_path):
    (tmp_path / "file.pth").write_bytes(pickle.dumps({"model": Harm()}))
    (tmp_path / "file.safetensors").write_bytes(b"\xff" * 100)
    for name in ("file.pth", "file.safetensors"):
        with pytest.raises(WeightsError, match="cannot be read"):
            begin_from(MaskedAutoencoder(TINY), tmp_path / name)
