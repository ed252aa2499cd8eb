import math

import pytest
import torch
from facebench.facemae.objective import Objective
from facebench.facemae.objective import relation as match
from facebench.facemae.relation import RELATIONS, Memory, relation_loss
from scipy.ndimage import gaussian_filter


def features(seed: int, faces: int = 6, numbers: int = 5) -> torch.Tensor:
    return torch.randn(faces, numbers, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 3


def by_hand(rebuilt: torch.Tensor, original: torch.Tensor, kind: str) -> float:
    """The formulas of the docstrings, pair by pair."""
    r = [row / row.norm() for row in rebuilt.double()]
    f = [row / row.norm() for row in original.double()]
    pairs = [(i, j) for i in range(len(r)) for j in range(len(r)) if i != j]
    if kind == "gram":
        losses = [(r[i] @ r[j] - f[i] @ f[j]) ** 2 for i, j in pairs]
    elif kind == "cross":
        losses = [(r[i] @ f[j] - f[i] @ f[j]) ** 2 for i, j in pairs]
    else:
        ours, theirs = ([(side[i] - side[j]).norm() for i, j in pairs] for side in (r, f))
        ours, theirs = ([d / (sum(side) / len(side)) for d in side] for side in (ours, theirs))
        gaps = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
        losses = [gap**2 / 2 if gap <= 1 else gap - 0.5 for gap in gaps]
    return float(sum(losses) / len(losses))


@pytest.mark.parametrize("kind", RELATIONS)
def test_the_loss_is_the_formula(kind):
    rebuilt, original = features(0), features(1)
    assert float(relation_loss(rebuilt, original, kind=kind)) == pytest.approx(
        by_hand(rebuilt, original, kind), rel=1e-5
    )


def test_gram_of_three_known_faces():
    # originals at right angles; two of the rebuilt ones the same: 2 of 6 pairs are off by 1
    original = torch.eye(3)
    rebuilt = torch.tensor([[2.0, 0, 0], [5.0, 0, 0], [0, 0, 1.0]])
    assert float(relation_loss(rebuilt, original)) == pytest.approx(2 / 6)


@pytest.mark.parametrize("kind", RELATIONS)
def test_equal_features_lose_nothing_whatever_their_length(kind):
    original = features(3)
    assert float(relation_loss(original * 7, original, kind=kind)) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize(("kind", "free"), [("gram", True), ("distance", True), ("cross", False)])
def test_only_relations_among_the_rebuilt_are_free_under_rotation(kind, free):
    original = features(4)
    turn, _ = torch.linalg.qr(features(5, 5, 5))
    loss = float(relation_loss(original @ turn, original, kind=kind))
    assert (loss < 1e-10) == free


@pytest.mark.parametrize("kind", RELATIONS)
def test_the_gradient_reaches_the_rebuilt_faces_and_not_the_originals(kind):
    rebuilt, original = features(6).requires_grad_(), features(7).requires_grad_()
    relation_loss(rebuilt, original, kind=kind).backward()
    assert rebuilt.grad.abs().sum() > 0
    assert torch.isfinite(rebuilt.grad).all()
    assert original.grad is None


def test_the_distance_of_equal_faces_has_a_finite_gradient():
    rebuilt = torch.ones(3, 4, requires_grad=True)
    relation_loss(rebuilt + torch.tensor([[0.0], [0.0], [1.0]]), features(8, 3, 4), kind="distance").backward()
    assert torch.isfinite(rebuilt.grad).all()


@pytest.mark.parametrize("shapes", [((1, 4), (1, 4)), ((3, 4), (2, 4)), ((4,), (4,))])
def test_fewer_than_two_faces_or_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="at least 2 faces"):
        relation_loss(torch.ones(shapes[0]), torch.ones(shapes[1]))


@pytest.mark.parametrize("bad", [0.0, 1e38, math.inf, math.nan])
def test_features_without_direction_or_length_do_not_pass_for_equal(bad):
    rebuilt = torch.ones(3, 20)
    rebuilt[1] = bad
    assert math.isnan(relation_loss(rebuilt, torch.ones(3, 20)))


@pytest.mark.parametrize("kind", ["gram", "distance", "cross"])
def test_faces_of_earlier_batches_are_related_too(kind):
    generator = torch.Generator().manual_seed(0)
    rebuilt, original = (torch.randn(6, 5, generator=generator) for _ in range(2))
    memory = Memory(3)
    memory.add(rebuilt[:2], original[:2])
    memory.add(rebuilt[2:4], original[2:4])  # four faces, of which the last two and one of the first stay
    assert memory.kept is not None
    kept = [2, 3, 0]
    for features, all_of in zip(memory.kept, (rebuilt, original), strict=True):
        torch.testing.assert_close(features, torch.nn.functional.normalize(all_of[kept], dim=1))
    got = relation_loss(rebuilt[4:], original[4:], kind=kind, memory=memory.kept)
    r, f = (torch.nn.functional.normalize(x, dim=1).double() for x in (rebuilt, original))
    pairs = [(i, j) for i in (4, 5) for j in (4, 5, *kept) if i != j]
    if kind == "gram":
        terms = [(r[i] @ r[j] - f[i] @ f[j]) ** 2 for i, j in pairs]
    elif kind == "cross":
        terms = [(r[i] @ f[j] - f[i] @ f[j]) ** 2 for i, j in pairs]
    else:
        ours, theirs = (torch.stack([(x[i] - x[j]).norm() for i, j in pairs]) for x in (r, f))
        gap = (ours / ours.mean() - theirs / theirs.mean()).abs()
        terms = list(torch.where(gap < 1, gap**2 / 2, gap - 0.5))
    assert got.item() == pytest.approx(float(torch.stack(terms).mean()), rel=1e-4)


def test_no_memory_keeps_nothing():
    memory = Memory(0)
    memory.add(torch.randn(2, 3), torch.randn(2, 3))
    assert memory.kept is None


@pytest.mark.parametrize("deviation", [0.5, 1.5, 3.0])
def test_the_teacher_may_see_rebuilt_faces_through_a_gaussian(deviation):
    faces = torch.rand(2, 3, 40, 30, generator=torch.Generator().manual_seed(0)) * 2 - 1
    seen: list[torch.Tensor] = []

    def teacher(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return images.flatten(1)

    match(faces, faces.flip(3), teacher, Objective(blur=deviation), Memory(0))
    original, private = seen
    assert torch.equal(original, faces.flip(3))
    reach = math.ceil(3 * deviation)
    wanted = gaussian_filter(faces.numpy(), deviation, axes=(2, 3), mode="mirror", radius=reach)
    torch.testing.assert_close(private, torch.from_numpy(wanted), atol=1e-5, rtol=0)
