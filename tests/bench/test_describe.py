"""What a user may set is described by the classes themselves, every entry with a text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from facebench.bench.attacks.base import Attack
from facebench.bench.describe import of_class, parameters, spelled
from facebench.bench.metrics.base import Metric
from facebench.bench.plugins import load, own
from facebench.bench.recognition.judge import Judge
from facebench.bench.recognition.recognizer import Recognizer
from facebench.datasets.base import FaceSource, PairSource
from facebench.methods.base import Method
from facebench.methods.facemae import FaceMAE
from pydantic import BaseModel, Field

KINDS: tuple[type[Any], ...] = (Method, Attack, Metric, FaceSource, PairSource)
MODELS = {f"{kind.__name__} {name}": load(kind, name) for kind in KINDS for name in own(kind)}


@pytest.mark.parametrize("name", [*MODELS, "Recognizer", "Judge"])
def test_every_parameter_has_a_text(name: str) -> None:
    model = {**MODELS, "Recognizer": Recognizer, "Judge": Judge}[name]
    assert [one.name for one in parameters(model) if not one.says] == []


class Given(BaseModel):
    ratio: Annotated[float, Field(ge=0, lt=1)] = 0.75
    """Share that is
    hidden."""
    kind: Literal["a", "b"]
    path: Path | None = None
    of: tuple[Annotated[int, Field(ge=1)], ...] = (1, 5)
    """Ranks."""


def test_types_ranges_and_defaults_are_as_a_recipe_spells_them() -> None:
    found = {one.name: (one.kind, one.default, one.says) for one in parameters(Given)}
    assert found == {
        "ratio": ("number, at least 0, below 1", "0.75", "Share that is hidden."),
        "kind": ("a | b", "required", ""),
        "path": ("path | none", "null", ""),
        "of": ("list of whole number, at least 1", "[1, 5]", "Ranks."),
    }
    assert spelled(dict[str, int]) == "mapping"


def test_texts_of_what_is_inherited_are_found() -> None:
    found = of_class("facemae", "method", FaceMAE)
    says = {one.name: one.says for one in found.parameters}
    assert says["patch"].startswith("Side of a patch in pixels")  # of the class above
    assert says["relation"].startswith("What is matched")
    assert (found.where, found.facts["version"]) == ("methods/facemae.py", str(FaceMAE.version))
    assert "arXiv 2205.11090" in found.about
