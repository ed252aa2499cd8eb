"""Closed-set identification of the hold-out by the trained recognizer, on faces whose embeddings are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from facebench.bench.audit.consistency import findings
from facebench.bench.plan.plan import plan
from facebench.bench.recognition.identification import FILE, identify, score
from facebench.bench.recognition.verification import ScoresError
from facebench.datasets.base import Face, Faces
from facebench.datasets.views.subset import Nobody
from facebench.reports.statistics.intervals import FEW_HITS
from made_up import record


class Numbered:
    """Faces whose first pixel is their number, so that a test can say what a recognizer sees in each."""

    def __init__(self, labels: list[int]) -> None:
        self.labels = np.array(labels, np.int64)
        self.identities = len(set(labels))
        self.names = [f"p{label}" for label in sorted(set(labels))]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Face:
        import torch

        image = torch.zeros(3, 112, 112, dtype=torch.uint8)
        image[0, 0, 0] = index
        return Face(image, int(self.labels[index]))

    def encoded(self, index: int) -> bytes:
        from facebench.datasets.files import codec

        return codec.encode(self[index].image)


def _identified(faces: Faces, vectors: np.ndarray, out: Path, *, seed: int = 0):
    """What comes of it where face n is seen as `vectors[n]`."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def embed(images):
        return unit[images[:, 0, 0, 0].numpy().astype(int)].astype(np.float32)

    out.mkdir()
    identify(embed, faces, out, seed=seed)
    return score(out)


def _people(people: int, each: int) -> Numbered:
    return Numbered(np.repeat(np.arange(people), each).tolist())


def test_a_perfect_recognizer_finds_everybody_and_a_blind_one_as_many_as_by_chance(tmp_path: Path) -> None:
    faces = _people(20, 5)
    perfect = _identified(faces, np.eye(20)[faces.labels], tmp_path / "perfect")
    assert (perfect.value, perfect.n, perfect.chance) == (1, 80, 1 / 20)
    assert perfect.intervals[0].kind == "wilson"  # every resample is the same
    random = np.random.default_rng(0).normal(size=(100, 64))
    blind = _identified(faces, random, tmp_path / "blind")
    assert blind.value < 0.2
    assert [interval.kind for interval in blind.intervals] == [FEW_HITS, "wilson"]
    assert (perfect.measure.side, perfect.measure.headline) == ("utility", False)
    assert findings(record(scores=(perfect, blind.model_copy(update={"on": "other"})))) == []


def test_a_recognizer_to_which_all_faces_are_one_finds_nobody(tmp_path: Path) -> None:
    assert _identified(_people(10, 3), np.ones((30, 8)), tmp_path / "out").value == 0


def test_the_rate_is_that_of_comparing_every_probe_with_every_gallery_image(tmp_path: Path) -> None:
    faces = _people(12, 6)
    vectors = (
        np.random.default_rng(3).normal(size=(72, 6)) + 2 * np.random.default_rng(4).normal(size=(12, 6))[faces.labels]
    )
    found = _identified(faces, vectors, tmp_path / "out", seed=5)
    with np.load(tmp_path / "out" / FILE) as kept:
        person = kept["person"]
    assert np.bincount(person).tolist() == [5] * 12  # one image of each is the gallery
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    from facebench.bench.biometrics.matching import draw

    gallery = draw(faces.labels, people=72, each=1, seed=(5, 20))
    probes = [n for n in range(72) if n not in gallery]
    best = [faces.labels[gallery[np.argmax(unit[gallery] @ unit[n])]] for n in probes]
    assert found.value == pytest.approx(np.mean(best == faces.labels[probes]))
    assert 0.2 < found.value < 1


def test_other_seeds_draw_other_galleries_and_equal_ones_the_same(tmp_path: Path) -> None:
    faces, vectors = _people(12, 6), np.random.default_rng(0).normal(size=(72, 4))
    one, again, other = (
        _identified(faces, vectors, tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one == again
    assert one.value != other.value


def test_faces_the_recognizer_failed_on_are_not_found(tmp_path: Path) -> None:
    faces = _people(10, 4)
    vectors = np.eye(10)[faces.labels]
    vectors[faces.labels == 3] = np.nan
    found = _identified(faces, vectors, tmp_path / "out")
    assert found.value == pytest.approx(27 / 30)
    assert found.detail["failures"] == 3


@pytest.mark.parametrize("faces", [Nobody(), _people(1, 5), _people(5, 1)])
def test_without_people_or_second_images_there_is_no_number_and_a_reason(faces: Faces, tmp_path: Path) -> None:
    found = _identified(faces, np.eye(max(1, len(faces))), tmp_path / "out")
    assert found.value is None
    assert "role H" in found.note


def test_a_damaged_stage_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"PK damaged")
    with pytest.raises(ScoresError, match="--force identify"):
        score(tmp_path)


def test_asking_for_it_does_not_change_what_runs_are_compared_by() -> None:
    asked = plan(settings=["identification=true", "people_of.lfw=names.txt"])
    assert asked.identification
    assert asked.compared() == plan().compared()
    assert not {"identification", "people_of"} & plan().compared().keys()
