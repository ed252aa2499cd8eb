"""What attacks keep: a dataclass of arrays, numbers and words, in one file without pickles."""

from __future__ import annotations

import zipfile
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ....reports.result.files import why
from ...biometrics.embeddings import AttackError

T = TypeVar("T")


def write(kept: Any, path: Path) -> None:
    """Write a dataclass."""
    content: dict[str, Any] = {field.name: getattr(kept, field.name) for field in fields(kept)}
    np.savez(path, **content)


def read(kind: type[T], path: Path) -> T:
    """Read a dataclass that `write` wrote.

    Raises:
        AttackError: the file is missing or damaged.
    """
    try:
        # opened here, because np.load leaves a damaged file open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            found: dict[str, Any] = {
                field.name: kept[field.name]
                for field in fields(kind)  # type: ignore[arg-type]
                if field.name in kept or field.default is MISSING  # what was kept before a field came has its default
            }
        return kind(**{name: value if value.ndim else value.item() for name, value in found.items()})
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise AttackError(
            f"{path.stem} {path}: expected what the attack kept, cannot read it ({why(error)}); run with --force attack"
        ) from error
