import json
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from facebench.datasets.base import Face
from facebench.datasets.files.codec import encode
from facebench.facemae.patches import patchify, random_mask
from facebench.facemae.recognition import embedder
from facebench.methods.base import Fit, MethodError
from facebench.methods.facemae import LOG, WEIGHTS, FaceMAE
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file

CPU = torch.device("cpu")
SHORT = {"steps": 4, "batch": 4, "relation_start": 0}


class Ramps:
    """Faces for tests: smooth colours, no person."""

    def __init__(self, count: int, people: int = 3) -> None:
        generator = torch.Generator().manual_seed(count)
        corners = torch.rand(count, 3, 3, 3, generator=generator)
        smooth = torch.nn.functional.interpolate(corners, size=(112, 112), mode="bilinear", align_corners=True)
        self.images = (smooth * 255).round().to(torch.uint8)
        self.identities = people
        self.labels = np.arange(count) % people
        self.names = [str(i) for i in range(people)]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Face:
        return Face(self.images[index], int(self.labels[index]))

    def encoded(self, index: int) -> bytes:
        return encode(self.images[index])


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
    FaceMAE(**SHORT).fit(Ramps(9), out, Fit(seed=1, device=CPU, teacher=teacher))
    return out


def test_a_fit_leaves_one_file_of_weights_and_the_curve(fitted):
    pictures = [f"epoch-{epoch:05d}.png" for epoch in (1, 2)]  # four steps of four of nine faces
    assert sorted(path.name for path in fitted.iterdir()) == [*pictures, LOG, WEIGHTS]
    lines = [json.loads(line) for line in (fitted / LOG).read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert all(set(line) == {"step", "loss", "relation", "pixel", "lr"} for line in lines)
    assert all(line["relation"] > 0 for line in lines)


def test_equal_seeds_fit_equal_weights(fitted, tmp_path, teacher):
    FaceMAE(**SHORT).fit(Ramps(9), tmp_path, Fit(seed=1, device=CPU, teacher=teacher))
    assert (tmp_path / WEIGHTS).read_bytes() == (fitted / WEIGHTS).read_bytes()
    assert (tmp_path / LOG).read_bytes() == (fitted / LOG).read_bytes()


@pytest.mark.parametrize("compose", ["rebuilt", "pasted"])
def test_private_faces_keep_shape_type_and_order_whatever_the_batch(fitted, compose):
    privatize = FaceMAE(**SHORT, compose=compose).load(fitted, device=CPU)
    faces = Ramps(37).images
    before = faces.clone()
    seeds = torch.arange(37) * 2**40
    private = privatize(faces, seeds)
    assert private.dtype == torch.uint8
    assert private.shape == faces.shape
    assert torch.equal(faces, before)
    for some in ([0], [36], [5, 4], list(range(36, -1, -1))):
        assert torch.equal(privatize(faces[some], seeds[some]), private[some])
    assert torch.equal(privatize(faces[:0], seeds[:0]), faces[:0])


def test_the_seed_decides(fitted):
    privatize = FaceMAE(**SHORT).load(fitted, device=CPU)
    face = Ramps(1).images.expand(2, -1, -1, -1)
    one, other = privatize(face, torch.tensor([1, 2]))
    assert not torch.equal(one, other)


def test_pasted_publishes_the_visible_patches_and_rebuilt_does_not(fitted):
    faces, seeds = Ramps(4).images, torch.arange(4)
    hidden = random_mask(seeds, 49, 0.75).hidden
    original = patchify(faces, 16)
    same = {}
    for compose in ("pasted", "rebuilt"):
        private = patchify(FaceMAE(**SHORT, compose=compose).load(fitted, device=CPU)(faces, seeds), 16)
        same[compose] = (private == original).all(-1)
    assert torch.equal(same["pasted"], ~hidden)
    assert not same["rebuilt"].any()


def test_the_release_may_hide_more_than_the_training(fitted):
    faces, seeds = Ramps(4).images, torch.arange(4)
    method = FaceMAE(**SHORT, compose="pasted", release_ratio=0.9)
    private = patchify(method.load(fitted, device=CPU)(faces, seeds), 16)
    assert torch.equal((private == patchify(faces, 16)).all(-1), ~random_mask(seeds, 49, 0.9).hidden)


def test_a_run_trains_the_teacher_only_where_one_is_needed(teacher):
    assert FaceMAE().needs_teacher
    assert not FaceMAE(teacher=teacher).needs_teacher
    assert not FaceMAE(relation_weight=0).needs_teacher


def test_a_teacher_of_ones_own_is_taken(tmp_path, teacher):
    FaceMAE(steps=1, batch=4, teacher=teacher).fit(Ramps(4), tmp_path, Fit(seed=0, device=CPU))
    assert (tmp_path / WEIGHTS).is_file()


def test_without_relations_no_teacher_is_read(tmp_path):
    method = FaceMAE(steps=2, batch=64, relation_weight=0, pixel_weight=1)
    method.fit(Ramps(5), tmp_path, Fit(seed=0, device=CPU))  # fewer faces than the batch
    assert json.loads((tmp_path / LOG).read_text().splitlines()[0])["relation"] == 0


def test_the_fit_reports_its_progress(tmp_path):
    told: list[tuple[int, int]] = []
    method = FaceMAE(steps=7, batch=2, relation_weight=0)
    method.fit(Ramps(4), tmp_path, Fit(seed=0, device=CPU, progress=lambda *at: told.append(at)))
    assert told[-1] == (7, 7)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"patch": 10}, r"patch: expected a divisor of 112, one of 4, 7, 8, 14, 16, 28, 56; got 10"),
        ({"relation_weight": 0, "pixel_weight": 0}, "expected at least one above 0"),
        ({"ratio": 1.0}, "less than 1"),
        ({"release_ratio": -0.1}, "greater than or equal to 0"),
        ({"size": "huge"}, "'tiny', 'small', 'base' or 'large'"),
        ({"lr": float("nan")}, "finite number"),
        ({"relation_weight": float("inf")}, "finite"),
        ({"colour": 1}, "Extra inputs"),
    ],
)
def test_wrong_parameters_are_told(wrong, message):
    with pytest.raises(ValidationError, match=message):
        FaceMAE(**wrong)


def test_too_few_faces_or_no_teacher_is_told(tmp_path):
    how = Fit(seed=0, device=CPU)
    with pytest.raises(MethodError, match="1 faces to learn from; expected at least 2"):
        FaceMAE().fit(Ramps(1), tmp_path, how)
    with pytest.raises(MethodError, match=r"needs a teacher, got none; set method\.teacher"):
        FaceMAE().fit(Ramps(4), tmp_path, how)
    assert not list(tmp_path.iterdir())


class Harm:
    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self):
        return os.mkdir, (str(self.touched),)


def test_a_hostile_teacher_is_refused_and_runs_nothing(tmp_path):
    (tmp_path / "teacher.pt").write_bytes(pickle.dumps(Harm(tmp_path / "ran")))
    (tmp_path / "out").mkdir()
    with pytest.raises(MethodError, match=r"facemae: teacher: weights .*teacher\.pt"):
        FaceMAE(teacher=tmp_path / "teacher.pt").fit(Ramps(4), tmp_path / "out", Fit(seed=0, device=CPU))
    assert not (tmp_path / "ran").exists()
    assert not list((tmp_path / "out").iterdir())


def test_a_teacher_whose_features_are_not_finite_stops_the_fit(tmp_path, teacher):
    content = torch.load(teacher, weights_only=True)
    content["state"]["fc.weight"].fill_(3e38)  # finite, so it loads; its products are not
    torch.save(content, tmp_path / "huge.pt")
    (tmp_path / "out").mkdir()
    with pytest.raises(MethodError, match=r"diverged at step 1 of 4 with learning rate"):
        FaceMAE(**SHORT, teacher=tmp_path / "huge.pt").fit(Ramps(4), tmp_path / "out", Fit(seed=0, device=CPU))
    assert not (tmp_path / "out" / WEIGHTS).exists()


def damaged(kind: str, good: bytes, ran: Path) -> bytes:
    header = struct.unpack("<Q", good[:8])[0]
    return {
        "truncated": good[: len(good) // 2],
        "empty": b"",
        "text": b"not weights at all " * 10,
        "pickle": pickle.dumps(Harm(ran)),
        "a header of terabytes": struct.pack("<Q", 2**42) + good[8:],
        "a header that is no JSON": good[:8] + b"x" * header + good[8 + header :],
        "deep JSON": struct.pack("<Q", 200_000) + b"[" * 200_000,
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["truncated", "empty", "text", "pickle", "a header of terabytes", "a header that is no JSON", "deep JSON"],
)
def test_damaged_or_hostile_weights_are_refused_and_run_nothing(fitted, tmp_path, kind):
    ran = tmp_path / "ran"
    (tmp_path / WEIGHTS).write_bytes(damaged(kind, (fitted / WEIGHTS).read_bytes(), ran))
    with pytest.raises(MethodError, match=r"facemae: fitted method .*model\.safetensors: (expected|it has)"):
        FaceMAE().load(tmp_path, device=CPU)
    assert not ran.exists()


def rewritten(fitted: Path, to: Path, change) -> None:
    with safe_open(fitted / WEIGHTS, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(fitted / WEIGHTS)
    save_file(*change(tensors, to / WEIGHTS, metadata))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, p, m: ({**t, "norm.bias": t["norm.bias"] * float("nan")}, p, m), "norm.bias: expected finite"),
        (lambda t, p, m: ({**t, "norm.bias": torch.zeros(5)}, p, m), r"norm.bias: expected shape \[128\]"),
        (lambda t, p, m: ({k: v for k, v in t.items() if k != "norm.bias"}, p, m), "'norm.bias': it is missing"),
        (lambda t, p, m: ({**t, "more": torch.zeros(5)}, p, m), "'more': the file also has it"),
        (lambda t, p, m: (t, p, {"facebench_method": "x" * 9999}), "metadata 'facebench_method' cannot be understood"),
        (lambda t, p, m: (t, p, None), "expected metadata 'facebench_method' .*, got none"),
    ],
)
def test_weights_that_do_not_fit_are_refused(fitted, tmp_path, change, message):
    rewritten(fitted, tmp_path, change)
    with pytest.raises(MethodError, match=message):
        FaceMAE().load(tmp_path, device=CPU)


def test_weights_of_other_parameters_or_none_are_told(fitted, tmp_path):
    with pytest.raises(MethodError, match="expected patch 8, got a file fitted with 16; name size"):
        FaceMAE(patch=8).load(fitted, device=CPU)
    with pytest.raises(MethodError, match="expected a file, got none"):
        FaceMAE().load(tmp_path, device=CPU)


def test_wrong_faces_or_keys_are_told(fitted):
    privatize = FaceMAE(**SHORT).load(fitted, device=CPU)
    faces, seeds = Ramps(2).images, torch.arange(2)
    with pytest.raises(MethodError, match=r"faces: expected uint8 \[B, 3, 112, 112\], got torch.float32"):
        privatize(faces.float(), seeds)
    with pytest.raises(MethodError, match=r"faces: .* got torch.uint8 \[2, 3, 112, 100\]"):
        privatize(faces[..., :100], seeds)
    with pytest.raises(MethodError, match="keys: expected one a face, 2, got 3"):
        privatize(faces, torch.arange(3))
    with pytest.raises(ValueError, match=r"keys, uint8 \[B, 32\], got torch.float32"):
        privatize(faces, seeds.float())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_fit_on_a_gpu_privatizes_there_and_on_a_cpu_alike(tmp_path, teacher):
    cuda = torch.device("cuda")
    FaceMAE(**SHORT).fit(Ramps(9), tmp_path, Fit(seed=1, device=cuda, teacher=teacher))
    faces, seeds = Ramps(9).images, torch.arange(9)
    there = FaceMAE(**SHORT).load(tmp_path, device=cuda)(faces.to(cuda), seeds.to(cuda))
    here = FaceMAE(**SHORT).load(tmp_path, device=CPU)(faces, seeds)
    assert there.device.type == "cuda"
    assert (there.cpu().int() - here.int()).abs().max() <= 2
