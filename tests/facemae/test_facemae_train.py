import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from facebench.facemae import weights
from facebench.facemae.model import Architecture, MaskedAutoencoder, pixel_loss
from facebench.facemae.objective import Losses, Objective, published, relation
from facebench.facemae.patches import patchify, random_mask
from facebench.facemae.relation import Memory, relation_loss
from facebench.facemae.runtime.checkpoint import WeightsError
from facebench.facemae.runtime.errors import TrainingError
from facebench.facemae.runtime.pixels import to_float
from facebench.facemae.schedule import learning_rate
from facebench.facemae.train import Line, Portion, Training, train
from torch import nn

SMALL = Architecture(height=16, width=24, patch=8, encoder=(32, 2, 4), decoder=(32, 1, 4))
CPU = torch.device("cpu")


def images(count: int = 8) -> torch.Tensor:
    """Smooth pictures: what is hidden can be told from what is not."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(count, 3, 2, 2, generator=generator)
    smooth = nn.functional.interpolate(corners, size=(16, 24), mode="bilinear", align_corners=True)
    return (smooth * 255).round().to(torch.uint8)


def a_teacher() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Tanh(), nn.Flatten(), nn.Linear(8 * 4 * 6, 16)).eval()


def run(how: Training, *, seed: int = 0, teacher: nn.Module | None = None) -> tuple[MaskedAutoencoder, list[Line]]:
    model = MaskedAutoencoder(SMALL, seed=seed)
    lines: list[Line] = []
    train(model, lambda ask: [images()], how, teacher=teacher, seed=seed, device=CPU, record=lines.append)
    return model, lines


@pytest.mark.parametrize(("compose", "relation", "pixel"), [("rebuilt", 1, 0), ("pasted", 0, 1), ("rebuilt", 1, 1)])
def test_training_lowers_the_loss(compose, relation, pixel):
    how = Training(steps=80, lr=3e-3, compose=compose, relation_weight=relation, pixel_weight=pixel)
    _, lines = run(how, teacher=a_teacher())
    assert [line.step for line in lines] == list(range(1, 81))
    before, after = (sum(line.loss for line in part) for part in (lines[:10], lines[-10:]))
    assert after < 0.7 * before


def test_the_recorded_loss_is_the_weighted_sum():
    _, lines = run(Training(steps=3, lr=1e-3, relation_weight=7, pixel_weight=0.3), teacher=a_teacher())
    for line in lines:
        assert line.loss == pytest.approx(7 * line.relation + 0.3 * line.pixel, rel=1e-5)


def objective(model, faces, mask, how, teacher):
    """Relation and pixel loss, as a step has them."""
    pixel, private = Losses(model, how)(faces, mask)
    return relation(private, faces, teacher, how, Memory(how.memory)), pixel


@pytest.mark.parametrize("compose", ["rebuilt", "pasted"])
def test_the_objective_is_its_two_formulas(compose):
    model, teacher, faces = MaskedAutoencoder(SMALL), a_teacher(), to_float(images())
    mask = random_mask(torch.arange(8), 6, 0.5)
    matched, pixel = objective(model, faces, mask, Training(steps=1, lr=1, compose=compose), teacher)
    rebuilt, target = model(faces, mask).detach(), patchify(faces, 8)
    hidden = None if compose == "rebuilt" else mask.hidden
    assert pixel.item() == pytest.approx(float(pixel_loss(rebuilt, target, hidden)))
    published = rebuilt.clamp(-1, 1)
    if compose == "pasted":
        published = torch.where(mask.hidden[..., None], published, target)
    cut = published.reshape(8, 2, 3, 8, 8, 3).permute(0, 5, 1, 3, 2, 4).reshape(8, 3, 16, 24)
    assert matched.item() == pytest.approx(float(relation_loss(teacher(cut), teacher(faces)).detach()), rel=1e-5)


def test_the_relation_loss_alone_trains_encoder_and_decoder_and_no_teacher():
    model, teacher = MaskedAutoencoder(SMALL), a_teacher().requires_grad_(False)
    mask = random_mask(torch.arange(8), 6, 0.5)
    matched, _ = objective(model, to_float(images()), mask, Training(steps=1, lr=1), teacher)
    matched.backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())
    assert all(weight.grad is None for weight in teacher.parameters())


def test_equal_seeds_give_equal_weights_and_others_do_not():
    how = Training(steps=8, lr=1e-3)
    (one, lines), (again, same), (other, _) = (run(how, seed=s, teacher=a_teacher()) for s in (3, 3, 4))
    assert lines == same
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one.decoder_pred.weight, other.decoder_pred.weight)
    assert not one.training


def test_training_leaves_the_global_random_state():
    torch.manual_seed(9)
    before = torch.get_rng_state()
    run(Training(steps=2, lr=1e-3), teacher=a_teacher())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_loss_that_becomes_nan_stops_and_says_when():
    teacher = a_teacher()
    seen = 0

    def poison(module: nn.Module, args: object, output: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += 1
        return output * math.nan if seen > 4 else output  # two calls a step

    teacher.register_forward_hook(poison)
    model = MaskedAutoencoder(SMALL)
    with pytest.raises(TrainingError, match=r"step 3 of 9 with learning rate 0\.\d+: expected finite .* relation nan"):
        train(model, lambda ask: [images()], Training(steps=9, lr=1e-2), teacher=teacher, seed=0, device=CPU)
    assert all(torch.isfinite(weight).all() for weight in model.parameters())


def test_no_batches_is_an_error_and_not_an_endless_loop():
    with pytest.raises(TrainingError, match="no faces to train on: epoch 0"):
        train(
            MaskedAutoencoder(SMALL), lambda ask: [], Training(steps=2, lr=1), teacher=a_teacher(), seed=0, device=CPU
        )


def test_a_missing_teacher_is_told():
    with pytest.raises(TrainingError, match="expected a teacher, got none"):
        run(Training(steps=1, lr=1e-3))


def test_no_teacher_is_asked_where_relations_have_no_weight():
    _, lines = run(Training(steps=2, lr=1e-3, relation_weight=0))
    assert [line.relation for line in lines] == [0, 0]


def test_batches_are_asked_for_epoch_by_epoch():
    asked: list[int] = []
    told: list[tuple[int, int]] = []

    def batches(ask: Portion) -> list[torch.Tensor]:
        asked.append(ask.epoch)
        return [images(), images()]

    how = Training(steps=7, lr=1e-3, relation_weight=0)
    model = MaskedAutoencoder(SMALL)
    train(model, batches, how, teacher=None, seed=0, device=CPU, progress=lambda *at: told.append(at))
    assert asked == [0, 1, 2, 3]
    assert told[-1] == (7, 7)


def test_half_of_the_faces_are_mirrored():
    lopsided = torch.zeros(64, 3, 16, 24, dtype=torch.uint8)
    lopsided[..., :12] = 255
    seen: list[torch.Tensor] = []
    model = MaskedAutoencoder(SMALL)
    model.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    for flip in (True, False):
        how = Training(steps=1, lr=1e-3, relation_weight=0, flip=flip)
        train(model, lambda ask: [lopsided], how, teacher=None, seed=0, device=CPU)
    mirrored = [int((faces[:, 0, 0, 0] < 0).sum()) for faces in seen]
    assert 16 < mirrored[0] < 48
    assert mirrored[1] == 0


def test_the_learning_rate_rises_and_falls():
    rates = [learning_rate(step, 100, lr=2.0, warmup=0.1) for step in range(1, 101)]
    assert rates[:10] == pytest.approx([0.2 * step for step in range(1, 11)])
    assert rates[54] == pytest.approx(1 + math.cos(math.pi * 45 / 91))
    assert all(a > b for a, b in pairwise(rates[9:]))
    assert 0 < rates[-1] < 0.01
    assert learning_rate(1, 1, lr=2.0, warmup=0.1) == 2.0


def test_weights_are_one_file_of_one_architecture(tmp_path):
    model = MaskedAutoencoder(SMALL, seed=3).eval()
    weights.save(model, tmp_path / "model.safetensors", metadata={"who": "a test"})
    again = weights.load(tmp_path / "model.safetensors", SMALL, device=CPU)
    mask = random_mask(torch.arange(8), 6, 0.5)
    assert torch.equal(again(to_float(images()), mask), model(to_float(images()), mask))
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    wider = Architecture(height=16, width=24, patch=8, encoder=(64, 2, 4), decoder=(32, 1, 4))
    with pytest.raises(WeightsError, match=r"expected shape \[64\] of MaskedAutoencoder, got \[32\]"):
        weights.load(tmp_path / "model.safetensors", wider, device=CPU)


def weights_of(model: nn.Module) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in model.parameters()]


@pytest.mark.parametrize("changed", [{"accumulate": 4}, {"accumulate": 3}, {"checkpointing": True}])
def test_saving_memory_changes_no_weights_but_by_rounding(changed):
    how = Training(steps=4, lr=1e-3, relation_weight=0, pixel_weight=1)
    (one, lines), (other, same) = run(how), run(replace(how, **changed))
    assert [line.pixel for line in lines] == pytest.approx([line.pixel for line in same], rel=1e-4)
    for ours, theirs in zip(weights_of(one), weights_of(other), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-4)


def test_the_running_mean_of_the_weights_is_what_comes_out():
    model, seen = MaskedAutoencoder(SMALL), []
    how = Training(steps=3, lr=1e-2, relation_weight=0, ema=0.15)
    train(model, lambda ask: [images()], how, teacher=None, seed=0, device=CPU,
          record=lambda line: seen.append(weights_of(model)))  # fmt: skip
    # the first step's weights begin the mean; then as much is kept as steps allow, here 2 / 11, and 0.15 at most
    for first, second, third, got in zip(*seen, weights_of(model), strict=True):
        mean = 0.85 * third + 0.15 * (0.85 * second + 0.15 * first)
        torch.testing.assert_close(got, mean, rtol=1e-4, atol=1e-6)


def test_relations_may_join_late():
    teacher, calls = a_teacher(), []
    teacher.register_forward_hook(lambda *_: calls.append(1))
    _, lines = run(Training(steps=8, lr=1e-3, relation_start=0.75), teacher=teacher)
    assert [line.relation > 0 for line in lines] == [False] * 6 + [True] * 2
    assert all(line.pixel > 0 for line in lines)


def test_a_ratio_may_be_drawn_for_every_step():
    seen: list[float] = []
    model = MaskedAutoencoder(Architecture(height=64, width=64, patch=8, encoder=(32, 1, 4), decoder=(32, 1, 4)))
    model.register_forward_pre_hook(lambda module, args: seen.append(args[1].hidden.float().mean().item()))
    faces = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    how = Training(steps=40, lr=1e-4, relation_weight=0, ratio=(0.5, 0.9))
    train(model, lambda ask: [faces], how, teacher=None, seed=0, device=CPU)
    assert 0.5 <= min(seen) < 0.6
    assert 0.8 < max(seen) <= 0.9
    assert len(set(seen)) > 10


def test_normalised_patches_are_published_with_the_brightness_of_the_visible_ones():
    faces = to_float(images())
    mask = random_mask(torch.arange(8), 6, 0.5)
    flat = torch.zeros(8, 6, 8 * 8 * 3)
    private = published(flat, faces, mask, 8, Objective(normalised=True))
    seen = patchify(faces, 8).gather(1, mask.keep[..., None].expand(-1, -1, 192))
    assert torch.allclose(private.mean((1, 2, 3)), seen.mean((1, 2)), atol=1e-5)
    assert private.flatten(1).std(dim=1).max() < 1e-5
    _, lines = run(Training(steps=40, lr=3e-3, relation_weight=0, pixel_weight=1, normalised=True))
    assert lines[-1].loss < lines[0].loss
