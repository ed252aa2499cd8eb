"""What can be told of a foreign ONNX file before it is run: where its weights are, and how large it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..runtime.checkpoint import WeightsError, check_size
from . import first_nodes

MOST_NODES = 50_000
"""Nodes with those of nested graphs; iresnet100 has 300, transformers have some thousand."""
MOST_FACES = 256
"""The largest batch that a file may insist on."""
_CHANNELS = 3


class Looked(NamedTuple):
    """What a file shows."""

    inside: first_nodes.Inside | None
    """What it does to its pixels itself, as MXNet's exports do."""
    channels_last: bool
    """Whether faces go in as [N, H, W, C], as Keras' exports take them."""


def look(path: Path) -> Looked:
    """Read a model's structure, and refuse what no recognizer needs.

    Raises:
        WeightsError: the file is missing, too large, no ONNX file, keeps weights elsewhere, has too many nodes, or
            insists on a batch that is too large.
    """
    import onnx

    check_size(path)
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:
        raise WeightsError(
            f"judge {path}: expected an ONNX file, got something else ({line(error)}); get the file again"
        ) from error
    graphs = [inner for outer in (model.graph, *model.functions) for inner in _nested(outer)]
    nodes = sum(len(graph.node) for graph in graphs)
    if nodes > MOST_NODES:
        raise WeightsError(
            f"judge {path}: expected at most {MOST_NODES:,} nodes, got {nodes:,}; export the embedding network alone"
        )
    for entry in model.graph.input:
        first = next(iter(entry.type.tensor_type.shape.dim), None)
        if first is not None and first.dim_value > MOST_FACES and len(entry.type.tensor_type.shape.dim) == 4:
            raise WeightsError(
                f"judge {path}: input: expected a batch of at most {MOST_FACES} faces, got {first.dim_value:,}; export "
                "it with a batch that is left open"
            )
    # a path in a foreign file may name anything, and no digest covers it
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for graph in graphs for tensor in _tensors(graph)):
        raise WeightsError(
            f"judge {path}: expected all weights inside the file, got tensors that point to other files; "
            "save it as one file: onnx.save(onnx.load(IN), OUT)"
        )
    return Looked(first_nodes.normalisation(model.graph), _channels_last(model.graph))


def _nested(graph: Any) -> Iterator[Any]:
    """A graph or function, and all graphs in it; protobuf bounds the nesting."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer or inner.sparse_initializer:
                    yield from _nested(inner)


def _tensors(graph: Any) -> Iterator[Any]:
    """The tensors of a graph or function, without those of nested graphs."""
    yield from getattr(graph, "initializer", ())
    for sparse in getattr(graph, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _channels_last(graph: Any) -> bool:
    """As the input's shape says; where it leaves all open, whether the first nodes put channels first."""
    kept = {tensor.name for tensor in graph.initializer}
    entry = next((entry for entry in graph.input if entry.name not in kept), None)
    sizes = [dim.dim_value for dim in entry.type.tensor_type.shape.dim] if entry is not None else []
    if len(sizes) != 4:
        return False
    if _CHANNELS in (sizes[1], sizes[3]):
        return bool(sizes[1] != _CHANNELS)
    return first_nodes.puts_channels_first(graph)


def line(error: Exception) -> str:
    """The first line of a foreign error, short enough for a message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
