"""The margin against its formula, and its gradient against finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from facebench.facemae.recognition.margin import ArcMargin, with_margin


@pytest.mark.parametrize("margin", [0.0, 0.3, 0.5])
def test_the_margin_is_the_cosine_of_a_larger_angle(margin: float) -> None:
    theta = torch.linspace(0.05, math.pi - margin - 0.05, 50, dtype=torch.float64)
    torch.testing.assert_close(with_margin(theta.cos(), margin), (theta + margin).cos())


def test_the_gradient_is_the_true_derivative() -> None:
    cosine = torch.linspace(-0.95, 0.99, 40, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: with_margin(c, 0.5), (cosine,))


def test_the_margin_never_rewards_a_wrong_direction() -> None:
    cosine = torch.linspace(-1, 1, 1001, dtype=torch.float64)
    assert (with_margin(cosine, 0.5).diff() > 0).all()


def test_the_loss_is_the_formula_of_the_paper() -> None:
    torch.manual_seed(0)
    head = ArcMargin(5, 8, margin=0.5, scale=4.0)
    x, y = torch.randn(4, 8), torch.tensor([0, 2, 4, 1])
    cosine = torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(head.weight).T
    expected = 0.0
    for i, label in enumerate(y.tolist()):
        logits = [4 * math.cos(math.acos(c) + (0.5 if j == label else 0)) for j, c in enumerate(cosine[i].tolist())]
        expected -= logits[label] - math.log(sum(math.exp(v) for v in logits))
    assert head(x, y).item() == pytest.approx(expected / 4, rel=1e-5)


def test_the_gradient_is_not_the_one_that_is_passed_straight_through() -> None:
    """Overwriting the logit in place gives the same loss and another gradient; ours is the derivative of the loss."""
    torch.manual_seed(0)
    head = ArcMargin(5, 8, margin=0.5, scale=4.0).double()
    x, y = torch.randn(4, 8, dtype=torch.float64, requires_grad=True), torch.tensor([0, 2, 4, 1])
    direction, step = torch.randn(4, 8, dtype=torch.float64), 1e-6
    slope = (head(x + step * direction, y) - head(x - step * direction, y)) / (2 * step)
    (gradient,) = torch.autograd.grad(head(x, y), x)
    assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=1e-4)


def test_faces_in_the_very_direction_of_their_class_give_finite_gradients() -> None:
    head = ArcMargin(3, 4, margin=0.5, scale=64.0)
    x = head.weight.detach().clone().requires_grad_()
    head(x, torch.arange(3)).backward()
    assert torch.isfinite(x.grad).all()
