import numpy as np
import pytest
import torch
from facebench.facemae.gan.codes import EACH, CodesError, Seen, look
from facebench.facemae.gan.measures import accept_threshold, accepted, frechet, variety
from facebench.facemae.gan.networks import Generator, Shape
from facebench.facemae.gan.quality import Collapse, assess
from facebench.facemae.gan.sample import Sampler, draw_nuisance, draw_people, pairs
from facebench.facemae.runtime.randomness import key_of_seed
from torch import nn

CPU = torch.device("cpu")
SHAPE = Shape(code=16, resolution=28, nuisance=4, width=16)


def a_teacher() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3 * 14 * 14, 16)).eval()


def real_faces(people: int = 12, each: int = 5) -> tuple[torch.Tensor, np.ndarray]:
    """Blocks of colours, a little other in every picture of a person."""
    generator = torch.Generator().manual_seed(3)
    own = torch.rand(people, 1, 3, 7, 7, generator=generator)
    blocks = 0.7 * own + 0.3 * torch.rand(people, each, 3, 7, 7, generator=generator)
    images = (blocks.flatten(0, 1).repeat_interleave(16, 2).repeat_interleave(16, 3) * 255).to(torch.uint8)
    return images, np.repeat(np.arange(people), each)


def look_at(images: torch.Tensor, labels: np.ndarray, identities: int, teacher: nn.Module | None = None) -> Seen:
    batches = [
        (np.arange(at, min(at + 7, len(images))), images[at : at + 7], torch.from_numpy(labels[at : at + 7]))
        for at in range(0, len(images), 7)
    ]
    return look(batches, len(images), identities, teacher or a_teacher(), seed=0, device=CPU)


def a_sampler(seen: Seen, *, strength: float = 1.0, nuisance: float = 1.0) -> Sampler:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(SHAPE)
    for name, value in generator.pictures.named_parameters():
        if not name.endswith(("style.weight", "bias")):
            value.data *= 10 * strength
    generator.nuisance.weight.data *= nuisance
    return Sampler(generator.requires_grad_(False), seen.codes, mix=(0.3, 0.7), key=bytes(32))


def test_the_frechet_distance_of_two_normals_is_the_formula():
    # means 0 and 3, variances 2 and 8: 9 + 2 + 8 - 2 * sqrt(16) = 11
    assert frechet(np.array([[-1.0], [1.0]]), np.array([[1.0], [5.0]])) == pytest.approx(11)
    rng = np.random.default_rng(0)
    one = rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6))
    assert frechet(one, one) == pytest.approx(0, abs=1e-8)
    assert frechet(one, one + 2) == pytest.approx(24)


def test_the_frechet_distance_agrees_with_the_root_of_a_matrix():
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(80, 5)) @ rng.normal(size=(5, 5)), rng.normal(size=(70, 5)) + 1
    left, right = np.cov(one.T), np.cov(other.T)
    expected = np.square(one.mean(0) - other.mean(0)).sum() + np.trace(left + right - 2 * sqrtm(left @ right).real)
    assert frechet(one, other) == pytest.approx(expected, rel=1e-6)


def test_one_in_a_hundred_impostors_passes_the_threshold():
    # 201 people on an arc: 20,100 pairs, of which the 200 neighbours are the most alike and 199 skip one
    angles = np.linspace(0, 1, 201)
    arc = np.stack([np.cos(angles), np.sin(angles)], 1)
    threshold = accept_threshold(arc, np.arange(201))
    assert threshold == pytest.approx(np.cos(2 / 200))  # 201 pairs may pass: the 200 neighbours, and one that ties
    assert accepted(arc, np.arange(201), np.cos(1.5 / 200))[1] == pytest.approx(200 / 20_100)


def test_pairs_above_the_threshold_are_counted_apart_for_one_person_and_for_two():
    angles = np.radians([0, 10, 90, 100, 180, 240])
    features = np.stack([np.cos(angles), np.sin(angles)], 1)
    people = np.array([0, 0, 1, 1, 2, 2])  # 10, 10 and 60 degrees apart; impostors 80 degrees or more
    assert accept_threshold(features, people) == pytest.approx(np.cos(np.radians(80)))
    assert accepted(features, people, np.cos(np.radians(30))) == (pytest.approx(2 / 3), 0)
    assert accepted(features, people, np.cos(np.radians(85))) == (1, pytest.approx(2 / 12))  # 10-90 and 100-180


def test_measures_of_no_pairs_are_nan():
    images, _ = real_faces()
    alone = np.arange(4)
    assert np.isnan(accepted(np.eye(4), alone, 0.5)[0])
    assert np.isnan(accept_threshold(np.eye(4), np.zeros(4, dtype=np.int64)))
    assert np.isnan(accepted(np.eye(4), alone, float("nan"))).all()
    assert np.isnan(variety(images[:4], alone).within)
    assert np.isnan(variety(images[:4], np.zeros(4, dtype=np.int64)).between)


def test_variety_is_the_root_mean_square_distance_in_grey_levels():
    flat = torch.stack([torch.full((3, 112, 112), value, dtype=torch.uint8) for value in (10, 14, 110, 116)])
    within, between = variety(flat, np.array([0, 0, 1, 1]))
    assert within == pytest.approx(5)  # 4 and 6
    assert between == pytest.approx((100 + 106 + 96 + 102) / 4)


def test_real_faces_become_mean_codes_of_people_who_have_a_face():
    images, labels = real_faces(people=3, each=5)
    labels = np.where(labels == 2, 4, labels)  # labels 2 and 3 have no face
    seen = look_at(images, labels, 6)
    assert seen.rows.tolist() == [0, 1, -1, -1, 2, -1]
    teacher = a_teacher()
    with torch.inference_mode():
        floats = images.float() / 127.5 - 1
        features = nn.functional.normalize(teacher(floats) + teacher(floats.flip(3)), dim=1)
    expected = nn.functional.normalize(features.reshape(3, 5, 16).mean(1), dim=1)
    assert torch.allclose(seen.codes, expected, atol=1e-5)
    assert torch.allclose(seen.average[0], floats.mean(0), atol=1e-5)
    assert np.bincount(seen.people).tolist() == [EACH, EACH, 0, 0, EACH]
    assert torch.allclose(
        torch.from_numpy(seen.features), features[[0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13]], atol=1e-5
    )


def test_one_person_or_features_that_are_not_finite_are_told():
    images, labels = real_faces(people=2)
    with pytest.raises(CodesError, match="faces of 1 people"):
        look_at(images[:5], labels[:5], 2)
    teacher = a_teacher()
    teacher[2].weight.data.fill_(torch.inf)
    with pytest.raises(CodesError, match="expected finite features"):
        look_at(images, labels, 2, teacher)


def test_a_working_generator_is_measured():
    seen = look_at(*real_faces(), 12)
    quality, grid = assess(a_sampler(seen), seen, a_teacher(), least=0.25, device=CPU)
    assert grid.shape == (6, 8, 3, 112, 112)
    assert grid.dtype == torch.uint8
    assert (quality["new_people"], quality["faces"], quality["real_faces"]) == (6, 24, 48)
    assert quality["frechet_n"] == quality["frechet_of_real_n"] == [24, 24]
    assert quality["frechet"] > quality["frechet_of_real"] > 0
    assert 0 <= quality["consistency"] <= 1
    assert 0 <= quality["alike"] <= 1
    assert quality["variety"]["between"] > quality["variety"]["within"] > 0


@pytest.mark.parametrize(
    ("weak", "message"),
    [
        ({"strength": 0.0}, "mode collapse: generated faces of one person differ by 0 grey levels, real ones by"),
        ({"nuisance": 0.0}, "mode collapse: generated faces of one person differ by 0 grey levels"),
    ],
)
def test_a_generator_that_shows_one_face_has_collapsed(weak, message):
    seen = look_at(*real_faces(), 12)
    with pytest.raises(Collapse, match=message):
        assess(a_sampler(seen, **weak), seen, a_teacher(), least=0.25, device=CPU)
    quality, _ = assess(a_sampler(seen, **weak), seen, a_teacher(), least=0, device=CPU)
    assert quality["variety"]["within"] == pytest.approx(0, abs=1e-3)


def test_a_set_without_two_images_of_anyone_is_measured_as_far_as_it_can_be():
    images, labels = real_faces(people=12, each=1)
    seen = look_at(images, labels, 12)
    quality, _ = assess(a_sampler(seen), seen, a_teacher(), least=0.25, device=CPU)
    assert quality["variety_of_real"]["within"] is None
    assert quality["consistency_of_real"] is None


def test_new_people_are_different_pairs_and_few_are_the_first_of_many():
    few, many = (draw_people(count, people=7, mix=(0.3, 0.7), key=key_of_seed(5, "test")) for count in (6, pairs(7)))
    assert all(np.array_equal(a, b[:6]) for a, b in zip(few, many, strict=True))
    both = {tuple(sorted(pair)) for pair in zip(many.one.tolist(), many.other.tolist(), strict=True)}
    assert len(both) == 21  # every pair of seven people once
    assert all(a != b for a, b in both)
    assert (many.weight >= 0.3).all()
    assert (many.weight <= 0.7).all()
    assert not np.array_equal(few.one, draw_people(6, people=7, mix=(0.3, 0.7), key=key_of_seed(6, "test")).one)
    with pytest.raises(ValueError, match="at most 21, the pairs of 7 people, got 22"):
        draw_people(22, people=7, mix=(0.3, 0.7), key=key_of_seed(5, "test"))


def test_everyone_is_mixed_about_equally_often():
    drawn = draw_people(100, people=50, mix=(0.5, 0.5), key=bytes(32))
    used = np.bincount(np.concatenate([drawn.one, drawn.other]), minlength=50)
    assert used.min() >= 3
    assert used.max() <= 5


def test_a_nuisance_belongs_to_person_and_index_alone():
    people, index = np.array([0, 0, 1, 9]), np.array([0, 1, 0, 3])
    drawn = draw_nuisance(people, index, count=4, key=bytes(32))
    assert drawn.dtype == torch.float32
    assert len({tuple(row) for row in drawn.tolist()}) == 4
    assert torch.equal(draw_nuisance(people[[3]], index[[3]], count=4, key=bytes(32))[0], drawn[3])
    assert draw_nuisance(people[:0], index[:0], count=4, key=bytes(32)).shape == (0, 4)


def test_a_face_is_the_same_however_it_is_asked_for():
    seen = look_at(*real_faces(), 12)
    sampler = a_sampler(seen)
    codes, people, index = sampler.people(5), np.arange(45) % 5, np.arange(45) // 5
    whole = sampler.faces(codes, people, index)
    for rows in ([0], [44], [7, 3], list(range(44, -1, -1))):
        assert torch.equal(sampler.faces(codes, people[rows], index[rows]), whole[rows])
    assert sampler.faces(codes, people[:0], index[:0]).shape == (0, 3, 112, 112)
    assert torch.equal(sampler.people(3), codes[:3])
