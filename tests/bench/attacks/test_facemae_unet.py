"""The network that restores images."""

import pytest
import torch
from facebench.bench.attacks.adaptive.unet import UNet
from torch.nn.functional import l1_loss


@pytest.mark.parametrize("size", [(112, 112), (64, 96)])
def test_it_begins_by_leaving_images_as_they_are(size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size) * 2 - 1
    assert torch.equal(UNet(8)(images), images)


def test_it_learns_to_undo_a_change_of_colours() -> None:
    torch.manual_seed(0)
    network, images = UNet(8), torch.rand(4, 3, 32, 32) * 2 - 1
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    first = last = 0.0
    for _ in range(120):
        loss = l1_loss(network(-images), images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        last = loss.item()
        first = first or last
    assert last < 0.5 * first
