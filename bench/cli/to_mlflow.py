"""What goes to MLflow with a record: figures, training logs, the machine's load, and, if asked for, models."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ...reports.pictures.shows import may_leave, shows
from ...reports.result import ledger
from ...reports.result.record import RunRecord
from ...reports.tracking import mirror
from ..experiment.faces_picture import FACES, FIT
from ..store.store import Store
from ..terminal.progress import Display

FIGURES = "figures"
SYSTEM = "system"
"""Folder of the store with the machine's load during each run."""


@dataclass(frozen=True)
class Target:
    """Where records are mirrored to, and what goes along."""

    uri: str
    experiment: str = mirror.EXPERIMENT
    models: bool = False
    faces: bool = False
    """Whether pictures of real faces go, too."""

    @classmethod
    def of(cls, args: argparse.Namespace) -> Target:
        """As a command's options say; that an earlier command was given one means nothing for this one."""
        return cls(args.tracking_uri, args.experiment_name, args.with_models, args.with_faces)

    def has(self, path: Path, store: Store) -> bool:
        """Whether the record at `path` is there with what goes along, as far as is known here."""
        faces = self.faces and any(shows(picture) == "real faces" for picture in _pictures(path.stem, store))
        return mirror.mirrored(path, self.uri, experiment=self.experiment, models=self.models, faces=faces)


def send(record: RunRecord, path: Path, store: Store, target: Target, display: Display, *, page: bool = True) -> None:
    """Mirror one record.

    Pictures of real faces go where the target says so, now; whatever does not say what it shows counts as one.

    Args:
        record: what is mirrored.
        path: its file.
        store: holds its stages and figures.
        target: where to.
        display: what is told of what stays here.
        page: whether the leaderboard of all comparable records of the store goes along.

    Raises:
        TrackingError: the server cannot be reached, or refuses; the record is safe.
    """
    stages = {stage.name: store.root / "stages" / stage.name / stage.key for stage in record.stages}
    logs = {name: folder / "log.jsonl" for name, folder in stages.items()}
    logs = {name: log for name, log in logs.items() if log.is_file()}
    load = load_of(record.name, store)
    pictures = _sorted_out(record, logs, store)
    going = may_leave(pictures, faces=target.faces)
    if len(going) < len(pictures):
        held = ", ".join(picture.name for picture in pictures if picture not in going)
        display.note(f"{record.name}: pictures of real faces stay in the store ({held}); --with-faces sends them")
    with TemporaryDirectory() as scratch:
        mirror.mirror(
            record,
            uri=target.uri,
            experiment=target.experiment,
            record_path=path,
            figures=going,
            faces=any(shows(picture) == "real faces" for picture in going),
            logs=logs,
            system=load if load.is_file() else None,
            models=_models(record, stages, store) if target.models else None,
            page=_page(record, path.parent, Path(scratch)) if page else None,
            say=display.warn,
        )


def _pictures(name: str, store: Store) -> list[Path]:
    return sorted((store.root / FIGURES / name).glob("*.png"))


def _sorted_out(record: RunRecord, logs: Mapping[str, Path], store: Store) -> list[Path]:
    """A record's pictures; curves that do not say that they show numbers, as of earlier versions, are drawn again."""
    found = _pictures(record.name, store)
    if any(shows(picture) == "real faces" and picture.name not in (FACES, FIT) for picture in found):
        from ...reports.pictures.figures import draw

        draw(record, store.root / FIGURES / record.name, logs)
        found = _pictures(record.name, store)
    return found


def _page(record: RunRecord, records: Path, out: Path) -> Path:
    """The leaderboard of the records that may be compared with one, as a page in the folder `out`."""
    from ...reports.board import leaderboard
    from ...reports.pictures.page import html
    from ...reports.result import thirdparty

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


def _models(record: RunRecord, stages: dict[str, Path], store: Store) -> mirror.Opened:
    """The recognizer trained on the private faces, and the method where one was fitted and is one network."""
    found: mirror.Opened = {"recognizer": lambda: _recognizer(stages["train"])}
    if "fit" in stages:
        found = {**found, "method": lambda: _method(record, stages["fit"], store)}
    return found


def _recognizer(stage: Path) -> mirror.Model:
    import torch

    from ...facemae.recognition import embedder
    from ...facemae.recognition.export import Embed
    from ..recognition.recognizer import WEIGHTS

    network = Embed(embedder.load(stage / WEIGHTS, device=torch.device("cpu"))).eval()
    return mirror.Model(network, network.example(), {"takes": "uint8 RGB faces, 112 x 112", "stage": stage.name})


def _method(record: RunRecord, stage: Path, store: Store) -> mirror.Model | None:
    from ..release.fitted_method import choose

    chosen = choose(record.method, {}, str(stage), store.root)
    network = chosen.method.network(stage)
    if network is None:
        return None
    return mirror.Model(network.module, network.example, {"method": record.method, "stage": stage.name})
