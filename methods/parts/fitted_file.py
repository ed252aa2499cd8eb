"""What a fitted file says of itself, so that it can be used without the run that made it.

A method that learns writes one `model.safetensors`, and under `facebench_method` in the file's metadata which method,
version and parameters it was fitted with: whoever has the file has all that makes faces private with it.

Source: safetensors, "Format" (eight bytes for the header's length, then the header, JSON with `__metadata__`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from ...datasets.files.regular import open_regular
from ..base import Method, MethodError, People

KEY = "facebench_method"
"""The entry of the file's metadata."""
MODEL = "model.safetensors"
"""The file's name in the folder that `Method.fit` wrote, and wherever `Method.publish` looks for it."""

_MOST_HEADER = 16 * 2**20
"""The header of a network of a thousand tensors has a tenth of a MiB; more is a mistake or an attack."""
_MOST_SAID = 64 * 2**10
_CONTENT = "sha256:"


class Undescribed(MethodError):
    """A safetensors file that does not say which method it belongs to."""


class Fitted(BaseModel):
    """A method as it was fitted. Closed and bounded: it is read from files of others."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    method: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]{0,63}$")]
    """The plug-in's name."""
    version: Annotated[int, Field(ge=1)]
    """`Method.version` when it was fitted."""
    parameters: dict[str, JsonValue]
    """All of them; one that names a file is spelled `sha256:` and the digest of the file's content."""
    people: People | None = None
    """On whom it was fitted; None where the file is older than that, or of a method that does not tell."""
    weights: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of all that follows the file's header, so that damage is told before anything is made."""

    @field_validator("parameters")
    @classmethod
    def _finite(cls, parameters: dict[str, JsonValue]) -> dict[str, JsonValue]:
        json.dumps(parameters, allow_nan=False)  # NaN and infinity are no JSON, and no key can be made of them
        return parameters

    @property
    def plain(self) -> dict[str, JsonValue]:
        """The parameters that a method can be built from: all but those that name a file, which may be far away."""
        return {name: value for name, value in self.parameters.items() if name not in self.files}

    @property
    def files(self) -> dict[str, str]:
        """Parameter to `sha256:` digest of each file that a parameter named."""
        return {
            name: value
            for name, value in self.parameters.items()
            if isinstance(value, str) and value.startswith(_CONTENT) and len(value) == len(_CONTENT) + 64
        }


def describe(
    method: Method, *, name: str | None = None, people: People | None = None, weights: str | None = None
) -> str:
    """What to write under `KEY` into a fitted file: JSON, equal for equal methods.

    Args:
        method: as it is fitted; files that its parameters name are read for their digest.
        name: of the plug-in, where it is not the name of the file that its class stands in.
        people: on whom it was fitted.
        weights: digest of the file's content behind its header.

    Raises:
        MethodError: a file that a parameter names cannot be read.
    """
    parameters: dict[str, Any] = method.model_dump(mode="json")
    for field, value in method:
        if isinstance(value, Path):
            parameters[field] = _digest(value, f"{type(method).__name__}.{field}")
    said = Fitted(
        method=name or type(method).__module__.rpartition(".")[2], version=type(method).version, parameters=parameters,
        people=people, weights=weights,
    )  # fmt: skip
    told = said.model_dump(mode="json", exclude={name for name in ("people", "weights") if getattr(said, name) is None})
    return json.dumps(told, sort_keys=True, allow_nan=False)


def read(path: Path) -> Fitted:
    """What a fitted file says of itself; none of its weights are read, and no plug-in is imported.

    Raises:
        Undescribed: it is a safetensors file, and says nothing.
        MethodError: it is missing, no safetensors file, or says what cannot be understood.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if not path.is_file():
            raise MethodError(f"fitted method {path}: expected a file, got {'a folder' if path.is_dir() else 'none'}")
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if length > _MOST_HEADER:
            raise MethodError(
                f"fitted method {path}: expected a safetensors file with a header of at most {_MOST_HEADER:,} bytes, "
                f"got one that announces {length:,}; it is no fitted method, or damaged: get it again"
            )
        with safe_open(path, framework="numpy") as opened:
            said = (opened.metadata() or {}).get(KEY)
    except OSError as error:
        raise MethodError(
            f"fitted method {path}: cannot be read ({error.strerror or error}); check the path and its rights"
        ) from error
    except SafetensorError as error:
        raise MethodError(
            f"fitted method {path}: expected a whole safetensors file, got one that cannot be read "
            f"({str(error)[:100]}); get it again from where it was made"
        ) from error
    if said is None:
        raise Undescribed(
            f"fitted method {path}: expected metadata {KEY!r} that names the method and its parameters, got none; give "
            "the folder that it was fitted into and name the method with --method, or fit it again"
        )
    return _parse(said, path)


def refuse_other(said: Fitted, method: Method, fields: Sequence[str], path: Path) -> None:
    """Refuse a file whose method had other values of the parameters that decide a network's shape.

    Raises:
        MethodError: one differs; the message says which.
    """
    for field in fields:
        if said.parameters.get(field) != getattr(method, field):
            raise MethodError(
                f"weights {path}: expected {field} {getattr(method, field)}, got a file fitted with "
                f"{said.parameters.get(field)!r:.40}; name {', '.join(fields)} as they were then, or fit again"
            )


def _parse(said: str, path: Path) -> Fitted:
    problem = f"it has {len(said):,} characters, more than {_MOST_SAID:,}"
    if len(said) <= _MOST_SAID:
        try:
            return Fitted.model_validate_json(said)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            problem = f"{'.'.join(str(part)[:40] for part in first['loc'])}: {first['msg'][:200]}".removeprefix(": ")
    raise MethodError(
        f"fitted method {path}: its metadata {KEY!r} cannot be understood: {problem}; expected JSON with method, "
        "version and parameters as `fit` writes it; get the file again from where it was made"
    )


def refuse_damaged(said: Fitted, path: Path) -> None:
    """Refuse a file whose weights are not those that it was written with.

    Raises:
        MethodError: they are others, or cannot be read.
    """
    if said.weights is None:
        return
    try:
        found = weights_digest(path)
    except OSError as error:
        raise MethodError(f"fitted method {path}: cannot be read ({error.strerror or error}); check it") from error
    if found != said.weights:
        raise MethodError(
            f"fitted method {path}: expected weights of SHA-256 {said.weights[:16]}..., as the file says of itself, "
            f"got {found[:16]}...; it was changed or damaged: get it again from where it was made"
        )


def weights_digest(path: Path) -> str:
    """SHA-256 of what follows the header of a safetensors file, in hex.

    Raises:
        OSError: it cannot be read.
    """
    with open_regular(path) as file:
        file.seek(int.from_bytes(file.read(8), "little"), 1)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(path: Path, where: str) -> str:
    try:
        with open_regular(path) as file:
            return _CONTENT + hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MethodError(f"{where}: {path} cannot be read ({error.strerror or error}); name a file") from error
