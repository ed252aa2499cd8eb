"""All private faces of a person taken together."""

from pathlib import Path

import numpy as np
import pytest
from attacked import evidence, scores
from facebench.bench.attacks.base import AttackError, Embeddings
from facebench.bench.attacks.ignorant import Ignorant
from facebench.bench.attacks.leakage import fused
from facebench.bench.attacks.linkage import Linkage
from facebench.bench.attacks.other_image import OtherImage
from facebench.methods.noise import Noise
from facebench.methods.original import Original


def test_faces_of_a_person_are_averaged_and_failed_ones_left_out() -> None:
    vectors = np.array([[1, 0], [0, 1], [np.nan, np.nan], [0, -1], [np.nan, np.nan], [1, 0], [-1, 0]], np.float32)
    made = fused.fuse(Embeddings(vectors, np.array([7, 7, 7, 3, 4, 5, 5])))
    assert made.identity.tolist() == [3, 4, 5, 7]
    half = 0.5**0.5
    expected = [[0, -1], [np.nan, np.nan], [np.nan, np.nan], [half, half]]  # opposite faces tell nothing
    assert made.vectors == pytest.approx(np.array(expected), nan_ok=True)
    assert made.vectors.dtype == np.float32


def test_what_each_face_tells_a_little_all_together_tell(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    people, each, width = 200, 6, 64
    identity = np.repeat(np.arange(people), each)
    centre = rng.standard_normal((people, width))
    original = centre[identity] + 0.3 * rng.standard_normal((people * each, width))
    private = 0.4 * centre[identity] + rng.standard_normal((people * each, width))

    def unit(vectors: np.ndarray) -> np.ndarray:
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    probes, gallery = Embeddings(unit(private), identity), Embeddings(unit(original), identity)
    fused.search(probes, gallery, tmp_path, seed=0)
    (score,) = fused.scores(tmp_path, "t")
    best = gallery.identity[np.argmax(fused.fuse(probes).vectors @ gallery.vectors.T, axis=1)]
    assert score.value == (best == np.arange(people)).mean()
    alone = (gallery.identity[np.argmax(probes.vectors @ gallery.vectors.T, axis=1)] == identity).mean()
    assert score.value is not None
    assert score.value > alone + 0.2
    assert (score.n, score.detail["people"], score.measure.headline) == (people, people, False)
    assert score.chance == pytest.approx(each / (people * each))


def test_every_search_with_the_whole_gallery_tells_it(tmp_path: Path) -> None:
    name = fused.MEASURE.name
    told = scores(Ignorant(), evidence(Original()), tmp_path / "o")[name]
    assert (told.value > 0.5, told.n) == (True, 40)
    noise = scores(Ignorant(), evidence(Noise()), tmp_path / "n")[name]
    assert noise.value < 0.15
    for attack in (OtherImage(), Linkage()):
        assert name not in scores(attack, evidence(Original()), tmp_path / type(attack).__name__)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    assert fused.scores(tmp_path, "t") == []
    (tmp_path / fused.FILE).write_bytes(b"no archive")
    with pytest.raises(AttackError, match="cannot read it"):
        fused.scores(tmp_path, "t")
