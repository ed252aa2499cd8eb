"""The code of a plug-in that another package brings: its file, and what that imports from its own package.

Nobody tells their authors to raise a `version`, so their code itself is part of every key: whoever edits a method and
runs it again gets new numbers. Nothing is imported for it; what is imported is read from the syntax.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from . import typed_code

_OURS = __name__.partition(".")[0]
_COMPILED = (".so", ".pyd")
_INSTALLED = ("site-packages", "dist-packages")


@cache
def sources(plugin: type) -> dict[str, str]:
    """The SHA-256 of every file of a plug-in's code by the module's name; none for a plug-in of facebench itself.

    Read once a class and process: what runs is what was imported.

    Args:
        plugin: the class. Of one without a file, as of a notebook's, what it was compiled to is taken (`typed_code`).
    """
    top = plugin.__module__.partition(".")[0]
    if top == _OURS:
        return {}
    own = _Own(top)
    seen: dict[str, Path] = {}
    waiting = [plugin.__module__]
    while waiting:
        name = waiting.pop()
        if name in seen or name.partition(".")[0] not in own or not (file := _file(name)):
            continue
        seen[name] = file
        parents = name.split(".")[:-1]
        waiting += [".".join(parents[: n + 1]) for n in range(len(parents))]
        if file.suffix == ".py":
            waiting += _imported(file, name, package=file.name == "__init__.py")
    if not seen:
        return {plugin.__module__: typed_code.digest(plugin)}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in sorted(seen.items())}


def digest_of(found: Mapping[str, str]) -> str:
    """One digest of several files, as it stands in a key."""
    return hashlib.sha256("\n".join(f"{name} {found[name]}" for name in sorted(found)).encode()).hexdigest()


class _Own:
    """Which modules of the first level are a plug-in's own: those of its distribution.

    One that is worked on, in a folder of its own, tells too little of itself: there, it is what lies beside it.
    """

    def __init__(self, top: str) -> None:
        self._top, self._by_name = top, packages_distributions()
        self._of = set(self._by_name.get(top, ()))
        root = _root(top)
        self._folder = root.parent if root and root.parent.name not in _INSTALLED else None

    def __contains__(self, name: str) -> bool:
        if name == _OURS:
            return False
        if name == self._top or self._of & set(self._by_name.get(name, ())):
            return True
        return self._folder is not None and (root := _root(name)) is not None and root.parent == self._folder


def _root(top: str) -> Path | None:
    """The file or folder of a module of the first level."""
    if top == "__main__":  # a script; a notebook has no file
        file = getattr(sys.modules.get(top), "__file__", None)
        return Path(file).resolve() if file else None
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # no module, or one that was made by hand
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.origin else None


def _file(module: str) -> Path | None:
    """The file of a module; None where there is none, as of a name that was imported from a module."""
    top, *rest = module.split(".")
    root = _root(top)
    if root is None or not root.is_dir():
        return root if root and not rest else None
    path = root.joinpath(*rest)
    compiled = [file for end in _COMPILED for file in path.parent.glob(f"{path.name}.*{end}")] if rest else []
    for file in (path / "__init__.py", path.with_name(f"{path.name}.py"), *sorted(compiled)):
        if file.is_file():
            return file
    return None


def _imported(file: Path, module: str, *, package: bool) -> Iterator[str]:
    """Every name that a file imports, wherever in it: those of modules, and those that may be one."""
    home = module if package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = home.split(".")[: len(home.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
