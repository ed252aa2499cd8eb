"""Two sets of faces of the same people, as one."""

import numpy as np
import pytest
import torch
from facebench.datasets.base import DataError
from facebench.datasets.synthetic import Synthetic
from facebench.datasets.views.joined import Joined
from facebench.datasets.views.subset import Subset


def test_the_second_set_follows_the_first_with_the_same_people() -> None:
    faces = Synthetic(people=4, images=4).open()
    first, second = (Subset(faces, np.flatnonzero(np.arange(16) % 4 < 2)), Subset(faces, np.arange(16)[2::4]))
    joined = Joined(first, second)
    assert (len(joined), joined.identities) == (12, 4)
    assert joined.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 0, 1, 2, 3]
    for index in range(12):
        part, own = (first, index) if index < 8 else (second, index - 8)
        assert torch.equal(joined[index].image, part[own].image)
        assert joined[index].identity == joined.labels[index]
        assert joined.encoded(index) == part.encoded(own)
    assert list(joined.names) == list(first.names)


def test_sets_of_other_people_are_refused() -> None:
    faces = Synthetic(people=4, images=2).open()
    with pytest.raises(DataError, match="two sets of the same people, got 4 and 3"):
        Joined(faces, Subset(faces, np.arange(6)))
