"""Checkpoints as people save them: settings beside the tensors, and wrappers around the network.

One place for all that takes weights of others: a method's teacher and beginning, and recognizers. What is understood
is a closed list; nothing that a file holds is made or executed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from itertools import islice
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


def _mapping(*given: object) -> OrderedDict[Any, Any]:
    """In place of a `defaultdict`, whose first argument makes what is missing."""
    return OrderedDict()


def _sequence(*given: object) -> list[Any]:
    """In place of a `deque`, which is filled behind."""
    return []


_PATHS = ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
_SETTINGS = (
    "argparse.Namespace", "types.SimpleNamespace", "_codecs.encode", "typing.Any",
    *(f"builtins.{kind}" for kind in ("frozenset", "slice", "range", "list", "dict", "tuple")),
    *(f"builtins.{kind}" for kind in ("int", "float", "str", "bool")),
    *(f"{module}.{kind}" for module in ("pathlib", "pathlib._local") for kind in _PATHS),
    "numpy.dtype", "numpy.ndarray", "numpy.random._pickle.__randomstate_ctor",
    *(f"numpy.dtypes.{kind}DType" for kind in ("Float64", "Float32", "Float16", "Int64", "Int32", "Bool", "Str")),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(f"datetime.{kind}" for kind in ("datetime", "date", "time", "timedelta", "timezone")),
    "uuid.UUID", "uuid.SafeUUID", "decimal.Decimal", "fractions.Fraction", "random.Random",
    "torch.torch_version.TorchVersion",
    *(f"omegaconf.{kind}" for kind in ("dictconfig.DictConfig", "listconfig.ListConfig", "base.Metadata")),
    "omegaconf.base.ContainerMetadata",
    *(f"omegaconf.nodes.{kind}Node" for kind in ("Any", "Integer", "Float", "String", "Boolean", "Path", "Enum")),
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
    (_mapping, "collections.defaultdict"),
    (_sequence, "collections.deque"),
)
"""What training programs keep beside their tensors, and what is made in its place: none of their own classes."""

_NETWORKS = ("backbone", "encoder", "encoder_q", "model", "module", "network", "net", "embedder", "recognizer",
             "feature_extractor", "teacher", "student")  # fmt: skip
ENTRIES: Final = (
    "state_dict_backbone", "backbone_state_dict", "state_dict", "model_state_dict", "net_state_dict",
    "network_state_dict", "model_state", "net_state", "model_dict", *_NETWORKS, "weights", "params", "state",
    "state_dict_ema", "model_ema", "ema", "ema_state_dict",
)  # fmt: skip
"""Under what programs keep the network's state dict in a checkpoint, in any case of letters; the first comes first."""
PREFIXES: Final = (
    "module.", "_orig_mod.", "_fsdp_wrapped_module.", "base_model.", "arcface.", *(f"{name}." for name in _NETWORKS),
)  # fmt: skip
"""Of names of weights: DataParallel's, torch.compile's, and attributes under which programs hold their network."""
HEADS: Final = (
    "head", "heads", "header", "fc7", "classifier", "kernel", "logits", "softmax", "softmax_fc", "metric_fc",
    "partial_fc", "loss", "criterion", "margin", "arc_margin", "cosface", "projector", "queue", "queue_ptr",
)  # fmt: skip
"""What stands beside a recognizer in one state dict and belongs to its training alone: first parts of names."""
_MOST = 64


class State(NamedTuple):
    """A state dict, as it may be the network's."""

    inside: dict[str, Any]
    beside: dict[str, Any]
    """What stood beside the network, as heads and losses do, by its whole name."""


def states(content: Any) -> Iterator[State]:
    """What of a checkpoint may be the network's state dict: the likeliest first, each as it is before it is unwrapped.

    Who asks takes the first that has the names of a network, so a network that has such names itself is not taken
    apart.

    Args:
        content: what a file of weights holds.

    Yields:
        At most some dozens; nothing where there is no mapping of names.
    """
    found = (state for each in _dicts(content, set()) for state in _without_prefixes(each))
    yield from islice(found, _MOST)


def without_heads(state: dict[str, Any], wanted: Collection[str]) -> dict[str, Any]:
    """A recognizer's state dict without what belongs to its training alone.

    Args:
        state: by name.
        wanted: names that the network has, which are kept whatever they are.
    """
    return {name: value for name, value in state.items() if name in wanted or name.split(".")[0] not in HEADS}


def _dicts(content: Any, seen: set[int]) -> Iterator[dict[str, Any]]:
    """State dicts in a checkpoint, by the names they are kept under, then the checkpoint itself."""
    if isinstance(content, list | tuple):  # (state dict, epoch)
        content = next((each for each in content[:4] if isinstance(each, dict)), None)
    if not isinstance(content, dict) or id(content) in seen or not all(isinstance(name, str) for name in content):
        return
    outermost = not seen
    seen.add(id(content))  # a foreign file may hold itself
    lower = {name.lower(): value for name, value in reversed(content.items())}
    if len(seen) <= _MOST:
        for name in ENTRIES:
            yield from _dicts(lower.get(name), seen)
    if outermost or any(isinstance(value, Tensor) for value in content.values()):
        yield content


def _without_prefixes(content: dict[str, Any]) -> Iterator[State]:
    """As it is, then with one wrapper of its names after the other taken off, what most names have first."""
    waiting = [("", State(dict(content), {}))]
    for _ in range(_MOST):
        if not waiting:
            return
        gone, state = waiting.pop(0)
        yield state
        names = [name for name, value in state.inside.items() if isinstance(value, Tensor)]
        counts = {each: sum(name.startswith(each) for name in names) for each in PREFIXES}
        for prefix in sorted((each for each in PREFIXES if counts[each]), key=lambda each: -counts[each]):
            inside = {n.removeprefix(prefix): value for n, value in state.inside.items() if n.startswith(prefix)}
            beside = {gone + n: value for n, value in state.inside.items() if not n.startswith(prefix)}
            waiting.append((gone + prefix, State(inside, state.beside | beside)))
