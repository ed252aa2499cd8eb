"""Files of weights, read as the untrusted files they are, and written whole or not at all."""

from __future__ import annotations

import os
import pickle
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from ... import FacebenchError
from .wrapped import STAND_INS

MAX_BYTES = 2 * 2**30
"""No network here comes near 2 GiB (iresnet100 has 0.26 GiB); more is a mistake or an attack."""


class WeightsError(FacebenchError, ValueError):
    """A file of weights that cannot be used; the message says what, where, expected, got and what to do."""


def read(path: Path) -> Any:
    """Read what `torch.save` wrote: tensors in plain containers; nothing in the file is executed.

    Settings that training programs keep beside their tensors are passed over, those of a closed list
    (`wrapped.STAND_INS`).

    Raises:
        WeightsError: the file is missing, too large, damaged, or holds something else.
    """
    check_size(path)
    try:
        with torch.serialization.safe_globals(list(STAND_INS)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError as error:
        raise WeightsError(f"weights {path}: announces more than memory holds; get the file again") from error
    except Exception as error:  # a damaged pickle may end in nearly any of them
        why = _asked(error) if isinstance(error, pickle.UnpicklingError) else type(error).__name__
        raise WeightsError(
            f"weights {path}: expected tensors written by torch.save, got a file that cannot be read "
            f"so ({why}); get the file again from where it was made, or export its state dict with torch.save"
        ) from error


def _asked(error: pickle.UnpicklingError) -> str:
    """What a file wants beyond tensors; its own words, cut short."""
    named = re.search(r"GLOBAL ([\w.]{1,80})", str(error))
    return f"it asks for code to be run{f': it holds {named[1]}' if named else ''}"


def read_any(path: Path) -> Any:
    """What others saved: a safetensors file, told by its name or its first bytes, or one of `torch.save`.

    Raises:
        WeightsError: the file is missing, too large, damaged, or holds something else than weights and settings.
    """
    return read_safetensors(path) if path.suffix.lower() == ".safetensors" or _begins_so(path) else read(path)


def _begins_so(path: Path) -> bool:
    """Whether a file begins as safetensors do: the length of a JSON object, and the object."""
    check_size(path)
    try:
        with path.open("rb") as file:
            begin = file.read(9)
    except OSError:  # told where it is read
        return False
    return begin[8:] == b"{" and int.from_bytes(begin[:8], "little") < path.stat().st_size


def check_size(path: Path) -> None:
    """Look at the size before reading.

    Raises:
        WeightsError: the file is missing, no file, empty, or larger than `MAX_BYTES`, as stored or unpacked.
    """
    try:
        if not path.is_file():
            raise WeightsError(f"weights {path}: expected a file, got nothing there; check the path")
        size = path.stat().st_size
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size = max(size, sum(entry.file_size for entry in archive.infolist()))
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        if isinstance(error, WeightsError):
            raise
        why = getattr(error, "strerror", None) or error
        raise WeightsError(f"weights {path}: cannot be read ({why}); check the file and its rights") from error
    if not 0 < size <= MAX_BYTES:
        raise WeightsError(f"weights {path}: expected 1 to {MAX_BYTES} bytes, got {size}; get the file again")


def write(content: dict[str, Any], path: Path) -> None:
    """Write with `torch.save` into a sibling, then rename, so that no half-written file stays.

    Raises:
        WeightsError: the folder cannot be written.
    """
    partial = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, suffix=".part", delete=False) as file:
            partial = file.name
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a failed write as RuntimeError
        why = getattr(error, "strerror", None) or error
        raise WeightsError(f"weights {path}: cannot be written ({why}); free space or choose another folder") from error
    finally:
        if partial:
            Path(partial).unlink(missing_ok=True)


def write_safetensors(tensors: Mapping[str, Tensor], path: Path, *, metadata: Mapping[str, str]) -> None:
    """Write tensors as one safetensors file, whole or not at all.

    Args:
        tensors: by name, on any device.
        path: of the file.
        metadata: what the file shall say of itself; one entry, since safetensors would write several in any order.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    partial = path.with_suffix(".part")
    try:
        partial.write_bytes(to_bytes(plain, metadata=dict(metadata)))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, on the CPU.

    Raises:
        WeightsError: the file is missing, too large, or damaged.
    """
    check_size(path)
    try:
        found: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise WeightsError(
            f"weights {path}: expected a safetensors file, got one that cannot be read ({str(error)[:100]}); "
            "train again, or get the file again from where it was made"
        ) from error
    return found


def fill(network: torch.nn.Module, state: Any, path: Path) -> None:
    """Copy weights into a network; all of its parameters, none left over, all finite.

    How many batches a normalisation has seen may be missing, as in files of PyTorch before 0.4.1: no number needs it.

    Raises:
        WeightsError: names or shapes differ, or a value is not finite.
    """
    wanted = network.state_dict()
    if not isinstance(state, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) and v.layout == torch.strided and not v.is_complex()
        for k, v in state.items()
    ):
        raise WeightsError(f"weights {path}: expected a state dict of names to tensors, got something else")
    counted = {key: value for key, value in wanted.items() if key.endswith(".num_batches_tracked")}
    state = counted | state
    name = type(network).__name__
    for key in sorted(wanted.keys() ^ state.keys()):
        has = "it is missing" if key in wanted else "the file also has it"
        raise WeightsError(
            f"weights {path}: expected exactly the {len(wanted)} entries of {name}, got {len(state)}; "
            f"the first that differs is {key[:100]!r}: {has}; use weights of this architecture"
        )
    for key, value in state.items():
        if value.shape != wanted[key].shape:
            raise WeightsError(
                f"weights {path}: {key}: expected shape {list(wanted[key].shape)} of {name}, "
                f"got {list(value.shape)}; use weights of this architecture"
            )
        if not torch.isfinite(value).all():
            raise WeightsError(
                f"weights {path}: {key}: expected finite values, got NaN or infinity; "
                "the training diverged or the file is damaged: train or get it again"
            )
    network.load_state_dict(state)
