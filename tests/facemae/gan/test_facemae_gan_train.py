import math
import pickle
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from facebench.facemae.gan import step as gan_step
from facebench.facemae.gan.networks import Shape
from facebench.facemae.gan.state import GanTraining, Networks, restore
from facebench.facemae.gan.step import GanBatch, GanLine, enlarge, gradient_penalty, shrink
from facebench.facemae.gan.train import train
from facebench.facemae.runtime.errors import TrainingError
from facebench.facemae.runtime.pixels import to_float
from torch import nn

CPU = torch.device("cpu")
SHAPE = Shape(code=8, resolution=28, nuisance=4, width=8)
PEOPLE, EACH = 6, 4
COMPARED = 2
"""How often the teacher is asked before the first step: its fast copy is compared with it."""


@cache
def faces() -> torch.Tensor:
    """Coarse pictures of six people, each in four colours."""
    generator = torch.Generator().manual_seed(0)
    own = torch.rand(PEOPLE, 1, 3, 4, 4, generator=generator)
    blocks = 0.6 * own + 0.4 * torch.rand(1, EACH, 3, 1, 1, generator=generator)
    smooth = nn.functional.interpolate(blocks.flatten(0, 1), size=(112, 112), mode="bilinear", align_corners=True)
    return (smooth * 255).round().to(torch.uint8)


PEOPLE_OF = torch.arange(PEOPLE).repeat_interleave(EACH)


def batches(epoch: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    order = torch.randperm(PEOPLE * EACH, generator=torch.Generator().manual_seed(epoch))
    return [(faces()[rows], PEOPLE_OF[rows]) for rows in order.split(8)]


def a_teacher() -> nn.Module:
    """Linear features of coarse colours, of mean 0 over the faces, so that people lie in all directions."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        network = nn.Sequential(nn.AvgPool2d(16), nn.Flatten(), nn.Linear(3 * 7 * 7, 8)).eval()
        network[2].bias -= network(to_float(faces())).mean(0)
    return network


@cache
def codes() -> torch.Tensor:
    with torch.inference_mode():
        features = a_teacher()(to_float(faces())).reshape(PEOPLE, EACH, 8).mean(1)
    return nn.functional.normalize(features, dim=1).clone()


def run(how: GanTraining, *, seed: int = 0, kept: Path | None = None, teacher: nn.Module | None = None, **more):
    lines: list[GanLine] = []
    average = to_float(faces()).mean(0, keepdim=True)
    generator = train(
        SHAPE,
        more.pop("batches", batches),
        codes(),
        how,
        average=average,
        teacher=teacher or a_teacher(),
        seed=seed,
        device=CPU,
        kept=kept,
        record=lines.append,
        **more,
    )
    return generator, lines


def equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("loss", "weights"),
    [("identity", {"rebuild_weight": 0}), ("rebuild", {"identity_weight": 0, "rebuild_weight": 100})],
)
def test_training_lowers_the_loss_that_has_weight(loss, weights):
    generator, lines = run(GanTraining(steps=50, lr=1e-2, **weights))
    assert [line.step for line in lines] == list(range(1, 51))
    before, after = (sum(getattr(line, loss) for line in part) for part in (lines[:5], lines[-5:]))
    assert after < 0.85 * before
    assert not generator.training
    assert not any(weight.requires_grad for weight in generator.parameters())
    assert float((generator.average - shrink(to_float(faces()).mean(0, keepdim=True), 28)).abs().max()) == 0


def test_the_first_steps_only_rebuild_and_leave_discriminator_and_teacher_alone():
    asked: list[int] = []
    teacher = a_teacher()
    teacher.register_forward_hook(lambda *_: asked.append(1))
    lines = run(GanTraining(steps=40, lr=1e-2, adversarial_start=0.9), teacher=teacher)[1]
    assert len(asked) == COMPARED + 4
    assert [line.step for line in lines if line.identity or line.discriminator] == [37, 38, 39, 40]
    assert lines[35].rebuild < 0.8 * lines[0].rebuild


def test_all_losses_are_there_from_the_first_step_where_nothing_is_rebuilt():
    _, lines = run(GanTraining(steps=2, rebuild_weight=0, adversarial_start=1))
    assert all(line.identity > 0 and line.discriminator > 0 for line in lines)


def test_new_people_come_to_look_like_their_code():
    generator, _ = run(GanTraining(steps=50, lr=5e-3, identity_weight=3))
    torch.manual_seed(0)
    batch = GanBatch(
        faces()[:8], PEOPLE_OF[:8], codes(), SHAPE, GanTraining(steps=1), torch.Generator().manual_seed(9), CPU
    )
    with torch.inference_mode():
        seen = a_teacher()(enlarge(generator(batch.wanted, batch.normal)).clamp(-1, 1))
        likeness = nn.functional.cosine_similarity(seen[:, None], batch.wanted[None], dim=2)
    mixed = likeness[batch.known :, batch.known :]
    assert float(mixed.diagonal().mean()) > float(mixed.mean()) + 0.1


def test_half_of_the_wanted_are_training_people_and_half_are_mixes_within_the_range():
    draw = torch.Generator().manual_seed(0)
    batch = GanBatch(faces()[:9], PEOPLE_OF[:9], codes(), SHAPE, GanTraining(steps=1, mix=(0.5, 0.5)), draw, CPU)
    assert batch.known == 5
    nearest = (batch.wanted @ codes().T).topk(2, dim=1)
    assert torch.allclose(nearest.values[:5, 0], torch.ones(5), atol=1e-5)
    mixes = codes()[nearest.indices[5:]].sum(1)
    assert batch.asked[:, 0].tolist() == [True] * 5 + [False] * 4
    assert (nn.functional.cosine_similarity(mixes, batch.wanted[5:]) > 0.9).all()
    assert (nearest.values[5:, 0] < 0.9999).all()


def test_equal_seeds_give_equal_generators_and_others_do_not():
    how = GanTraining(steps=4)
    (one, lines), (again, same), (other, _) = (run(how, seed=seed) for seed in (3, 3, 4))
    assert lines == same
    assert equal(one, again)
    assert not equal(one, other)


def test_the_global_random_state_is_left():
    torch.manual_seed(9)
    before = torch.get_rng_state()
    run(GanTraining(steps=2))
    assert torch.equal(torch.get_rng_state(), before)


class Killed(Exception):
    """Ctrl-C, at a known step."""


def killed_at(step: int):
    def record(line: GanLine) -> None:
        if line.step == step:
            raise Killed

    return record


@pytest.mark.parametrize("more", [{}, {"rebuild_weight": 0.0}, {"adversarial_start": 0.5}, {"adversarial_start": 0.8}])
def test_a_killed_training_goes_on_to_the_weights_it_would_have_had(tmp_path, monkeypatch, more):
    monkeypatch.setattr(GanTraining, "keep_every", 4)
    how = GanTraining(steps=9, augment=("colour", "translation", "cutout"), **more)
    whole, lines = run(how)
    kept = tmp_path / "state.pt"
    average = to_float(faces()).mean(0, keepdim=True)
    for step in (6, 9):
        with pytest.raises(Killed):
            train(
                SHAPE,
                batches,
                codes(),
                how,
                average=average,
                teacher=a_teacher(),
                seed=0,
                device=CPU,
                kept=kept,
                record=killed_at(step),
            )
    asked: list[torch.Tensor] = []
    teacher = a_teacher()
    teacher.register_forward_hook(lambda *_: asked.append(torch.zeros(0)))
    resumed, again = run(how, kept=kept, teacher=teacher)
    assert len(asked) == COMPARED + 1  # step 9 alone: the last state kept is that after step 8
    assert equal(whole, resumed)
    assert again == lines


class Harm:
    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self):
        return Path.mkdir, (self.touched,)


@pytest.mark.parametrize("kind", ["truncated", "hostile", "other shape", "other rate", "odd", "not finite"])
def test_a_state_that_does_not_fit_is_trained_anew_and_runs_nothing(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(GanTraining, "keep_every", 2)
    how, kept, average = GanTraining(steps=5), tmp_path / "state.pt", torch.zeros(1, 3, 28, 28)
    whole, lines = run(how, kept=kept)
    good = kept.read_bytes()
    assert len(restore(kept, SHAPE, how, average=average, seed=0, device=CPU)[1]) == 4
    state = torch.load(kept, weights_only=True)
    if kind == "truncated":
        kept.write_bytes(good[: len(good) // 2])
    elif kind == "hostile":
        kept.write_bytes(pickle.dumps(Harm(tmp_path / "ran")))
    elif kind == "other shape":
        state["networks"]["generator"]["constant"] = torch.zeros(1)
        torch.save(state, kept)
    elif kind == "other rate":
        state["optimizers"][0]["param_groups"][0]["lr"] = 1.0
        torch.save(state, kept)
    elif kind == "odd":
        torch.save({"lines": [1, 2], "networks": 3}, kept)
    else:
        state["lines"][0, 1] = math.nan
        torch.save(state, kept)
    assert restore(kept, SHAPE, how, average=average, seed=0, device=CPU)[1] == []
    again, same = run(how, kept=kept)
    assert equal(whole, again)
    assert same == lines
    assert not (tmp_path / "ran").exists()


def test_a_loss_that_becomes_nan_stops_and_says_when():
    teacher = a_teacher()
    seen = 0

    def poison(module: nn.Module, args: object, output: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += 1
        return output * math.nan if seen == COMPARED + 3 else output

    teacher.register_forward_hook(poison)
    with pytest.raises(TrainingError, match=r"diverged at step 3 of 9: expected finite .* identity nan"):
        run(GanTraining(steps=9), teacher=teacher)


def test_no_batches_is_an_error_and_not_an_endless_loop():
    with pytest.raises(TrainingError, match="no faces to train on: epoch 0"):
        run(GanTraining(steps=2), batches=lambda epoch: [])


def test_r1_of_a_linear_judgement_is_the_squared_norm_of_its_weights():
    weight = torch.randn(3, 5, 5, generator=torch.Generator().manual_seed(0))
    penalty = gradient_penalty(lambda x: (x * weight).sum((1, 2, 3)), torch.zeros(4, 3, 5, 5))
    assert float(penalty) == pytest.approx(float(weight.square().sum()), rel=1e-5)


def test_r1_is_computed_in_the_first_and_in_every_sixteenth_step_after_it():
    _, lines = run(GanTraining(steps=18))
    assert lines[0].r1 > 0
    assert [b.step for a, b in pairwise(lines) if a.r1 != b.r1] == [17]
    assert all(line.r1 == 0 for line in run(GanTraining(steps=3, r1_weight=0))[1])


def test_without_an_encoder_nothing_is_rebuilt():
    _, lines = run(GanTraining(steps=3, rebuild_weight=0))
    assert [line.rebuild for line in lines] == [0, 0, 0]


def test_the_average_follows_the_generator():
    how = GanTraining(steps=100, average=0.9)
    networks = Networks(SHAPE, how, average=torch.zeros(1, 3, 28, 28), seed=0, device=CPU)
    own, other = networks.average.constant.clone(), networks.generator.constant
    other.data += 1
    networks.follow(how, 10)  # 1 - 10 / 20 = 0.5
    assert torch.allclose(networks.average.constant, own + 0.5)
    networks.follow(how, 1000)  # 0.9 at most
    assert torch.allclose(networks.average.constant, own + 0.55)


def test_faces_are_shrunk_to_means_and_enlarged_between():
    picture = torch.arange(112.0).expand(1, 3, 112, 112)
    assert torch.allclose(shrink(picture, 28)[0, 0, 0], torch.arange(28.0) * 4 + 1.5)
    assert torch.allclose(enlarge(shrink(picture, 28))[..., 2:-2], picture[..., 2:-2], atol=1e-4)
    assert shrink(picture, 112) is picture
    assert enlarge(picture) is picture


def test_training_in_bfloat16_stays_near_that_in_float32(monkeypatch):
    _, exact = run(GanTraining(steps=3))
    monkeypatch.setattr(gan_step, "autocast", lambda device: torch.autocast(device.type, torch.bfloat16))
    generator, rough = run(GanTraining(steps=3))
    assert generator(codes(), torch.zeros(PEOPLE, 4)).dtype == torch.float32
    assert exact != rough
    for one, other in zip(exact, rough, strict=True):
        assert other.rebuild == pytest.approx(one.rebuild, rel=0.05)
        assert other.identity == pytest.approx(one.identity, rel=0.1)
