"""FaceMAE that was fitted once and comes with the package: what it is, what it takes, and what it refuses."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from facebench.bench.plugins import PluginError, build, spell
from facebench.bench.recognition.recognizer import Recognizer
from facebench.datasets.synthetic import Synthetic
from facebench.facemae.patches import visible_patches
from facebench.methods.base import Fit, Method, People
from facebench.methods.facemae import WEIGHTS, FaceMAE
from facebench.methods.mae import MAE
from facebench.methods.parts import brought, fitted_file
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
PEOPLE = People(faces="0" * 64, role="1" * 16, drawn=3)
SHIPPED = brought.SHIPPED / "facemae-synthetic.safetensors"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_synthetic", ROOT / ".ci" / "fit_synthetic.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a short fit left, with the people it was fitted on."""
    folder = tmp_path_factory.mktemp("learned")
    method = FaceMAE(steps=2, batch=8, relation_weight=0)
    method.fit(Synthetic(people=4, images=3).open(), folder, Fit(seed=0, device=CPU, people=PEOPLE))
    return folder / WEIGHTS


def rewritten(path: Path, out: Path, **changed: Any) -> Path:
    """A copy of a fitted file that says something else of itself."""
    said = json.loads(fitted_file.read(path).model_dump_json()) | changed
    save_file(load_file(path), out, metadata={fitted_file.KEY: json.dumps(said)})
    return out


def refused(**parameters: Any) -> str:
    with pytest.raises(PluginError) as told:
        build(Method, {"use": "facemae", **parameters}, where="method")
    return str(told.value)


def test_the_file_of_the_package_is_small_half_precise_and_what_its_card_says() -> None:
    card = json.loads(SHIPPED.with_suffix(".json").read_text("utf-8"))
    content = SHIPPED.read_bytes()
    assert len(content) <= 3 * 10**6
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    tensors = load_file(SHIPPED)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert card["weights"] == sum(tensor.numel() for tensor in tensors.values())
    pixel, relation = card["curve"]["pixel"], card["curve"]["relation"]
    assert len(pixel) == len(relation) == len(card["curve_ends"]) == 100
    assert min(pixel) < 0.2 * pixel[0]  # it learned
    assert relation[0] == 0 < relation[-1] < 0.8 * max(relation)


def test_the_script_of_the_repository_is_what_made_the_file_of_the_package() -> None:
    card = json.loads(SHIPPED.with_suffix(".json").read_text("utf-8"))
    made = script()
    said = fitted_file.read(SHIPPED)
    assert said.people == People(faces=made.PEOPLE.fingerprint(), drawn=made.SEED)
    assert said.parameters == json.loads(fitted_file.describe(made.METHOD))["parameters"]
    assert card["people"]["fingerprint"] == made.PEOPLE.fingerprint()
    assert card["teacher"]["parameters"] == spell(made.TEACHER_RECIPE)["parameters"]


def test_the_script_makes_equal_bytes_of_equal_seeds(tmp_path: Path) -> None:
    made = script()
    few, short = Synthetic(people=4, images=3, seed=9), FaceMAE(steps=3, batch=6, relation_start=0.5)
    recipe = Recognizer(architecture="small", dim=16, steps=2, batch=8)
    for folder in ("one", "other"):
        made.make(tmp_path / folder, few, recipe, short)
    for name in (f"{made.NAME}.safetensors", f"{made.NAME}.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    path = tmp_path / "one" / f"{made.NAME}.safetensors"
    assert FaceMAE(fitted=path).steps == 3
    assert fitted_file.read(path).weights == fitted_file.weights_digest(path)


def test_it_makes_faces_private_without_a_fit_and_says_how_it_was_trained() -> None:
    method = FaceMAE(fitted="synthetic")
    assert not method.fits and not method.needs_teacher and FaceMAE().fits
    assert (method.steps, method.relation_start) == (1600, 0.875)
    faces = Synthetic(people=3, images=2, seed=1).open()
    images = torch.stack([faces[n].image for n in range(6)])
    keys = torch.arange(6 * 32, dtype=torch.uint8).reshape(6, 32)
    private = method.load(Path(), device=CPU)(images, keys)
    assert torch.equal(private, FaceMAE(fitted=str(SHIPPED)).load(Path(), device=CPU)(images, keys))
    apart = (private.float() - images.float()).abs().mean()
    mixed = (private.float() - images.flip(0).float()).abs().mean()
    assert apart < 0.8 * mixed  # faces that look like their own, and not like others'


def test_a_run_spells_it_by_its_content_and_without_it_as_before(learned: Path) -> None:
    assert "fitted" not in spell(FaceMAE())["parameters"]
    assert "fitted" not in json.loads(fitted_file.describe(FaceMAE()))["parameters"]
    digest = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert spell(FaceMAE(fitted="synthetic"))["parameters"]["fitted"] == f"sha256:{digest}"
    assert spell(FaceMAE(fitted=learned)) != spell(FaceMAE(fitted="synthetic"))


def test_a_fit_says_on_whom_it_was(learned: Path) -> None:
    assert fitted_file.read(learned).people == PEOPLE


def test_parameters_that_the_file_does_not_have_are_refused_with_both(learned: Path) -> None:
    told = refused(fitted="synthetic", steps=500, size="small")
    assert "size='tiny', steps=1600" in told and "size='small', steps=500" in told
    told = refused(fitted=str(learned), relation_weight=1, teacher=str(SHIPPED))
    assert "relation_weight=0.0" in told and "relation_weight=1.0" in told and "teacher=None" in told


def test_what_is_wrong_with_a_parameter_is_told_as_without_a_file() -> None:
    assert "method.stepz: there is no such entry; did you mean steps" in refused(fitted="synthetic", stepz=500)
    assert "method.steps: Input should be greater" in refused(fitted="synthetic", steps=0)


def test_how_it_is_applied_may_differ_from_how_it_was_trained() -> None:
    method = FaceMAE(fitted="synthetic", release_ratio=0.9, mask="block", steps=1600)
    assert (method.release_ratio, method.mask, method.ratio) == (0.9, "block", 0.75)
    assert "ratio" in refused(fitted="synthetic", ratio=0.9)


def test_files_of_another_version_or_method_are_refused(learned: Path, tmp_path: Path) -> None:
    other = rewritten(learned, tmp_path / "old.safetensors", version=2)
    assert "expected facemae of version 3, got version 2" in refused(fitted=str(other))
    MAE(steps=1, batch=4).fit(Synthetic(people=3, images=2).open(), tmp_path, Fit(seed=0, device=CPU))
    assert "was fitted by mae" in refused(fitted=str(tmp_path / WEIGHTS))
    assert "there is no such file" in refused(fitted=str(tmp_path / "none.safetensors"))
    assert "synthetic" in refused(fitted="nothing")
    assert "expected a name" in refused(fitted=3)


def test_weights_of_another_architecture_are_refused(learned: Path, tmp_path: Path) -> None:
    said = json.loads(fitted_file.read(learned).model_dump_json())
    said["parameters"]["size"] = "small"
    other = rewritten(learned, tmp_path / "other.safetensors", parameters=said["parameters"])
    with pytest.raises(ValueError, match="architecture"):
        FaceMAE(fitted=other).load(Path(), device=CPU)


@pytest.mark.parametrize("place", [-1, -100_000])
def test_a_file_that_was_tampered_with_is_refused(tmp_path: Path, place: int) -> None:
    content = bytearray(SHIPPED.read_bytes())
    content[place] ^= 1
    (tmp_path / SHIPPED.name).write_bytes(content)
    told = refused(fitted=str(tmp_path / SHIPPED.name))
    assert "expected weights of SHA-256" in told and "changed or damaged" in told


def test_the_package_s_own_file_is_held_against_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(SHIPPED.with_suffix(".json"), tmp_path)
    rewritten(SHIPPED, tmp_path / SHIPPED.name, weights=None)  # whoever tampers takes the inner digest away
    monkeypatch.setattr(brought, "SHIPPED", tmp_path)
    assert "as its card facemae-synthetic.json says" in refused(fitted="synthetic")
    (tmp_path / SHIPPED.with_suffix(".json").name).write_text("{}")
    assert "cannot be read" in refused(fitted="synthetic")


@pytest.mark.parametrize("ratio", [0.0, 0.005, 0.0102, 0.0103, 0.02, 0.75, 0.99])
def test_whether_faces_depend_on_their_keys_is_told_by_what_is_hidden(ratio: float) -> None:
    assert FaceMAE(release_ratio=ratio).draws is (visible_patches(49, ratio) < 49)
