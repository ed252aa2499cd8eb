"""Find, build and spell plug-ins.

A plug-in is the one class of its kind in a file of the kind's folder, and the file's name is its name. Other
packages declare an entry point in the group named after the folder, such as `facebench.methods`.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.types import PathType

from .. import FacebenchError
from . import plugin_files
from .plugin_sources import digest_of, sources
from .store.folder_digest import folder_digest
from .store.plugin_errors import explained, place
from .store.store import file_digest

T = TypeVar("T", bound=BaseModel)


class PluginError(FacebenchError, ValueError):
    """A plug-in that cannot be built; the message says which entry, expected, got and what to do."""


class UnknownPlugin(FacebenchError, LookupError):
    """No plug-in has that name; the message offers near ones."""

    def __str__(self) -> str:
        return str(self.args[0])


def names(*kinds: type[BaseModel]) -> dict[str, str]:
    """Name to first docstring line, or to why the plug-in is not available, sorted by name.

    Args:
        kinds: contracts of one folder; a plug-in fills one of them.
    """
    found = {name: f"(no plug-in: {why})" for base in kinds for name, why in _odd(base).items()}
    found |= {name: _says(name, kinds) for base in kinds for name in {*_files(base), *_entries(base)}}
    return dict(sorted(found.items()))


def _says(name: str, kinds: Sequence[type[BaseModel]]) -> str:
    why = ""
    for base in kinds:
        try:
            return (inspect.getdoc(load(base, name)) or "").partition("\n")[0]
        except ImportError as error:
            return f"(not available: {error})"
        except UnknownPlugin:
            continue
        except PluginError as error:
            why = why or f"(not usable: {error})"
    return why


def provided(base: type[BaseModel], name: str) -> bool:
    """Whether there is a plug-in of that name and kind, or one that cannot be loaded to see of which kind it is."""
    if name in _files(base):
        return True
    entries = _entries(base).get(name, ())
    try:
        return any(inspect.isclass(offered := entry.load()) and issubclass(offered, base) for entry in entries)
    except Exception:  # whatever it is, `load` tells
        return True


def own(base: type[BaseModel]) -> tuple[str, ...]:
    """Names of the suite's own plug-ins, whatever else is installed."""
    return tuple(sorted(_files(base)))


def load(base: type[T], name: str) -> type[T]:
    """The class of a plug-in; nothing but its own file is imported.

    Raises:
        UnknownPlugin: there is none of that name.
        PluginError: two packages offer the name, or it is not a plug-in of this kind.
        ImportError: it needs a package that is missing.
    """
    files, entries = _files(base), _entries(base)
    offered = [f"{files[name].name} of facebench"] if name in files else []
    offered += [f"{entry.value} of {entry.dist.name if entry.dist else '?'}" for entry in entries.get(name, ())]
    if len(offered) > 1:
        raise PluginError(
            f"{_kind(base)} {name!r}: expected one plug-in of that name, got {len(offered)}: {', '.join(offered)}; "
            "uninstall one of the packages or rename its entry point"
        )
    if not offered and (why := _odd(base).get(name)):
        raise PluginError(f"{_kind(base)} {name!r}: its file is no plug-in: {why}")
    if not offered:
        known = sorted({*files, *entries})
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(known)}"
        raise UnknownPlugin(f"no {_kind(base)} named {name!r}. {hint}")
    try:
        if name in files:
            return _only_class(base, importlib.import_module(f"{_package(base)}.{name}"), name)
        loaded = entries[name][0].load()
    except (ImportError, PluginError):
        raise
    except Exception as error:
        raise PluginError(
            f"{_kind(base)} {name!r}: {offered[0]} cannot be loaded: {explained(error)}, at {place(error)}"
        ) from error
    if not (inspect.isclass(loaded) and issubclass(loaded, base)):
        raise PluginError(f"{_kind(base)} {name!r}: {offered[0]} is not a {base.__name__}")
    return loaded


def build(base: type[T], spec: T | Mapping[str, Any] | str, *, where: str) -> T:
    """A plug-in from its name, or from a mapping of `use` and parameters.

    Raises:
        UnknownPlugin: there is none of that name.
        PluginError: a parameter is unknown or out of range; the message names it as it is spelled in a file.
    """
    if isinstance(spec, base):
        return spec
    entry = {"use": spec} if isinstance(spec, str) else dict(spec)
    name = entry.pop("use", None)
    if not isinstance(name, str):
        raise PluginError(f"{where}: expected a name or {{use: NAME, ...}}, got {spec!r}")
    try:
        plugin = load(base, name)
    except UnknownPlugin as error:
        raise UnknownPlugin(f"{where}: {error}") from None
    except ImportError as error:
        raise PluginError(f"{where}: {name} is not available: {error}; install what it needs") from error
    try:
        return plugin(**entry)
    except ValidationError as error:
        raise PluginError(explain(error, where, plugin, shown=name)) from error
    except OSError as error:  # of a parameter that is a path, and too long, or behind a folder that is closed
        raise PluginError(
            f"{where}: a path of {name} cannot be used ({error.strerror or error}); correct it"
        ) from error


def explain(error: ValidationError, where: str, model: type[BaseModel], *, shown: str = "") -> str:
    """What is wrong with an entry, told by its place; an unknown one with the near ones that there are.

    Args:
        error: of the model.
        where: the entry that the model is built from; empty for a whole file.
        model: what was to be built.
        shown: what `bench show` tells of it by.
    """
    problems = []
    for problem in error.errors(include_url=False):
        place = ".".join([*([where] if where else []), *(str(part) for part in problem["loc"])])
        if problem["type"] == "extra_forbidden":
            problems.append(f"{place}: there is no such entry{_near_entries(problem['loc'], model, shown)}")
        else:
            whole = problem["type"] == "missing" or not problem["loc"]  # all of a plug-in's entries tell nothing
            got = "" if whole else f", got {problem['input']!r:.80}"
            problems.append(f"{place}: {problem['msg']}{got}")
    return "; ".join(problems)


def _near_entries(place: Sequence[int | str], model: type[BaseModel], shown: str) -> str:
    """Which entries an unknown one may have meant; else all, or who has them."""
    known = model.model_fields
    for part in place[:-1]:
        inner = known[part].annotation if isinstance(part, str) and part in known else None
        if not (inspect.isclass(inner) and issubclass(inner, BaseModel)):
            return ""
        known = inner.model_fields
    near = difflib.get_close_matches(str(place[-1]), known, n=3)
    told = (
        f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(known)}" if len(known) < 12 else ""
    )
    return told + (f" `bench show {shown}` tells of all" if shown else "")


def name_of(plugin: BaseModel, base: type[BaseModel]) -> str:
    """The name a plug-in is found under."""
    module, _, last = type(plugin).__module__.rpartition(".")
    if module == _package(base):
        return last
    for name, entries in _entries(base).items():
        if any(entry.value == f"{type(plugin).__module__}:{type(plugin).__qualname__}" for entry in entries):
            return name
    return type(plugin).__name__.lower()


def spell(plugin: BaseModel) -> dict[str, Any]:
    """A plug-in as data for a key: class, version, parameters; a file is spelled by its content.

    So is a folder, where the parameter is a `DirectoryPath`. Of a plug-in of another package its code is a part.

    Raises:
        PluginError: a parameter names a file or folder that cannot be read.
    """
    parameters = plugin.model_dump(mode="json")
    for field, value in plugin:
        if isinstance(value, Path):
            folder = PathType("dir") in type(plugin).model_fields[field].metadata
            parameters[field] = "sha256:" + _content(value, f"{type(plugin).__name__}.{field}", folder=folder)
    return {
        "class": type(plugin).__name__,
        "version": getattr(type(plugin), "version", 1),
        "parameters": parameters,
        **({"source": digest_of(found)} if (found := sources(type(plugin))) else {}),
    }


def _content(path: Path, where: str, *, folder: bool) -> str:
    try:
        return folder_digest(path) if folder else file_digest(path)
    except OSError as error:
        what = "folder" if folder else "file"
        raise PluginError(f"{where}: {path} cannot be read ({error.strerror or error}); name a {what}") from error


def _package(base: type[BaseModel]) -> str:
    return base.__module__.rpartition(".")[0]


def _kind(base: type[BaseModel]) -> str:
    return {"FaceSource": "dataset", "PairSource": "verification set"}.get(base.__name__, base.__name__.lower())


def _files(base: type[BaseModel]) -> dict[str, Path]:
    """Files of the kind's folder that define a class of it; told by their syntax, so that nothing is imported."""
    return plugin_files.look(Path(inspect.getfile(base)))[base.__name__].plugins


def _odd(base: type[BaseModel]) -> dict[str, str]:
    """Files of the kind's folder that are no plug-in of any kind, and why."""
    return plugin_files.look(Path(inspect.getfile(base)))[base.__name__].odd


@cache
def _entries(base: type[BaseModel]) -> dict[str, tuple[EntryPoint, ...]]:
    group = "facebench." + _package(base).rpartition(".")[2]
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=group):
        if entry not in found.get(entry.name, ()):
            found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


def _only_class(base: type[T], module: Any, name: str) -> type[T]:
    classes = [
        member
        for member in vars(module).values()
        if inspect.isclass(member) and issubclass(member, base) and member.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise PluginError(
            f"{_kind(base)} {name!r}: expected one {base.__name__} in {module.__name__}, got {len(classes)}"
            f"{': ' if classes else ''}{', '.join(each.__name__ for each in classes)}; a plug-in is the one class of "
            "its kind in a file, so give each a file of its own; what several have in common is an `ABC`"
        )
    return classes[0]
