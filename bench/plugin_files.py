"""Which files of a folder are plug-ins, told by their syntax, and why the others are none."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

Classes = dict[str, set[str]]
"""The classes that a file defines, and the name of each of their bases without what stands before its last dot."""


class Look(NamedTuple):
    """What a folder has of one kind of plug-in."""

    plugins: dict[str, Path]
    """By name."""
    odd: dict[str, str]
    """By the file's name, why it is a plug-in of no kind."""


@cache
def look(base: Path) -> dict[str, Look]:
    """The plug-ins in the folder of a contract, by the contract's class; nothing is imported for it.

    A class that is also an `ABC` is what some plug-ins have in common, and none itself; it may stand in a folder below.

    Args:
        base: the file of the contract, or of several; its abstract classes are the contracts.
    """
    classes: dict[Path, Classes] = {}
    odd: dict[str, str] = {}
    for path in sorted(base.parent.rglob("*.py")):
        try:
            classes[path] = _classes(path)
        except (SyntaxError, ValueError, OSError) as error:
            if path.parent == base.parent:
                odd[path.stem] = _unread(path, error)
    families = {name: _family(name, classes.values()) for name, of in classes[base].items() if "ABC" in of}
    found: dict[str, dict[str, Path]] = {name: {} for name in families}
    for path, defined in classes.items():
        if path.parent != base.parent or path == base or path.stem.startswith("__"):
            continue
        kinds = [name for name, family in families.items() if any(_is_one(of, family) for of in defined.values())]
        if not kinds:
            odd[path.stem] = _none(defined, families)
        elif not path.stem.isidentifier() or keyword.iskeyword(path.stem):
            odd[path.stem] = (
                f"the file's name is the plug-in's, and {path.stem!r} is no name in Python; rename it, such as to "
                f"{_mended(path.stem)}.py"
            )
        else:
            for name in kinds:
                found[name][path.stem] = path
    return {name: Look(plugins, odd) for name, plugins in found.items()}


def _family(contract: str, files: Iterable[Classes]) -> set[str]:
    """A contract and what is abstract below it."""
    family = {contract}
    while more := {name for found in files for name, of in found.items() if of & family and "ABC" in of} - family:
        family |= more
    return family


def _is_one(bases: set[str], family: set[str]) -> bool:
    return bool(bases & family) and "ABC" not in bases


def _none(defined: Classes, families: dict[str, set[str]]) -> str:
    """Why a file that can be read is a plug-in of no kind."""
    contracts = " or ".join(families)
    abstract = [name for name, of in defined.items() if any(of & family for family in families.values())]
    if abstract:
        return f"{abstract[0]} is an `ABC`, which plug-ins have in common; derive a class from it, or leave `ABC` out"
    got = f"got {', '.join(defined)}" if defined else "got no class"
    return f"expected a class that names {contracts} among its bases, {got}; helpers belong into a folder below"


def _unread(path: Path, error: SyntaxError | ValueError | OSError) -> str:
    if isinstance(error, SyntaxError):
        return f"{path.name} is no Python: {error.msg}, line {error.lineno}"
    return f"{path.name} cannot be read: {(isinstance(error, OSError) and error.strerror) or error}"


def _mended(stem: str) -> str:
    plain = "".join(c if c.isalnum() else "_" for c in stem)
    return f"{plain}_" if keyword.iskeyword(plain) else plain if plain.isidentifier() else f"_{plain}"


def _classes(path: Path) -> Classes:
    tree = ast.parse(path.read_bytes(), str(path))
    renamed = {
        alias.asname: alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    return {
        node.name: {renamed.get(name, name) for of in node.bases for name in [_last(of)]}
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def _last(base: ast.expr) -> str:
    return ast.unparse(base).partition("[")[0].rpartition(".")[2]
