"""A digest of code that stands in no file: of a class that was typed into a notebook or a prompt.

Python does not tell the text of such a class, so what it was compiled to is taken: its functions, what they call of the
same notebook, and the plain values that they name.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterator
from typing import Any

_PLAIN = (int, float, complex, str, bytes, bool, type(None), tuple, frozenset)


def digest(plugin: type) -> str:
    """SHA-256, in hex: equal for a class that was typed again as it was, whatever its cell is called.

    Args:
        plugin: the class.
    """
    seen = hashlib.sha256()
    for part in _parts(plugin, plugin.__module__, set()):
        seen.update(part.encode() + b"\0")
    return seen.hexdigest()


def _parts(what: Any, module: str, met: set[int]) -> Iterator[str]:
    """All that decides what a class or a function of a module does, as texts."""
    if id(what) in met:
        return
    met.add(id(what))
    if isinstance(what, type):
        for cls in what.__mro__:
            if cls.__module__ == module:
                yield cls.__qualname__
                for name, member in sorted(vars(cls).items()):
                    if not name.startswith("__") or name in ("__call__", "__init__"):
                        yield name
                        yield from _parts(_plain(member), module, met)
    elif isinstance(what, types.FunctionType):
        yield repr(what.__defaults__) + repr(what.__kwdefaults__)
        yield from _code(what.__code__)
        for name in sorted(set(_names(what.__code__))):
            if name in what.__globals__:
                value = what.__globals__[name]
                if isinstance(value, _PLAIN):
                    yield f"{name}={value!r}"
                elif getattr(value, "__module__", None) == module:
                    yield name
                    yield from _parts(_plain(value), module, met)
    elif isinstance(what, _PLAIN):
        yield repr(what)


def _plain(member: Any) -> Any:
    """The function of a property, a static or a class method, or of one that is wrapped."""
    member = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
    return getattr(member, "__wrapped__", member)


def _code(code: types.CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr((code.co_names, code.co_varnames, code.co_freevars))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code(constant)
        else:
            yield repr(constant)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
