"""A run is checked before anything runs, and what is wrong is told by its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from facebench.bench.plan.plan import ConfigError, Plan, plan, recipes
from facebench.datasets.base import DataError


def test_the_default_is_facemae_on_synthetic_faces_with_quick() -> None:
    found = plan()
    assert (found.dataset, found.method_entry()["use"], found.recipe, found.seed) == (
        "synthetic",
        "facemae",
        "quick",
        0,
    )


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_of_the_suite_is_valid_and_says_what_it_is_for(name: str) -> None:
    assert plan(recipe=name).recipe == name
    assert recipes()[name]


def test_settings_win_over_the_command_line_over_the_experiment_over_the_recipe(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("recipe: quick\nseed: 3\nmethod: {use: masking, ratio: 0.5}\nrecognizer: {steps: 7, batch: 8}\n")
    found = plan(experiment=file, settings=["recognizer.steps=9", "method.ratio=0.9"], seed=4)
    assert (found.seed, found.recognizer.steps, found.recognizer.batch) == (4, 9, 8)
    assert found.recognizer.architecture == "small"  # of the recipe
    assert found.method_entry() == {"use": "masking", "ratio": 0.9}


def test_naming_another_method_drops_the_parameters_of_the_first(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("method: {use: masking, ratio: 0.5}\n")
    assert plan(experiment=file, method="pixelate").method_entry() == {"use": "pixelate"}


def test_a_recipe_gives_a_method_its_parameters_and_the_user_wins() -> None:
    assert plan(method="mae").method_entry()["size"] == "tiny"
    assert plan(method="facemae").method_entry()["fitted"] == "synthetic"
    assert plan(method="facemae", dataset="casia").method_entry() == {"use": "facemae"}  # people, not drawings
    asked = plan(method="facemae", dataset="casia", settings=["method.fitted=synthetic"])
    assert asked.method_entry()["fitted"] == "synthetic"
    assert plan(method="facemae", settings=["method.fitted=null"]).method_entry()["fitted"] is None
    assert plan(method="mae", settings=["method.size=small"]).method_entry()["size"] == "small"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["recogniser.steps=1"], r"recogniser: .*did you mean recognizer"),
        (["recognizer.step=1"], r"recognizer\.step: "),
        (["recognizer.steps=0"], r"recognizer\.steps: .*greater than or equal to 1, got 0"),
        (["recognizer.steps=many"], r"recognizer\.steps: .*integer.*got 'many'"),
        (["recognizer.lr=.nan"], r"recognizer\.lr"),
        (["roles.G=0.9"], r"roles: .*add up to 1"),
        (["seed=-1"], r"seed: "),
        (["steps"], "expected KEY=VALUE"),
        (["a..b=1"], "expected KEY=VALUE"),
        (["attack.preprocessing=guess"], r"attack\.preprocessing: .*arcface"),
        (["recognizer.steps=!!python/object/apply:os.system [true]"], r"--set recognizer\.steps"),
        (["recognizer=[1, *a]"], r"--set recognizer"),
    ],
)
def test_a_wrong_setting_is_told_by_its_place(settings: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        plan(settings=settings)


def test_an_unknown_recipe_offers_a_near_one() -> None:
    with pytest.raises(ConfigError, match="did you mean quick"):
        plan(recipe="quik")


def test_a_file_that_is_no_mapping_or_not_there_is_told(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("- 1\n- 2\n")
    with pytest.raises(ConfigError, match="expected entries"):
        plan(experiment=file)
    with pytest.raises((ConfigError, DataError, OSError), match="missing"):
        plan(experiment=tmp_path / "missing.yaml")


def test_what_is_compared_has_neither_method_nor_seed() -> None:
    assert plan(method="masking", seed=1).compared() == plan(method="noise", seed=2).compared()
    assert plan(settings=["recognizer.steps=5"]).compared() != plan().compared()


def test_a_plan_is_frozen_and_closed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        plan().seed = 2  # type: ignore[misc]
    with pytest.raises(ValueError, match="colour"):
        Plan(colour="red")  # type: ignore[call-arg]


def test_every_recipe_has_the_attacker_who_replays() -> None:
    for name in recipes():
        named = [entry if isinstance(entry, str) else entry["use"] for entry in plan(recipe=name).attacks]
        assert "replay" in named, name
