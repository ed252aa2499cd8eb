"""The frozen copy of a teacher gives the teacher's features and gradients."""

import pytest
import torch
from facebench.facemae.recognition import embedder
from facebench.facemae.recognition.frozen import frozen
from torch import nn

CPU = torch.device("cpu")


@pytest.mark.parametrize("architecture", ["small", "mobilefacenet", "iresnet18"])
def test_a_frozen_copy_has_the_features_and_gradients_of_the_network(architecture):
    torch.manual_seed(0)
    network = embedder.build(architecture, dim=32)
    network.train()
    with torch.no_grad():
        for _ in range(3):  # norms with a mean and a deviation of their own
            network(torch.randn(4, 3, 112, 112))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copy = frozen(network, device=CPU)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in copy.modules()) or architecture == "iresnet18"
    assert not any(weight.requires_grad for weight in copy.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    network.eval()
    faces = torch.rand(2, 3, 112, 112) * 2 - 1
    gradients = []
    for each in (network, copy):
        x = faces.clone().requires_grad_(True)
        features = each(x)
        features[:, 0].sum().backward()
        gradients.append((features.detach(), x.grad))
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours - theirs).norm() < 0.01 * theirs.norm()  # rounding may turn a rectifier over here and there


class Crossed(nn.Module):
    """Names its norm behind a convolution that does not feed it."""

    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Conv2d(4, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.first = nn.Conv2d(3, 4, 8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.second(self.norm(self.first(x)).relu()).mean((2, 3))
        return y


def test_a_norm_that_does_not_follow_the_convolution_before_it_by_name_stays():
    torch.manual_seed(0)
    network = Crossed()
    network.norm.running_mean.uniform_()
    copy = frozen(network, device=CPU)
    faces = torch.rand(2, 3, 112, 112)
    assert isinstance(copy.norm, nn.BatchNorm2d)
    torch.testing.assert_close(copy(faces), network.eval()(faces))
