"""The formats that cards name, by the names of their files."""

from __future__ import annotations

import importlib
from typing import TypeVar

from ..base import FaceSource, PairSource

Source = TypeVar("Source", FaceSource, PairSource)


def format_of(base: type[Source], name: str) -> type[Source]:
    """The format that cards call by the name of its file in `datasets/`, such as `bin`."""
    module = importlib.import_module(f"{(__package__ or '').rpartition('.')[0]}.{name}")
    own = (member for member in vars(module).values() if getattr(member, "__module__", "") == module.__name__)
    return next(member for member in own if isinstance(member, type) and issubclass(member, base))
