"""What a plug-in, a recipe, a dataset or a stage is, and what may be set of it, as data for `bench show`."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined


@dataclass(frozen=True)
class Parameter:
    """One that a user may set."""

    name: str
    kind: str
    """Its type, with the range where there is one."""
    default: str
    """As it is written in a recipe; `required` where there is none."""
    says: str


@dataclass(frozen=True)
class Description:
    """One thing that a user may name."""

    name: str
    kind: str
    """`method`, `attack`, `metric`, `dataset`, `verification set`, `card`, `recipe` or `stage`."""
    about: str
    """Several paragraphs of plain text."""
    where: str
    """The file it is written in, below the package."""
    parameters: tuple[Parameter, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """What else there is to say, by a short name."""


def of_class(name: str, kind: str, plugin: type[BaseModel]) -> Description:
    """What a plug-in's class says of itself.

    Args:
        name: by which it is found.
        kind: of the plug-in.
        plugin: its class.
    """
    facts = {"version": str(getattr(plugin, "version", 1))}
    return Description(name, kind, inspect.getdoc(plugin) or "", _file(plugin), tuple(parameters(plugin)), facts)


def parameters(model: type[BaseModel]) -> list[Parameter]:
    """The fields of a model, with their types, ranges, defaults and the text below each."""
    says = _texts(model)
    hints = typing.get_type_hints(model, include_extras=True)
    found = []
    for name, info in model.model_fields.items():
        default = "required" if info.is_required() else written(info.get_default(call_default_factory=True))
        found.append(Parameter(name, spelled(hints.get(name, info.annotation)), default, says.get(name, "")))
    return found


def spelled(hint: Any) -> str:
    """A type as a user would say it, such as `number, 0 to 1` or `gram | distance`."""
    origin, of = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        limits = _limits(of[1:])
        return spelled(of[0]) + (f", {limits}" if limits else "")
    if origin is typing.Literal:
        return " | ".join(map(str, of))
    if origin in (typing.Union, types.UnionType):
        return " | ".join("none" if each is type(None) else spelled(each) for each in of)
    if origin in (tuple, list):
        return f"list of {spelled(of[0])}"
    return _word(hint, origin)


def _word(hint: Any, origin: Any) -> str:
    """A type that is made of no others."""
    if origin is dict:
        return "mapping"
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return f"mapping ({', '.join(hint.model_fields)})"
    words = {"int": "whole number", "float": "number", "str": "text", "bool": "true | false", "Path": "path"}
    name = getattr(hint, "__name__", str(hint))
    return words.get(name, name)


def _limits(told: tuple[Any, ...]) -> str:
    ends: dict[str, Any] = {}
    for each in told:
        for part in [each, *getattr(each, "metadata", ())]:
            for end in ("ge", "gt", "le", "lt", "min_length", "max_length"):
                if (value := getattr(part, end, None)) is not None:
                    ends[end] = value
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return ", ".join(f"{words[end]} {ends[end]:,}" for end in words if end in ends)


def written(value: Any) -> str:
    """A default as a recipe would write it."""
    import yaml

    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    elif isinstance(value, tuple):
        value = list(value)
    elif isinstance(value, Path):
        value = str(value)
    return yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False).removesuffix("\n...\n").strip()


def _texts(model: type[BaseModel]) -> dict[str, str]:
    """The text below each field, of the class that defines it."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if not (issubclass(cls, BaseModel) and cls is not BaseModel):
            continue
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        except (OSError, TypeError, SyntaxError, ValueError):
            continue
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for node, below in itertools.pairwise(body):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                value = below.value if isinstance(below, ast.Expr) else None
                text = value.value if isinstance(value, ast.Constant) else ""
                if isinstance(text, str) and text:
                    found[node.target.id] = " ".join(text.split())
    return found


def _file(plugin: type) -> str:
    path, root = Path(inspect.getfile(plugin)), Path(__file__).resolve().parents[1]
    return path.relative_to(root).as_posix() if root in path.parents else str(path)
