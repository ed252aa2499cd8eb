"""Methods that were fitted once and are used as they are: which file that is, and on whom it was fitted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...datasets.base import Faces
from ...datasets.synthetic import SyntheticFaces
from ...methods.base import Method, MethodError, People
from ...methods.parts import fitted_file
from ...methods.parts.brought import FIELD
from ..store.store import Store
from .data import Data
from .plan import ConfigError
from .roles import Role


def in_store(entry: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """The method's entry, with the key of a stage `fit` replaced by the file that it wrote.

    Raises:
        StoreError: what the stage wrote was changed.
    """
    value = entry.get(FIELD)
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{16}", value):
        path = store.verified("fit", value)
        if path:
            return {**entry, FIELD: path / fitted_file.MODEL}
    return dict(entry)


def people_of(data: Data, role: Role) -> People:
    """Who plays a role, as a fitted file tells it."""
    return People(faces=data.fingerprint, role=data.ids[role][1], drawn=_drawn(data.faces))


def refuse_released(method: Method, data: Data) -> None:
    """Refuse a method that was fitted on people among those of the run, unless they play the role it is fitted on.

    Raises:
        ConfigError: it was, or its file does not tell.
    """
    people = fitted_on(method)
    if people is None or not same_people(people, data.faces, data.fingerprint):
        return
    if people.role == data.ids["G"][1] and data.ids["G"] != data.ids["P"] and people.faces == data.fingerprint:
        return
    raise ConfigError(_refusal(people) + "choose other people or weights, or fit in the run")


def note(method: Method, data: Data) -> list[str]:
    """What to tell of a method that was fitted on drawn people and is applied to others: it never saw such faces."""
    people = fitted_on(method)
    if people is None or people.drawn is None or _drawn(data.faces) is not None:
        return []
    return [
        f"the method was fitted on drawn people, and none of this dataset: --set method.{FIELD}=null fits it on people "
        "of role G"
    ]


def refuse_originals(method: Method, faces: Faces, fingerprint: str) -> None:
    """Refuse a method that was fitted on people of a dataset which is to be made private.

    Raises:
        ConfigError: it was, or its file does not tell.
    """
    people = fitted_on(method)
    if people is not None and same_people(people, faces, fingerprint):
        raise ConfigError(_refusal(people) + "make other people private, or use other weights")


def fitted_on(method: Method) -> People | None:
    """On whom the file was fitted that a method brings; None where it brings none.

    Raises:
        ConfigError: the file does not tell.
    """
    if method.brought is None:
        return None
    said = fitted_file.read(method.brought)
    if said.people is None:
        raise ConfigError(
            f"method.{FIELD}: {method.brought} does not say on whom it was fitted, so they may be among those who are "
            "released; fit it again with this facebench, or fit in the run"
        )
    return said.people


def of_file(path: Path) -> People | None:
    """On whom a method was fitted, by its file, or the folder that holds it; None where it does not tell."""
    file = path / fitted_file.MODEL if path.is_dir() else path
    try:
        return fitted_file.read(file).people
    except MethodError:
        return None


def same_people(people: People, faces: Faces, fingerprint: str) -> bool:
    """Whether people whom a method was fitted on are among those of a dataset."""
    drawn = _drawn(faces)
    return people.faces == fingerprint or (drawn is not None and people.drawn == drawn)


def _drawn(faces: Faces) -> int | None:
    return faces.seed if isinstance(faces, SyntheticFaces) else None


def _refusal(people: People) -> str:
    whom = f"drawn people of seed {people.drawn}" if people.drawn is not None else f"people of {people.faces[:16]}"
    return (
        f"method.{FIELD}: the weights were fitted on {whom}, who are among those of this dataset: what they were "
        "fitted on would be released; "
    )
