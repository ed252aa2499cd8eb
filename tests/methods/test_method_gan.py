import json
import math
import os
import pickle
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from facebench.datasets.base import Face
from facebench.datasets.files.codec import encode
from facebench.facemae.recognition import embedder
from facebench.facemae.runtime.randomness import key_of_seed
from facebench.methods.base import QUALITY, Fit, MethodError, Publish
from facebench.methods.gan import GAN, GRID, LOG, WEIGHTS
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file

CPU = torch.device("cpu")
SHORT = {"steps": 3, "batch": 6, "width": 8, "resolution": 28, "nuisance": 4, "least_variety": 0}


class Ramps:
    """Faces for tests: smooth colours, no person."""

    def __init__(self, counts: tuple[int, ...]) -> None:
        generator = torch.Generator().manual_seed(sum(counts))
        corners = torch.rand(sum(counts), 3, 3, 3, generator=generator)
        smooth = torch.nn.functional.interpolate(corners, size=(112, 112), mode="bilinear", align_corners=True)
        self.images = (smooth * 255).round().to(torch.uint8)
        self.identities = len(counts)
        self.labels = np.repeat(np.arange(len(counts)), counts)
        self.names = [f"name of person {i}" for i in range(len(counts))]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Face:
        return Face(self.images[index], int(self.labels[index]))

    def encoded(self, index: int) -> bytes:
        return encode(self.images[index])


TRAINED_ON = Ramps((3, 1, 2, 4, 2))


def released(counts: tuple[int, ...] = (3, 1, 2)) -> Ramps:
    return Ramps(counts)


def how(seed: int = 0) -> Publish:
    return Publish(key_of_seed(seed, "test"), CPU, np.arange(6))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "teacher.pt"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        embedder.save(embedder.build("small", dim=16), path, architecture="small", dim=16)
    return path


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, teacher: Path) -> Path:
    out = tmp_path_factory.mktemp("fitted")
    GAN(**SHORT).fit(TRAINED_ON, out, Fit(seed=1, device=CPU, teacher=teacher))
    return out


def test_a_fit_leaves_weights_curve_quality_and_a_picture(fitted):
    assert sorted(path.name for path in fitted.iterdir()) == sorted([GRID, LOG, QUALITY, WEIGHTS])
    lines = [json.loads(line) for line in (fitted / LOG).read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert [line["identity"] > 0 for line in lines] == [False, False, True]  # the last fifth has all losses
    assert all(line["rebuild"] > 0 for line in lines)
    quality = json.loads((fitted / QUALITY).read_text(encoding="utf-8"))
    assert quality["frechet"] > 0
    assert quality["variety_of_real"]["within"] > 0
    assert quality["notes"]  # three steps make no good faces, and that is said
    picture = cv2.imread(str(fitted / GRID))
    assert picture.shape == (quality["new_people"] * 112, 8 * 112, 3)


def test_the_file_holds_codes_and_no_name(fitted):
    tensors = load_file(fitted / WEIGHTS)
    assert tensors["codes"].shape == (5, 16)
    assert torch.allclose(tensors["codes"].norm(dim=1), torch.ones(5), atol=1e-5)
    for file in fitted.iterdir():
        assert b"name of person" not in file.read_bytes()


def test_equal_seeds_fit_equal_files(fitted, tmp_path, teacher):
    GAN(**SHORT).fit(TRAINED_ON, tmp_path, Fit(seed=1, device=CPU, teacher=teacher))
    for file in (WEIGHTS, LOG, QUALITY, GRID):
        assert (tmp_path / file).read_bytes() == (fitted / file).read_bytes()


def test_a_killed_fit_goes_on_and_leaves_the_same_files(fitted, tmp_path, teacher, monkeypatch):
    from facebench.facemae.gan.state import GanTraining

    monkeypatch.setattr(GanTraining, "keep_every", 2)
    scratch = tmp_path / "scratch"

    def kill(done: int, total: int) -> None:
        raise KeyboardInterrupt

    for name, progress in (("killed", kill), ("out", lambda done, total: None)):
        (tmp_path / name).mkdir()
        plan = Fit(seed=1, device=CPU, teacher=teacher, scratch=scratch, progress=progress)
        if name == "killed":
            with pytest.raises(KeyboardInterrupt):
                GAN(**SHORT).fit(TRAINED_ON, tmp_path / name, plan)
            assert list(scratch.iterdir())
        else:
            GAN(**SHORT).fit(TRAINED_ON, tmp_path / name, plan)
    for file in (WEIGHTS, LOG, QUALITY, GRID):
        assert (tmp_path / "out" / file).read_bytes() == (fitted / file).read_bytes()


def test_as_many_people_and_images_as_the_originals_have(fitted):
    private = GAN(**SHORT).publish(fitted, released((3, 1, 2)), how())
    assert private.labels.tolist() == [0, 0, 0, 1, 2, 2]
    assert private.identities == 3
    assert private.source is None
    assert private.names == ["g000000", "g000001", "g000002"]
    images = private.take(np.arange(6))
    assert (images.dtype, images.shape) == (torch.uint8, (6, 3, 112, 112))
    assert len({image.numpy().tobytes() for image in images}) == 6


@pytest.mark.parametrize(
    ("asked", "labels"),
    [
        ({"people": 2}, [0, 0, 0, 1]),
        ({"people": 5}, [0, 0, 0, 1, 2, 2, 3, 3, 3, 4]),
        ({"images": 2}, [0, 0, 1, 1, 2, 2]),
        ({"people": 2, "images": 1}, [0, 1]),
    ],
)
def test_people_and_images_can_be_asked_for(fitted, asked, labels):
    assert GAN(**SHORT, **asked).publish(fitted, released(), how()).labels.tolist() == labels


def test_a_face_depends_on_seed_person_and_index_alone(fitted):
    whole = GAN(**SHORT, people=10, images=5).publish(fitted, released(), how())
    faces = whole.take(np.arange(50))
    few = GAN(**SHORT, people=4, images=2).publish(fitted, released((1, 1)), how())
    assert torch.equal(few.take(np.arange(8)), faces[[0, 1, 5, 6, 10, 11, 15, 16]])
    for rows in ([49], [3, 2], list(range(49, -1, -1))):
        assert torch.equal(whole.take(np.array(rows)), faces[rows])
    assert torch.equal(whole[7].image, faces[7])
    other = GAN(**SHORT, people=10, images=5).publish(fitted, released(), how(seed=1)).take(np.arange(50))
    assert (other != faces).flatten(1).any(1).all()


def test_more_people_than_there_are_pairs_is_told(fitted):
    with pytest.raises(MethodError, match=r"people: expected at most 10, the pairs of the 5 people .* got 11"):
        GAN(**SHORT, people=11).publish(fitted, released(), how())


def test_a_run_trains_the_teacher_only_where_one_is_needed(teacher, tmp_path):
    assert GAN().needs_teacher
    assert not GAN(teacher=teacher).needs_teacher
    GAN(**SHORT, teacher=teacher).fit(TRAINED_ON, tmp_path, Fit(seed=0, device=CPU))
    assert (tmp_path / WEIGHTS).is_file()


def test_the_fit_reports_its_progress(tmp_path, teacher):
    told: list[tuple[int, int]] = []
    GAN(**SHORT).fit(
        TRAINED_ON, tmp_path, Fit(seed=0, device=CPU, teacher=teacher, progress=lambda *at: told.append(at))
    )
    assert told[-1] == (3, 3)


def test_a_collapse_is_an_error_and_leaves_no_weights(tmp_path, teacher):
    method = GAN(**{**SHORT, "least_variety": 0.9, "lr": 1e-6})
    with pytest.raises(MethodError, match=r"gan: mode collapse: .* expected at least 0\.9 of it"):
        method.fit(TRAINED_ON, tmp_path, Fit(seed=0, device=CPU, teacher=teacher))
    assert not (tmp_path / WEIGHTS).exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mix": (0.7, 0.3)}, r"mix: expected a range from low to high, got 0\.7 to 0\.3"),
        ({"mix": (0.5, 1.5)}, "less than or equal to 1"),
        ({"resolution": 64}, "28, 56 or 112"),
        ({"people": 1}, "greater than or equal to 2"),
        ({"images": 0}, "greater than or equal to 1"),
        ({"augment": ["blur"]}, "'colour', 'translation' or 'cutout'"),
        ({"identity_weight": math.nan}, "finite number"),
        ({"r1_weight": -1}, "greater than or equal to 0"),
        ({"lr": 0}, "greater than 0"),
        ({"least_variety": 1}, "less than 1"),
    ],
)
def test_wrong_parameters_are_told(wrong, message):
    with pytest.raises(ValidationError, match=message):
        GAN(**wrong)


def test_too_few_faces_or_people_or_no_teacher_is_told(tmp_path, teacher):
    with pytest.raises(MethodError, match=r"expected a teacher, got none; set method\.teacher"):
        GAN(**SHORT).fit(TRAINED_ON, tmp_path, Fit(seed=0, device=CPU))
    plan = Fit(seed=0, device=CPU, teacher=teacher)
    with pytest.raises(MethodError, match="3 faces to learn from; expected at least 4"):
        GAN(**SHORT).fit(Ramps((2, 1)), tmp_path, plan)
    with pytest.raises(MethodError, match="faces of 1 people to learn from; expected two or more"):
        GAN(**SHORT).fit(Ramps((5,)), tmp_path, plan)
    assert not list(tmp_path.iterdir())


class Harm:
    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self):
        return os.mkdir, (str(self.touched),)


def test_a_hostile_teacher_is_refused_and_runs_nothing(tmp_path):
    (tmp_path / "teacher.pt").write_bytes(pickle.dumps(Harm(tmp_path / "ran")))
    (tmp_path / "out").mkdir()
    with pytest.raises(MethodError, match=r"gan: teacher: weights .*teacher\.pt"):
        GAN(**SHORT, teacher=tmp_path / "teacher.pt").fit(TRAINED_ON, tmp_path / "out", Fit(seed=0, device=CPU))
    assert not (tmp_path / "ran").exists()
    assert not list((tmp_path / "out").iterdir())


def test_a_teacher_whose_features_are_not_finite_stops_the_fit(tmp_path, teacher):
    content = torch.load(teacher, weights_only=True)
    content["state"]["fc.weight"].normal_(std=1e37)  # finite, so it loads; its products are not
    content["state"]["pool.1.weight"].fill_(1e6)
    torch.save(content, tmp_path / "huge.pt")
    (tmp_path / "out").mkdir()
    with pytest.raises(MethodError, match="teacher: expected finite features of every face"):
        GAN(**SHORT, teacher=tmp_path / "huge.pt").fit(TRAINED_ON, tmp_path / "out", Fit(seed=0, device=CPU))
    assert not list((tmp_path / "out").iterdir())


def test_a_teacher_that_sees_everyone_alike_stops_the_fit(tmp_path, teacher):
    content = torch.load(teacher, weights_only=True)
    content["state"]["features.bias"].fill_(1e6)
    torch.save(content, tmp_path / "blind.pt")
    with pytest.raises(MethodError, match=r"teacher: expected features that tell people apart"):
        GAN(**SHORT, teacher=tmp_path / "blind.pt").fit(TRAINED_ON, tmp_path, Fit(seed=0, device=CPU))


def damaged(kind: str, good: bytes, ran: Path) -> bytes:
    header = struct.unpack("<Q", good[:8])[0]
    return {
        "truncated": good[: len(good) // 2],
        "empty": b"",
        "text": b"not weights at all " * 10,
        "pickle": pickle.dumps(Harm(ran)),
        "a header of terabytes": struct.pack("<Q", 2**42) + good[8:],
        "a header that is no JSON": good[:8] + b"x" * header + good[8 + header :],
    }[kind]


@pytest.mark.parametrize(
    "kind", ["truncated", "empty", "text", "pickle", "a header of terabytes", "a header that is no JSON"]
)
def test_damaged_or_hostile_weights_are_refused_and_run_nothing(fitted, tmp_path, kind):
    ran = tmp_path / "ran"
    (tmp_path / WEIGHTS).write_bytes(damaged(kind, (fitted / WEIGHTS).read_bytes(), ran))
    with pytest.raises(MethodError, match=r"gan: fitted method .*model\.safetensors: (expected|it has)"):
        GAN(**SHORT).publish(tmp_path, released(), how())
    assert not ran.exists()


CONSTANT = "constant"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, p, m: ({**t, CONSTANT: t[CONSTANT] * math.nan}, p, m), "constant: expected finite"),
        (lambda t, p, m: ({**t, CONSTANT: torch.zeros(5)}, p, m), r"constant: expected shape \[1, 8, 7, 7\]"),
        (lambda t, p, m: ({k: v for k, v in t.items() if k != CONSTANT}, p, m), "'constant': it is missing"),
        (lambda t, p, m: ({**t, "more": torch.zeros(5)}, p, m), "'more': the file also has it"),
        (lambda t, p, m: ({k: v for k, v in t.items() if k != "codes"}, p, m), r"codes: expected float32 .* got none"),
        (lambda t, p, m: ({**t, "codes": t["codes"] * 2}, p, m), "codes: expected two or more of unit length"),
        (lambda t, p, m: ({**t, "codes": t["codes"] * math.nan}, p, m), "codes: expected two or more of unit length"),
        (lambda t, p, m: ({**t, "codes": t["codes"][:1]}, p, m), "codes: expected two or more of unit length, got 1"),
        (lambda t, p, m: ({**t, "codes": torch.zeros(3, 0)}, p, m), r"codes: expected .* \[3, 0\]"),
        (lambda t, p, m: ({**t, "codes": torch.eye(8)}, p, m), r"expected shape \[.*8.*\] of Generator"),
        (lambda t, p, m: (t, p, {"facebench_method": "x" * 9999}), "metadata 'facebench_method' cannot be understood"),
        (lambda t, p, m: (t, p, None), "expected metadata 'facebench_method' .*, got none"),
    ],
)
def test_weights_that_do_not_fit_are_refused(fitted, tmp_path, change, message):
    with safe_open(fitted / WEIGHTS, framework="pt") as file:
        metadata = file.metadata()
    save_file(*change(load_file(fitted / WEIGHTS), tmp_path / WEIGHTS, metadata))
    with pytest.raises(MethodError, match=message):
        GAN(**SHORT).publish(tmp_path, released(), how())


def test_weights_of_other_parameters_or_none_are_told(fitted, tmp_path):
    with pytest.raises(MethodError, match="expected resolution 56, got a file fitted with 28; name resolution"):
        GAN(**{**SHORT, "resolution": 56}).publish(fitted, released(), how())
    with pytest.raises(MethodError, match="expected a file, got none"):
        GAN(**SHORT).publish(tmp_path, released(), how())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_fit_on_a_gpu_publishes_there_and_on_a_cpu_alike(tmp_path, teacher):
    cuda = torch.device("cuda")
    GAN(**SHORT).fit(TRAINED_ON, tmp_path, Fit(seed=1, device=cuda, teacher=teacher))
    there, here = (
        GAN(**SHORT).publish(tmp_path, released(), Publish(bytes(32), device, np.arange(6))).take(np.arange(6))
        for device in (cuda, CPU)
    )
    assert (there.int() - here.int()).abs().max() <= 2
