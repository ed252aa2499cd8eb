"""What the first nodes of a foreign ONNX file do to pixels: a normalisation of its own, and channels put elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FIRST = 24
"""Among so many first nodes, those of constants left out, pixels are looked after."""
_PASSED = ("Identity", "Cast", "Transpose", "Gather", "Slice", "Reshape", "Squeeze", "Unsqueeze", "Dropout")
_RESHAPED = ("Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze")
_PIXELS = 3
"""Numbers of the largest constant that is added or multiplied: one a channel."""


class Inside(NamedTuple):
    """What becomes of a pixel x that is handed to the network: x * scale + shift, one number a channel."""

    scale: NDArray[np.float64]
    shift: NDArray[np.float64]

    def of(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """[3] of [3]."""
        return np.asarray(x * self.scale + self.shift)

    def __str__(self) -> str:
        """As a formula of the first channel."""
        return f"x * {self.scale[0]:.4g} {'-' if self.shift[0] < 0 else '+'} {abs(self.shift[0]):.4g}"


def normalisation(graph: Any) -> Inside | None:
    """Which sums and products by constants pixels go through before anything else; None where there are none.

    Args:
        graph: of a model that nobody vouches for.
    """
    known = {tensor.name: _small(tensor) for tensor in graph.initializer}
    flow = _entries(graph)
    inside, found = Inside(np.ones(_PIXELS), np.zeros(_PIXELS)), False
    seen = 0
    for node in graph.node:
        if not flow & set(node.input):
            known |= _constants(node, known)
            continue
        seen += 1
        step = _step(node, flow, known)
        if step is None or seen > FIRST:
            break
        if not (np.isfinite(step.scale).all() and np.isfinite(step.shift).all()):
            return None
        found = found or node.op_type not in _PASSED
        inside = Inside(inside.scale * step.scale, inside.shift * step.scale + step.shift)
        flow = set(node.output)  # what else is done with what came before is no longer alone
    return inside if found else None


def puts_channels_first(graph: Any) -> bool:
    """Whether what comes in is first turned from [N, H, W, C] to [N, C, H, W], as exports of Keras do."""
    flow = _entries(graph)
    for node in graph.node:
        if flow & set(node.input):
            if node.op_type == "Transpose":
                return any(list(each.ints) == [0, 3, 1, 2] for each in node.attribute if each.name == "perm")
            if node.op_type not in ("Identity", "Cast", "Sub", "Add", "Mul", "Div"):
                return False
            flow = set(node.output)
    return False


def _entries(graph: Any) -> set[str]:
    """Names of what comes in; in old files constants stand among them."""
    return {entry.name for entry in graph.input} - {tensor.name for tensor in graph.initializer}


def _step(node: Any, flow: set[str], known: dict[str, NDArray[np.float64] | None]) -> Inside | None:
    """What one node does to the pixels; None where it is no sum or product by a constant."""
    one, none = np.ones(_PIXELS), np.zeros(_PIXELS)
    if node.op_type in _PASSED:
        return Inside(one, none) if node.input[0] in flow else None
    if node.op_type not in ("Add", "Sub", "Mul", "Div") or len(node.input) != 2:
        return None
    first = node.input[0] in flow
    by = known.get(node.input[1 if first else 0])
    if by is None or node.input[1 if first else 0] in flow:
        return None
    with np.errstate(all="ignore"):
        done = {
            "Add": Inside(one, none + by),
            "Sub": Inside(one, none - by) if first else Inside(-one, none + by),
            "Mul": Inside(one * by, none),
            "Div": Inside(one / by, none) if first else None,
        }
    return done[node.op_type]


def _constants(node: Any, known: dict[str, NDArray[np.float64] | None]) -> dict[str, NDArray[np.float64] | None]:
    """What a node that no pixel reaches gives, if it is a small constant or one in another shape."""
    if node.op_type == "Constant":
        return {name: value for name in node.output for value in _attributes(node)}
    if node.op_type in _RESHAPED and node.input:
        return {name: known.get(node.input[0]) for name in node.output}
    return {}


def _attributes(node: Any) -> Iterator[NDArray[np.float64] | None]:
    for each in node.attribute:
        if each.name == "value":
            yield _small(each.t)
        elif each.name in ("value_float", "value_int"):
            yield np.array(each.f if each.name == "value_float" else each.i, np.float64)
        elif each.name in ("value_floats", "value_ints"):
            numbers = each.floats if each.name == "value_floats" else each.ints
            yield np.array(numbers, np.float64) if len(numbers) in (1, _PIXELS) else None


def _small(tensor: Any) -> NDArray[np.float64] | None:
    """A constant of one number, or of one a channel, in whatever shape: [1] or [3]."""
    from onnx import TensorProto, numpy_helper

    if tensor.data_location == TensorProto.EXTERNAL or int(np.prod(list(tensor.dims), dtype=object)) not in (1, 3):
        return None
    try:
        return np.asarray(numpy_helper.to_array(tensor), np.float64).ravel()
    except Exception:  # a damaged tensor may raise nearly anything, and onnxruntime tells it well
        return None
