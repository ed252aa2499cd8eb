"""Methods that were fitted once, elsewhere: their parameters are those of the file, and the file is what it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...datasets.files.regular import open_regular
from ..base import Method, MethodError
from . import fitted_file

SHIPPED = Path(__file__).parents[1] / "fitted"
"""What comes with the suite: METHOD-NAME.safetensors, and beside each its card, METHOD-NAME.json."""
FIELD = "fitted"


def filled(kind: type[Method], given: Any, *, changeable: Set[str]) -> Any:
    """The parameters of a method with those of the file that it brings; as they are where it brings none.

    Args:
        kind: of the method.
        given: parameters by name, as they were given.
        changeable: those that may differ from the file's, since they decide how it is applied, not how it was trained.

    Raises:
        ValueError: the file cannot be used, is of another method or version, was changed, or another parameter was
            given than it has; the message lists both.
    """
    if not isinstance(given, Mapping) or given.get(FIELD) is None:
        return given
    name = kind.__module__.rpartition(".")[2]
    try:
        path = find(name, given[FIELD])
        said = fitted_file.read(path)
        fitted_file.refuse_damaged(said, path)
    except (MethodError, TypeError) as error:
        raise ValueError(f"{FIELD}: {error}") from error
    if said.method != name:
        raise ValueError(f"{FIELD}: {path} was fitted by {said.method}; expected a file that {name} was fitted into")
    if said.version != kind.version:
        raise ValueError(
            f"{FIELD}: {path}: expected {name} of version {kind.version}, got version {said.version}; fit it again, or "
            "use the facebench that it was fitted with"
        )
    mine = {field: value for field, value in given.items() if field != FIELD}
    try:
        asked: dict[str, Any] = json.loads(fitted_file.describe(kind(**mine)))["parameters"]
    except ValidationError:
        return {**mine, FIELD: path}  # what is wrong with each is told by its place
    other = sorted(
        field for field in mine.keys() - changeable if field in asked and asked[field] != said.parameters.get(field)
    )
    if other:
        raise ValueError(
            f"{FIELD}: {path.name} was fitted with "
            + ", ".join(f"{field}={said.parameters.get(field)!r:.80}" for field in other)
            + ", and "
            + ", ".join(f"{field}={asked[field]!r:.80}" for field in other)
            + f" was asked for; leave {' and '.join(other)} out, or fit in the run: --set method.{FIELD}=null"
        )
    known = {field: value for field, value in said.plain.items() if field in kind.model_fields}
    return {**known, **{field: value for field, value in mine.items() if field in changeable}, FIELD: path}


def find(name: str, value: Any) -> Path:
    """The file that is meant: that of the suite by its name, or a path.

    Args:
        name: of the method.
        value: as it was given.

    Raises:
        MethodError: there is none of that name, or it is not what its card says.
        TypeError: it is neither text nor a path.
    """
    if not isinstance(value, str | Path):
        raise TypeError(f"expected a name, a file or the key of a stage, got {value!r:.80}")
    path = SHIPPED / f"{name}-{value}.safetensors"
    if isinstance(value, str) and value in shipped(name):
        _refuse_other_than_card(path)
        return path
    file = Path(value).expanduser()
    if file.is_dir():
        return file / fitted_file.MODEL
    if not file.exists():
        known = ", ".join(shipped(name)) or "none"
        raise MethodError(
            f"{value!s:.200}: there is no such file; expected a file that `bench run` fitted, its folder, the key of a "
            f"stage `fit` in the store of the run, or what comes with the suite: {known}"
        )
    return file


def shipped(name: str) -> list[str]:
    """What comes with the suite for a method."""
    return sorted(path.stem.removeprefix(f"{name}-") for path in SHIPPED.glob(f"{name}-*.safetensors"))


def _refuse_other_than_card(path: Path) -> None:
    card = path.with_suffix(".json")
    try:
        wanted = str(json.loads(card.read_text(encoding="utf-8"))["sha256"])
        with open_regular(path) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MethodError(f"{path}: it or its card {card.name} cannot be read; install facebench again") from error
    if found != wanted:
        raise MethodError(
            f"{path}: expected SHA-256 {wanted[:16]}..., as its card {card.name} says, got {found[:16]}...; it was "
            "changed or damaged: install facebench again"
        )
