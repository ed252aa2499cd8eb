"""Arithmetic is part of what a run is: of its keys, of its recipe's hash, and of what its store may hold."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from facebench.bench.audit.recompute import own_content
from facebench.bench.cli.main import main
from facebench.bench.compare.compare import CompareError, compare
from facebench.bench.experiment import pipeline
from facebench.bench.experiment import run as running
from facebench.bench.experiment.batches import cut_down
from facebench.bench.experiment.pipeline import lay_out
from facebench.bench.experiment.stages import arithmetic
from facebench.bench.experiment.stages.stage import Stage
from facebench.bench.plan.data import open_data
from facebench.bench.plan.plan import Plan
from facebench.bench.store.store import Store, StoreError
from facebench.bench.terminal.progress import Display
from facebench.facemae.runtime import precision as trained_in
from facebench.reports.result.parts import Released
from facebench.reports.result.record import RunRecord, read
from made_up import record

CPU = torch.device("cpu")
PLAN = Plan(synthetic={"people": 60, "images": 4, "pairs": 40}, method="facemae", attacks=("ignorant", "parrot"))
TRAINED = {"teacher", "fit", "train", "judge", "attack/parrot"}


def laid(store: Store, precision: str, monkeypatch: pytest.MonkeyPatch) -> pipeline.Pipeline:
    monkeypatch.setattr(pipeline, "arithmetic", lambda device, store: precision)
    return lay_out(PLAN, open_data(PLAN, store, root=store.root), store, device="cpu")


def test_only_another_arithmetic_than_float32_is_in_keys_and_in_all_that_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "runs")
    usual, other = (laid(store, precision, monkeypatch) for precision in ("float32", "bfloat16"))
    assert all("precision" not in step.inputs for step in usual.stages)
    assert {step.name for step in other.stages if "precision" in step.inputs} == TRAINED
    keys = [{step.name: store.key(step.name, step.inputs) for step in each.stages} for each in (usual, other)]
    assert keys[0].keys() == keys[1].keys()
    assert {name for name in keys[0] if keys[0][name] == keys[1][name]} == set()  # the judge is trained, too
    plain = PLAN.model_copy(update={"method": "original", "attacks": ("ignorant",)})
    monkeypatch.setattr(pipeline, "arithmetic", lambda device, store: "bfloat16")
    release = lay_out(plain, open_data(plain, store, root=store.root), store, device="cpu").release
    assert "precision" not in str(release.inputs)  # nothing was trained for it


def test_a_recipe_can_ask_for_float32_whatever_the_processor_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "runs")
    usual = laid(store, "float32", monkeypatch)
    monkeypatch.setattr(pipeline, "arithmetic", lambda device, store: "bfloat16")
    asked = PLAN.model_copy(update={"precision": "float32"})
    found = lay_out(asked, open_data(asked, store, root=store.root), store, device="cpu")
    assert [store.key(s.name, s.inputs) for s in found.stages] == [store.key(s.name, s.inputs) for s in usual.stages]
    assert found.context.precision == "float32"


def test_stages_are_trained_in_the_arithmetic_that_their_keys_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a processor with bfloat16 that is told by what PyTorch was asked for while the stage was made."""
    monkeypatch.delenv("FACEBENCH_PRECISION", raising=False)
    monkeypatch.setattr(trained_in, "native_bf16", lambda device: True)
    seen: list[bool] = []
    for asked in ("float32", "auto"):
        plan = PLAN.model_copy(update={"precision": asked})
        store = Store(tmp_path / asked)
        laid_out = lay_out(plan, open_data(plan, store, root=store.root), store, device="cpu")
        stage = Stage("x", {}, "steps", lambda out, progress: seen.append(trained_in.trains_in_bf16(CPU)))
        running._make(laid_out, stage, Display(quiet=True), lambda: None)
    assert seen == [False, True]
    assert trained_in.trains_in_bf16(CPU)  # afterwards all is as it was


@pytest.mark.parametrize(("kept", "asked"), [("bfloat16", "float32"), ("float32", "bfloat16")])
def test_a_store_that_was_trained_in_another_arithmetic_under_the_same_keys_is_refused(
    kept: str, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "runs")
    step = next(step for step in laid(store, asked, monkeypatch).stages if step.name == "judge")
    store.stage("judge", step.inputs, lambda out: (out / "x").touch(), precision=kept)
    with pytest.raises(StoreError, match=f"stage judge in .*: expected training in {asked}, got {kept}.*--store"):
        laid(store, asked, monkeypatch)


@pytest.mark.parametrize("told", [None, "float32"])
def test_stages_that_do_not_tell_are_taken_as_they_are(
    told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "runs")
    step = next(step for step in laid(store, "float32", monkeypatch).stages if step.name == "judge")
    store.stage("judge", step.inputs, lambda out: (out / "x").touch(), precision=told)
    laid(store, "float32", monkeypatch)
    arithmetic.refuse_other([Stage("verify/x", {}, "faces", print)], store, "float32")


def test_the_answer_is_asked_once_and_kept_and_float32_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facebench.facemae.runtime import precision

    store = Store(tmp_path / "runs")
    assert arithmetic.arithmetic("cpu", store) == "float32"
    assert not store.root.exists()
    monkeypatch.delenv("FACEBENCH_PRECISION")
    monkeypatch.setattr(trained_in, "native_bf16", lambda device: True)
    assert arithmetic.arithmetic("cpu", store) == "bfloat16"
    monkeypatch.setattr(trained_in, "native_bf16", lambda device: pytest.fail("asked again"))
    assert arithmetic.arithmetic("cpu", store) == "bfloat16"
    monkeypatch.setenv("FACEBENCH_PRECISION", "float16")
    with pytest.raises(precision.PrecisionError, match="expected auto or float32, got 'float16'"):
        arithmetic.arithmetic("cpu", store)


def test_the_recipe_of_a_run_in_another_arithmetic_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(
        "synthetic: {people: 60, images: 4, pairs: 40}\n"
        "recognizer: {architecture: small, dim: 32, steps: 3, batch: 500}\n"
        "judge: {architecture: small, dim: 32, steps: 3, batch: 16}\nattacks: [ignorant]\n"
    )
    found: list[RunRecord] = []
    for precision in ("float32", "bfloat16"):
        monkeypatch.setattr(pipeline, "arithmetic", lambda device, store, precision=precision: precision)
        store = tmp_path / precision
        main(
            [
                "run",
                "--recipe",
                str(recipe),
                "--method",
                "original",
                "--store",
                str(store),
                "--tracking-uri",
                "none",
                "-q",
            ]
        )
        found += [read(path) for path in (store / "records").glob("*.json")]
    assert [each.precision for each in found] == ["float32", "bfloat16"]
    assert found[0].recipe_hash != found[1].recipe_hash
    assert found[0].name != found[1].name
    for each in found:  # what `bench verify` makes again
        assert not [told for told in own_content(each) if told.startswith(("recipe_hash", "name"))]
        assert each.notes == ("batch cut down: train 96 faces a step, not 500",)
    assert (
        json.loads((tmp_path / "float32" / "records" / f"{found[0].name}.json").read_text())["precision"] == "float32"
    )


def test_two_methods_of_unlike_arithmetic_are_not_compared(tmp_path: Path) -> None:
    pair = [record("masking", precision="float32"), record("facemae", precision="bfloat16")]
    with pytest.raises(CompareError, match="expected records of two methods with equal data and an equal recipe"):
        compare(pair, tmp_path)
    older = record("facemae")  # which does not tell
    assert [(line.first, line.second) for table in compare([pair[0], older], tmp_path) for line in table.lines]


def test_every_recognizer_whose_batch_was_cut_down_is_told() -> None:
    plan = Plan()
    few = {"G": range(10), "A": range(300), "P": range(1000), "H": range(5)}
    context = SimpleNamespace(plan=plan, data=SimpleNamespace(places=few))
    made = SimpleNamespace(context=context, teacher=object(), judge=SimpleNamespace(stage=object()))
    assert cut_down(made, Released(identities=3, images=15)) == [  # type: ignore[arg-type]
        "batch cut down: train 15 faces a step, not 256, teacher 10 faces a step, not 256"
    ]
    alone = SimpleNamespace(context=context, teacher=None, judge=SimpleNamespace(stage=None))
    assert cut_down(alone, Released(identities=3, images=256)) == []  # type: ignore[arg-type]
