"""What goes to MLflow with a record: figures, training logs, the machine's load, and, if asked for, models."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..reports import ledger, tracking
from ..reports.record import RunRecord
from ..reports.tracking_uri import shown
from .progress import Display
from .store import Store

FIGURES = "figures"
SYSTEM = "system"
"""Folder of the store with the machine's load during each run."""


@dataclass(frozen=True)
class Target:
    """Where records are mirrored to, and what goes along."""

    uri: str
    experiment: str = tracking.EXPERIMENT
    models: bool = False

    @classmethod
    def of(cls, args: argparse.Namespace) -> Target:
        """As a command's options say."""
        return cls(args.tracking_uri, args.experiment_name, args.with_models)

    def has(self, path: Path) -> bool:
        """Whether the record at `path` is there, as far as is known here."""
        return tracking.mirrored(path, self.uri, experiment=self.experiment, models=self.models)


def send(record: RunRecord, path: Path, store: Store, target: Target, *, page: bool = True) -> None:
    """Mirror one record.

    Args:
        record: what is mirrored.
        path: its file.
        store: holds its stages and figures.
        target: where to.
        page: whether the leaderboard of all comparable records of the store goes along.

    Raises:
        TrackingError: the server cannot be reached, or refuses; the record is safe.
    """
    stages = {stage.name: store.root / "stages" / stage.name / stage.key for stage in record.stages}
    logs = {name: folder / "log.jsonl" for name, folder in stages.items()}
    load = load_of(record.name, store)
    with TemporaryDirectory() as scratch:
        tracking.mirror(
            record,
            uri=target.uri,
            experiment=target.experiment,
            record_path=path,
            figures=sorted((store.root / FIGURES / record.name).glob("*.png")),
            logs={name: log for name, log in logs.items() if log.is_file()},
            system=load if load.is_file() else None,
            models=_models(record, stages, store) if target.models else None,
            page=_page(record, path.parent, Path(scratch)) if page else None,
        )


def _page(record: RunRecord, records: Path, out: Path) -> Path:
    """The leaderboard of the records that may be compared with one, as a page in the folder `out`."""
    from ..reports import leaderboard, thirdparty
    from ..reports.page import html

    sound = ledger.load(records, problems=[])  # a damaged one is told by whoever reports on it
    try:
        attacks = thirdparty.load(records, sound)
    except ledger.RecordError:
        attacks = []
    board = leaderboard.board([other for other in sound if other.group == record.group], attacks)
    page = out / "leaderboard.html"
    page.write_text(html(board), encoding="utf-8")
    return page


def load_of(name: str, store: Store) -> Path:
    """Where the machine's load during the run of that record is kept."""
    return store.root / SYSTEM / f"{name}.jsonl"


def mirror_all(args: argparse.Namespace) -> str:
    """Mirror every record of the store that is not in MLflow yet.

    Raises:
        TrackingError: the server cannot be reached, or is no MLflow.
        RecordError: a record is damaged.
    """
    display = Display(quiet=args.quiet)
    store, target = Store(args.store), Target.of(args)
    tracking.check(target.uri)
    records = ledger.load(store.root / "records")
    paths = {record.name: store.root / "records" / f"{record.name}.json" for record in records}
    missing = [record for record in records if not target.has(paths[record.name])]
    last = {record.group: record.name for record in missing}  # one page a leaderboard is enough
    with display.stage("mirror", "records") as progress:
        for n, record in enumerate(missing):
            send(record, paths[record.name], store, target, page=last[record.group] == record.name)
            progress(n + 1, len(missing))
    there = len(records) - len(missing)
    return f"{len(missing)} of {len(records)} records mirrored to {shown(target.uri)}, {there} were there already\n"


def fetch(args: argparse.Namespace) -> Sequence[RunRecord]:
    """The records of `bench report --from-mlflow`.

    Raises:
        TrackingError: the server cannot be reached, or has none.
        RecordError: one is damaged.
    """
    from ..reports import tracking_read

    return tracking_read.fetch(args.from_mlflow, experiment=args.experiment_name)


def _models(record: RunRecord, stages: dict[str, Path], store: Store) -> tracking.Opened:
    """The recognizer trained on the private faces, and the method where one was fitted and is one network."""
    found: tracking.Opened = {"recognizer": lambda: _recognizer(stages["train"])}
    if "fit" in stages:
        found = {**found, "method": lambda: _method(record, stages["fit"], store)}
    return found


def _recognizer(stage: Path) -> tracking.Model:
    import torch

    from ..facemae import embedder
    from ..facemae.portable import Embed
    from .recognizer import WEIGHTS

    network = Embed(embedder.load(stage / WEIGHTS, device=torch.device("cpu"))).eval()
    return tracking.Model(network, network.example(), {"takes": "uint8 RGB faces, 112 x 112", "stage": stage.name})


def _method(record: RunRecord, stage: Path, store: Store) -> tracking.Model | None:
    from .fitting import choose

    chosen = choose(record.method, {}, str(stage), store.root)
    network = chosen.method.network(stage)
    if network is None:
        return None
    return tracking.Model(network.module, network.example, {"method": record.method, "stage": stage.name})
