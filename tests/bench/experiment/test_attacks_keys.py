"""What the key of an attack's stage follows from: everything the attack uses, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from facebench.bench.attacks.base import Attack
from facebench.bench.experiment.pipeline import lay_out
from facebench.bench.plan.data import Data, open_data
from facebench.bench.plan.plan import Plan
from facebench.bench.plugins import load
from facebench.bench.store.store import Store
from facebench.reports.board.leaderboard import board
from made_up import record

LEARNING = {"alignment", "parrot", "distillation", "restore"}
SEARCHING = {*LEARNING, "ignorant", "other_image", "ensemble", "linkage"}
EVERY = {*SEARCHING, "membership"}
"""Attacks on a method that makes its faces from originals."""

Keys = Callable[..., dict[str, str]]


def file(folder: Path, name: str) -> dict[str, str]:
    """A recognizer in a file, which is named and not opened."""
    path = folder / f"{name}.onnx"
    path.write_text(name)
    return {"embedder": str(path), "preprocessing": "arcface"}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """Lays out a run and tells the keys of its attacks; the judge and another recognizer are files."""
    store = Store(tmp_path / "runs")
    given = {
        "synthetic": {"people": 60, "images": 4, "pairs": 40},
        "method": "original",
        "attack": file(tmp_path, "judge"),
        "judges": [file(tmp_path, "other")],
        "attacks": sorted(EVERY),
    }
    opened = open_data(Plan(**given), store, root=tmp_path)

    def told(data: Data = opened, **entries: Any) -> dict[str, str]:
        run = lay_out(Plan(**{**given, **entries}), data, store, device="cpu")
        return {name: store.key(stage.name, stage.inputs) for name, stage in run.attacks.items()}

    assert told().keys() == EVERY
    assert not store.root.exists()
    told.data = opened  # type: ignore[attr-defined]
    return told


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Attacks whose keys differ."""
    return {name for name in before if before[name] != after[name]}


def test_parameters_of_an_attack_are_in_its_own_key_alone(keys: Keys) -> None:
    def asked(steps: int) -> list[Any]:
        return [*sorted(EVERY - {"restore"}), {"use": "restore", "steps": steps}]

    assert changed(keys(attacks=asked(3)), keys(attacks=asked(4))) == {"restore"}


@pytest.mark.parametrize("name", sorted(EVERY))
def test_the_version_of_an_attack_is_in_its_own_key_alone(
    name: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys()
    monkeypatch.setattr(load(Attack, name), "version", 99)
    assert changed(before, keys()) == {name}


def test_the_recipe_of_what_attackers_train_is_in_the_keys_of_those_who_learn(keys: Keys) -> None:
    assert changed(keys(), keys(judge={"steps": 7})) == LEARNING


def test_the_recipe_of_another_recognizer_that_the_run_trains_is_in_the_key_of_the_ensemble(keys: Keys) -> None:
    assert changed(keys(judges=[]), keys(judges=[], judge={"steps": 7})) == {*LEARNING, "ensemble"}


def test_a_judge_that_the_run_trains_is_in_every_key(keys: Keys) -> None:
    assert changed(keys(attack={}), keys(attack={}, judge={"steps": 7})) == EVERY


def test_other_recognizers_are_in_the_key_of_the_ensemble_alone(keys: Keys, tmp_path: Path) -> None:
    assert changed(keys(), keys(judges=[file(tmp_path, "third")])) == {"ensemble"}
    assert changed(keys(), keys(judges=[file(tmp_path, "other"), file(tmp_path, "third")])) == {"ensemble"}


@pytest.mark.parametrize("most", [40, 20])
def test_known_faces_are_in_the_keys_of_attacks_that_look_at_people_of_a_or_h(most: int, keys: Keys) -> None:
    assert changed(keys(), keys(known_faces=most)) == SEARCHING


def test_more_known_faces_than_there_are_change_no_key(keys: Keys) -> None:
    assert changed(keys(), keys(known_faces=19_999)) == set()


def test_the_seed_of_attacks_is_in_every_key_where_it_changes_nothing_else(keys: Keys) -> None:
    assert changed(keys(), keys(seed=1)) == EVERY


def test_the_file_of_the_judge_and_how_it_is_used_are_in_every_key(keys: Keys, tmp_path: Path) -> None:
    named = file(tmp_path, "judge")
    for other in (file(tmp_path, "third"), {**named, "preprocessing": "raw"}, {**named, "bgr": True}):
        assert changed(keys(), keys(attack=other)) == EVERY


def test_the_release_is_in_every_key(keys: Keys) -> None:
    assert changed(keys(), keys(encoding="jpeg")) == EVERY
    assert changed(keys(), keys(method={"use": "masking", "region": "eyes"})) == EVERY


def test_the_faces_of_each_role_are_in_every_key(keys: Keys) -> None:
    data: Data = keys.data  # type: ignore[attr-defined]
    fewer = replace(data, places={**data.places, "G": data.places["G"][:-1]})
    assert changed(keys(), keys(fewer)) == EVERY


def test_what_no_attack_uses_is_in_no_key(keys: Keys) -> None:
    unused = {"recognizer": {"steps": 7}, "metrics": ["accuracy"], "identification": True, "recipe": "other"}
    for entry, value in unused.items():
        assert changed(keys(), keys(**{entry: value})) == set()
    assert changed(keys(), {**keys(attacks=["ignorant", "restore"]), **keys(attacks=sorted(EVERY)[::-1])}) == set()


def test_no_recognizer_of_a_run_begins_with_the_weights_of_one_that_it_must_not_resemble(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    plan = Plan(synthetic={"people": 60, "images": 4, "pairs": 40}, method="facemae", attacks=["ensemble"], seed=3)
    run = lay_out(plan, open_data(plan, store, root=tmp_path), store, device="cpu")
    seeds = {
        stage.name: stage.inputs["seed"]
        for stage in run.stages
        if stage.name in ("teacher", "judge", "judge-2", "train")
    }
    assert seeds["judge"] == seeds["train"] == 3
    assert len({seeds["teacher"], seeds["judge"], seeds["judge-2"]}) == 3


def test_the_recipe_of_a_teacher_is_part_of_the_method_that_it_taught(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    given = {"synthetic": {"people": 60, "images": 4, "pairs": 40}, "attacks": ["ignorant"]}

    def spelled(**more: Any) -> dict[str, Any]:
        plan = Plan(**given, **more)
        return lay_out(plan, open_data(plan, store, root=tmp_path), store, device="cpu").context.spelled_method()

    one, other = (spelled(method="facemae", teacher={"steps": steps}) for steps in (60, 5000))
    assert one["teacher"]["parameters"]["steps"] == 60
    assert one != other
    assert "teacher" not in spelled(method="masking", teacher={"steps": 5})
    made = [
        record("facemae", seed=0, name=f"lfw-quick-facemae-{n}", method_spec=spec)
        for n, spec in enumerate((one, other))
    ]
    (group,) = board(made)
    assert {row.label for row in group.rows} == {"facemae (teacher.steps=60)", "facemae (teacher.steps=5000)"}
    older = {key: value for key, value in one.items() if key != "teacher"}
    (group,) = board([made[0], record("facemae", seed=0, name="lfw-quick-facemae-old", method_spec=older)])
    assert {row.label for row in group.rows} == {"facemae (teacher.version=1)", "facemae"}
