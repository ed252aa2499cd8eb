"""Which method a release is made with: named, or told by what was fitted earlier, and never both in contradiction."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...methods.base import Method, MethodError
from ...methods.parts import fitted_file as files
from ...methods.parts.brought import FIELD
from ..plan.fitted import in_store
from ..plugins import build, explain, name_of, spell
from ..store.store import Store, digest, file_digest

_TRACE = "stage.json"
_MOST_TRACE = 16 * 2**20
_SHOWN = 5


@dataclass(frozen=True)
class Chosen:
    """A method that is ready to make faces private."""

    method: Method
    name: str
    spec: dict[str, Any]
    """Class, version and parameters; those that named a file when it was fitted are spelled by its content."""
    fitted: Path | None = None
    """What `fit` wrote: its folder, or one file; None for a method that learns nothing."""
    content: str | None = None
    """Digest of what was fitted."""
    stage: str | None = None
    """The key of the stage that fitted it, where its folder says so."""


def choose(name: str | None, parameters: Mapping[str, Any], fitted: str | None, store: Path) -> Chosen:
    """Find and build the method.

    Args:
        name: of the plug-in; may be None where `fitted` tells it.
        parameters: of the method, as the user gave them.
        fitted: a folder that `fit` wrote, one file, or the key of a stage in `store`.
        store: where stages are.

    Raises:
        MethodError: the method learns and nothing fitted was given, or the other way round; or what was given was
            fitted by another method, version, or with other parameters.
        PluginError, UnknownPlugin: there is no such method, or a parameter is wrong.
    """
    if fitted is not None and parameters.get(FIELD) is not None:
        raise MethodError(
            f"--fitted {fitted} and method.{FIELD} {parameters[FIELD]}: expected one of them; leave the other out"
        )
    if fitted is not None:
        return _fitted(name, parameters, _find(fitted, store))
    if name is None:
        raise MethodError("--method: expected a method's name, or --fitted with what a method learned; got neither")
    method = build(Method, in_store({**parameters, "use": name}, Store(store)), where="method")
    if method.fits:
        raise MethodError(f"--fitted: {name} learns, and what it learned is needed. {_how_to_get(method, name, store)}")
    return Chosen(method, name_of(method, Method), spell(method))


def _find(fitted: str, store: Path) -> Path:
    path = Path(fitted).expanduser()
    if path.exists():
        return path
    stages = store / "stages" / "fit"
    if re.fullmatch(r"[0-9a-f]{16}", fitted) and (stages / fitted).is_dir():
        return stages / fitted
    raise MethodError(
        f"--fitted {fitted}: expected a folder that `bench run` fitted a method into, a file from it, or the key of "
        f"such a folder in {stages}, got nothing there; check the path, or name the store with --store"
    )


def _how_to_get(method: Method, name: str, store: Path) -> str:
    there = [
        path.parent.name
        for path in sorted((store / "stages" / "fit").glob(f"*/{_TRACE}"))
        if _trace(path.parent).get("class") == type(method).__name__
    ]
    here = f" In {store} there are: {', '.join(there[:_SHOWN])}." if there else ""
    return (
        f"`bench run --method {name} --dataset ...` fits it and keeps that in {store}/stages/fit/KEY; give the folder, "
        f"its KEY, or the file {files.MODEL} in it with --fitted.{here}"
    )


def _fitted(name: str | None, parameters: Mapping[str, Any], path: Path) -> Chosen:
    said, content = _said(path, name, parameters)
    if name is not None and name != said.method:
        raise MethodError(
            f"--method {name}: {path} was fitted by {said.method}; leave --method out, or name what {name} learned"
        )
    plain = build(Method, {**said.plain, "use": said.method}, where=f"{path}: {said.method}")
    kind = type(plain)
    if not kind.learns:
        raise MethodError(f"--fitted {path}: {said.method} learns nothing; leave --fitted out")
    if kind.version != said.version:
        raise MethodError(
            f"--fitted {path}: expected {said.method} of version {kind.version}, got version {said.version}; fit it "
            "again, or use the facebench that it was fitted with"
        )
    if named := [field for field, value in plain if isinstance(value, Path) and said.plain.get(field) is not None]:
        raise MethodError(  # of our own files none does; one of another's must not make us open what it likes
            f"--fitted {path}: {said.method}.{named[0]} names a file of this machine, expected its digest; get the "
            "file again from where it was made"
        )
    method = build(Method, {**said.plain, **parameters, "use": said.method}, where="method")
    spec = spell(method)
    for field in said.files:
        if getattr(method, field, None) is None:
            spec["parameters"][field] = said.parameters[field]
    wanted = {**spell(plain)["parameters"], **said.files}
    for field, value in spec["parameters"].items():
        if value != wanted[field]:
            raise MethodError(
                f"method.{field}: {path} was fitted with {wanted[field]!r}, and {value!r} was asked for; leave it out, "
                "or fit the method anew with `bench run`"
            )
    folder = path if path.is_dir() else path.absolute().parent
    stage = folder.name if (folder / _TRACE).is_file() else None
    return Chosen(method, said.method, spec, path, content, stage)


def _said(path: Path, name: str | None, parameters: Mapping[str, Any]) -> tuple[files.Fitted, str]:
    """What was fitted, as the file says it or else its folder; and the digest of what was learned."""
    file = path / files.MODEL if path.is_dir() else path
    if file.is_file() or not path.is_dir():
        try:
            return files.read(file), file_digest(file)
        except files.Undescribed:
            if not path.is_dir():
                raise
    # a method of another package may write what it likes: then the stage's own trace tells, if there is one
    if name is None:
        raise MethodError(
            f"--fitted {path}: it does not say which method it belongs to; name that with --method, and its parameters "
            "with --set"
        )
    trace = _trace(path)
    learned = sorted(file for file in path.rglob("*") if file.is_file() and file.name != _TRACE)
    if not learned:
        raise MethodError(f"--fitted {path}: expected what {name} learned, got an empty folder; check the path")
    content = digest({file.relative_to(path).as_posix(): file_digest(file) for file in learned})
    method = build(Method, {**parameters, "use": name} if not trace else name, where="method")
    if trace and trace.get("class") != type(method).__name__:
        raise MethodError(
            f"--method {name}: {path} was fitted by the class {trace.get('class')}, not {type(method).__name__}; name "
            "its method"
        )
    spelled = trace or spell(method)
    try:
        said = files.Fitted(method=name, version=spelled.get("version", 0), parameters=spelled.get("parameters", {}))
    except ValidationError as error:
        raise MethodError(
            f"--fitted {path}: {_TRACE} is damaged: {explain(error, 'method', files.Fitted)}; fit it again"
        ) from error
    return said, content


def _trace(folder: Path) -> dict[str, Any]:
    """The method as a stage of the store spells it; empty where the folder is none."""
    path = folder / _TRACE
    try:
        if path.stat().st_size > _MOST_TRACE:
            return {}
        method = json.loads(path.read_bytes())["inputs"]["method"]
        return method if isinstance(method, dict) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
