"""What a run is made of: a recipe, an experiment file and `--set` entries, merged and checked before anything runs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ... import FacebenchError
from ...datasets.base import DataError
from ...datasets.files import safe_yaml
from ...methods.parts.brought import FIELD
from ...methods.parts.private_pack import Encoding
from ..plugins import explain
from ..recognition.judge import Judge
from ..recognition.recognizer import Recognizer
from ..subgroups.assignment import Tables
from . import attacks
from .dataset import SET_NAME, called
from .roles import Shares

RECIPES = Path(__file__).parent / "recipes"
Entry = str | dict[str, Any]
DRAWN = "synthetic"
"""What drawn faces are called, as a dataset and as what a method was fitted on."""


class ConfigError(FacebenchError, ValueError):
    """A run that cannot be made from what was given; the message names the entry, expected, got and what to do."""


class Plan(BaseModel):
    """Everything one run is made of. Closed: an unknown entry is an error, told by its place."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dataset: Entry = "synthetic"
    """A card's name, a path to a pack or a folder of identities, or a plug-in and its parameters."""
    verification: dict[Annotated[str, Field(pattern=SET_NAME)], Entry] = {}
    """Further verification sets: plug-ins by the name that the set gets."""
    method: Entry = "facemae"
    seed: Annotated[int, Field(ge=0, lt=1 << 22)] = 0
    """Of roles, training, release and attacks."""
    recipe: str = "quick"
    about: str = ""
    """What the recipe is for."""
    protocol: Literal["unseen", "in-sample"] = "unseen"
    """Whether the method is fitted on other people than it releases, or on the same ones (G = P)."""
    roles: Shares = Shares()
    min_images: Annotated[int, Field(ge=1, le=10**6)] = 2
    """Least number of images of a person in A, P and H."""
    min_images_fit: Annotated[int, Field(ge=1)] = 1
    """Least number of images of a person in G, for methods that learn from several photos of one person."""
    encoding: Encoding = "png"
    precision: Literal["auto", "float32"] = "auto"
    """Of trainings: `auto` for the fastest that the processor has, `float32` for that of any processor."""
    recognizer: Recognizer = Recognizer()
    teacher: Recognizer = Recognizer()
    """Trained on G's originals for a method that asks for it."""
    judge: Recognizer = Recognizer()
    """Trained on A's originals, where `attack.embedder` names no file."""
    attack: Judge = Judge()
    judges: tuple[Judge, ...] = ()
    """Other recognizers of the attacker's, for the attack `ensemble`; where none is named, one trained like `judge`."""
    known_faces: Annotated[int, Field(ge=4, le=10**6)] = 20_000
    """At most so many faces of A, and of H, are made private for attackers and the control."""
    attacks: tuple[Entry, ...] = Field(default_factory=attacks.default)
    """Those that do not apply to the method are passed over, and the record says why; `all` means all there are, those
    of other packages too."""
    metrics: tuple[Entry, ...] = ("accuracy", "eer", "tar")
    methods: dict[str, dict[str, Any]] = {}
    """Parameters that this recipe gives to methods, by name; `method` entries win over them."""
    synthetic: dict[str, Any] = {}
    """Parameters of the synthetic faces and pairs, where they are the dataset."""
    groups: Tables = Tables()
    """Tables that say which group faces and pairs are in; they change no stage and no hash."""
    resize: bool = False
    """Whether square faces of another size are scaled, in the dataset and in its verification sets."""
    skip_bad: bool = False
    """Whether undecodable images are passed over and counted."""
    identification: bool = False
    """Whether to measure, too, how often the trained recognizer identifies people of the hold-out."""
    people_of: dict[str, Path] = {}
    """By verification set, a text file of the people in it, to count those who are in the dataset too."""

    @field_validator("attacks", mode="before")
    @classmethod
    def _all_attacks(cls, value: Any) -> Any:
        return attacks.every() if value == "all" else value

    def method_entry(self) -> dict[str, Any]:
        """The method's entry with the recipe's parameters below the user's.

        What a recipe takes of drawn people it takes for drawn faces alone: on others the method is fitted in the run,
        unless the user says it, too.
        """
        entry = {"use": self.method} if isinstance(self.method, str) else dict(self.method)
        name = entry.get("use")
        if not isinstance(name, str):
            return entry
        below = dict(self.methods.get(name, {}))
        if below.get(FIELD) == DRAWN and called(self.dataset) != DRAWN:
            del below[FIELD]
        return {**below, **entry}

    def compared(self) -> dict[str, Any]:
        """What must be equal for two runs to be compared, apart from the data."""
        entries = (
            "protocol", "roles", "min_images", "encoding", "recognizer", "judge", "attacks", "metrics", "skip_bad"
        )  # fmt: skip
        given = self.model_dump(mode="json")
        added_later = {name: given[name] for name, default in self.added_later().items() if given[name] != default}
        return {**{name: given[name] for name in entries}, **added_later}

    @classmethod
    def added_later(cls) -> dict[str, Any]:
        """Entries younger than the hashes of published records, with their defaults; they count where they differ."""
        return {"judges": [], **{name: cls.model_fields[name].default for name in ("known_faces", "min_images_fit")}}


def recipes() -> dict[str, str]:
    """Name to purpose of every recipe of the suite."""
    return {path.stem: str(read(path).get("about", "")) for path in sorted(RECIPES.glob("*.yaml"))}


def plan(
    *, recipe: str | None = None, experiment: Path | None = None, settings: Sequence[str] = (), **given: Any
) -> Plan:
    """Merge a recipe, an experiment file, `--set` entries and command-line options, in this order, and check them.

    Args:
        recipe: name of a recipe of the suite, or path of a YAML file; by default the experiment's, or `quick`.
        experiment: path of a YAML file with entries of `Plan`.
        settings: `KEY=VALUE`, where KEY has dots, such as `recognizer.steps=2000`.
        given: entries of `Plan` that the command line names; None is passed over.

    Raises:
        ConfigError: an entry is unknown, of the wrong type, or out of range.
        DataError: a file is not the YAML it should be.
    """
    written = read(experiment) if experiment else {}
    written.pop("grid", None)  # what differs between several runs: `grid.settings` gives it for each
    recipe = recipe or written.get("recipe") or "quick"
    if not isinstance(recipe, str):
        raise ConfigError(f"recipe: expected a name or a path, got {recipe!r}")
    merged = _merge(_recipe(recipe), written)
    merged = _merge(merged, {key: value for key, value in given.items() if value is not None})
    for setting in settings:
        merged = _merge(merged, _setting(setting, merged))
    merged["recipe"] = Path(recipe).stem
    try:
        return Plan.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(
            explain(error, "", Plan, shown=merged["recipe"] if merged["recipe"] in recipes() else "")
        ) from error


def _recipe(name: str) -> dict[str, Any]:
    known = {path.stem: path for path in RECIPES.glob("*.yaml")}
    if name in known:
        return read(known[name])
    if Path(name).suffix in (".yaml", ".yml"):
        return read(Path(name))
    near = difflib.get_close_matches(name, known, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(known))}"
    raise ConfigError(f"recipe: no recipe named {name!r}; {hint} A path of a file ends in .yaml")


def read(path: Path) -> dict[str, Any]:
    """The entries of a recipe's or an experiment's file.

    Raises:
        ConfigError: it holds something else.
        DataError: it is not the YAML it should be.
    """
    content = safe_yaml.load(path, where=str(path))
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ConfigError(f"{path}: expected entries such as `dataset: casia`, got {type(content).__name__}")
    return content


def _setting(setting: str, merged: Mapping[str, Any]) -> dict[str, Any]:
    """One `--set KEY=VALUE` as nested entries; the value is spelled as in YAML."""
    key, equals, text = setting.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise ConfigError(f"--set {setting}: expected KEY=VALUE, such as recognizer.steps=2000")
    try:
        value: Any = safe_yaml.load(text, where=f"--set {key}")
    except (DataError, yaml.YAMLError) as error:
        raise ConfigError(f"--set {key}: the value is not valid YAML: {error}") from error
    for part in reversed(path[1:]):
        value = {part: value}
    if path[0] in ("method", "dataset") and isinstance(value, dict):
        named = merged.get(path[0], Plan.model_fields[path[0]].default)
        value = {"use": named, **value} if isinstance(named, str) else value
    return {path[0]: value}


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, mapping by mapping; naming another method drops the parameters of the first."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        another = (
            isinstance(value, dict) and isinstance(old, dict) and value.get("use", old.get("use")) != old.get("use")
        )
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) and not another else value
    return merged
