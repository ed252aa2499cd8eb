"""Checkpoints as people save them: settings beside the tensors, and wrappers around the network.

One place for all that takes weights of others: a method's teacher and beginning, and recognizers. What is understood
is a closed list; nothing that a file holds is made or executed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from torch import Tensor


class Inert:
    """Stands where a file has an object that is no weight. It takes whatever it is given, and keeps nothing."""

    __slots__ = ()

    def __new__(cls, *given: object, **named: object) -> Inert:
        """One more of them."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Keep nothing of what the file says of the object."""


_SETTINGS = (
    "argparse.Namespace", "types.SimpleNamespace", "_codecs.encode",
    *(f"pathlib.{kind}" for kind in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    *(f"pathlib._local.{kind}" for kind in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    "numpy.dtype", "numpy.ndarray", *(f"numpy.dtypes.{kind}DType" for kind in ("Float64", "Float32", "Int64", "Bool")),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    "datetime.datetime", "datetime.date", "datetime.timedelta",
)  # fmt: skip
_MAPPINGS = (
    "easydict.EasyDict", "addict.addict.Dict", "yacs.config.CfgNode", "fvcore.common.config.CfgNode",
    "mmcv.utils.config.ConfigDict", "mmengine.config.config.ConfigDict", "ml_collections.config_dict.ConfigDict",
    "pytorch_lightning.utilities.parsing.AttributeDict", "lightning.pytorch.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict", "lightning.fabric.utilities.data.AttributeDict",
)  # fmt: skip
STAND_INS: Final[tuple[tuple[Any, str], ...]] = (
    *((Inert, name) for name in _SETTINGS),
    *((OrderedDict, name) for name in _MAPPINGS),
)
"""What training programs keep beside their tensors, and what is made in its place: none of their own classes."""

ENTRIES: Final = (
    "state_dict_backbone", "state_dict", "model_state_dict", "model", "module", "backbone", "network", "net",
    "encoder", "weights",
)  # fmt: skip
"""Under what programs keep the network's state dict in a checkpoint; the first that is there is taken."""
PREFIXES: Final = (
    "module.", "_orig_mod.", "model.", "encoder.", "backbone.", "arcface.", "network.", "net.", "base_model.",
)  # fmt: skip
"""Of names of weights: DataParallel's, torch.compile's, and attributes under which programs hold their network."""
_DEEPEST = 6


class State(NamedTuple):
    """A state dict, as it may be the network's."""

    inside: dict[str, Any]
    beside: dict[str, Any]
    """What stood beside the network, as heads and losses do, by its whole name."""


def states(content: Any) -> Iterator[State]:
    """A checkpoint's state dict: as it is, then with one wrapper of its names after the other taken off.

    A prefix is one of the closed list that at least half of the tensors have. Who asks takes the first that has the
    names of a network, so a network that has such names itself is not taken apart.

    Args:
        content: what a file of weights holds.

    Yields:
        Nothing where there is no mapping of names.
    """
    for _ in range(_DEEPEST):
        inner = next((content[name] for name in ENTRIES if _holds(content, name)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        return
    inside, beside, gone = dict(content), dict[str, Any](), ""
    yield State(inside, {})
    for _ in range(_DEEPEST):
        tensors = [name for name, value in inside.items() if isinstance(value, Tensor)]
        prefix = next(
            (each for each in PREFIXES if tensors and 2 * sum(n.startswith(each) for n in tensors) >= len(tensors)), ""
        )
        if not prefix:
            return
        beside |= {gone + name: value for name, value in inside.items() if not name.startswith(prefix)}
        inside = {name.removeprefix(prefix): value for name, value in inside.items() if name.startswith(prefix)}
        gone += prefix
        yield State(inside, dict(beside))


def _holds(content: Any, name: str) -> bool:
    """Whether an entry is a state dict, or a mapping that holds one."""
    inner = content.get(name) if isinstance(content, dict) else None
    if not isinstance(inner, dict):
        return False
    return any(isinstance(value, Tensor) for value in inner.values()) or any(_holds(inner, each) for each in ENTRIES)
