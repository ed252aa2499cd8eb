"""Networks as models that `mlflow.pytorch.load_model` brings back: as graphs, so that nothing is unpickled.

A network is traced by `torch.export` and kept in its `.pt2` format: whoever loads it needs torch, none of our code,
and has `MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false` if they like.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient
    from torch import Tensor, nn

_GRAPH = "data/model.pt2"


@dataclass(frozen=True)
class Model:
    """A network that can be traced, and an example of what it takes."""

    network: nn.Module
    """On the CPU, in evaluation mode."""
    example: Mapping[str, Tensor]
    """Inputs by name, in order, two or more of each; the first axis of all is the batch, and may have any length."""
    tags: Mapping[str, str] = field(default_factory=dict)


Opened: TypeAlias = Mapping[str, Callable[[], Model | None]]
"""Models by name, opened only where they are needed; None where there turns out to be none."""


def log_models(client: MlflowClient, experiment: str, run: str, models: Opened) -> None:
    """Add the models to a run that it has not yet; half of one, of a try that was killed, is thrown away."""
    from mlflow.entities import LoggedModelOutput

    if not models:
        return
    there = set()
    for known in _of(client, experiment, run):
        if str(known.status) == "READY":
            there.add(known.name)
        else:
            client.delete_logged_model(known.model_id)
    for name, opened in models.items():
        if name in there:
            continue
        model = opened()
        if model is None:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / name
            save(model, folder)
            made = client.create_logged_model(experiment, name, source_run_id=run, tags=dict(model.tags))
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):  # one by one, without a pool
                inside = path.parent.relative_to(folder).as_posix()
                client.log_model_artifact(made.model_id, str(path), None if inside == "." else inside)
        client.finalize_logged_model(made.model_id, "READY")
        client.log_outputs(run, [LoggedModelOutput(made.model_id, step=0)])


def drop_models(client: MlflowClient, experiment: str, runs: Sequence[str]) -> None:
    """Throw the models of some runs away, which MLflow would keep when the runs go."""
    for run in runs:
        for known in _of(client, experiment, run):
            client.delete_logged_model(known.model_id)


def save(model: Model, folder: Path) -> None:
    """Write a model as MLflow lays it out.

    Raises:
        Whatever `torch.export` raises where the network cannot be traced.
    """
    import mlflow.pytorch
    import torch
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    with torch.inference_mode():
        given = model.network(*model.example.values())
    signature = ModelSignature(
        Schema([TensorSpec(x.numpy().dtype, (-1, *x.shape[1:]), name) for name, x in model.example.items()]),
        Schema([TensorSpec(given.numpy().dtype, (-1, *given.shape[1:]))]),
    )
    mlflow.pytorch.save_model(
        model.network,
        str(folder),
        serialization_format="pt2",
        input_example=tuple(model.example.values()),
        signature=signature,
        pip_requirements=[f"torch=={torch.__version__.partition('+')[0]}"],
    )
    _forget_places(folder / _GRAPH)


def _forget_places(path: Path) -> None:
    """Write a graph again without the stack traces in it, which name files and folders of this machine."""
    import torch

    program = torch.export.load(path)
    for part in program.graph_module.modules():
        if isinstance(part, torch.fx.GraphModule):
            for node in part.graph.nodes:
                node.meta.pop("stack_trace", None)
    torch.export.save(program, path)


def _of(client: MlflowClient, experiment: str, run: str) -> list[Any]:
    return list(client.search_logged_models([experiment], filter_string=f"source_run_id = '{run}'"))
