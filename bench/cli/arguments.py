"""Options that several commands share, each said once."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    """What commands are added to."""


def machine_readable(command: argparse.ArgumentParser, what: str = "machine-readable") -> None:
    """`--format json`, as everywhere; `--json` is how it was spelled before, and still works."""
    command.add_argument("--format", choices=("text", "json"), default="text", help=f"json: {what} (text)")
    command.add_argument(
        "--json", dest="format", action="store_const", const="json", default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )


def store(command: argparse.ArgumentParser) -> None:
    """Where stages and records are."""
    command.add_argument("--store", type=Path, default=Path("runs"), metavar="DIR", help="stages and records (runs)")


def records(command: argparse.ArgumentParser | argparse._MutuallyExclusiveGroup) -> None:
    """Where records are, if not in the store."""
    command.add_argument("--records", type=Path, metavar="DIR", help="records of another folder than the store's")


def records_folder(args: argparse.Namespace) -> Path:
    """The folder that `--records` names, or else the store's."""
    folder: Path = args.records or args.store / "records"
    return folder


def quiet(command: argparse.ArgumentParser) -> None:
    """Whether progress is shown."""
    command.add_argument("-q", "--quiet", action="store_true", help="no progress")


def data_root(command: argparse.ArgumentParser) -> None:
    """Where datasets are looked for."""
    default = Path(os.environ.get("FACEBENCH_DATA") or "data")
    command.add_argument(
        "--data", type=Path, default=default, metavar="DIR", help="where datasets lie ($FACEBENCH_DATA, or data)"
    )


def resize(command: argparse.ArgumentParser) -> None:
    """Whether faces of another size are scaled."""
    command.add_argument(
        "--resize", action="store_const", const=True, help="scale aligned square faces of another size to 112 x 112"
    )


def device(command: argparse.ArgumentParser) -> None:
    """What networks run on."""
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")


def tracking(command: argparse.ArgumentParser) -> None:
    """Which MLflow to mirror to, and whether models and pictures of real faces go along.

    MLflow's own variables are the defaults.
    """
    command.add_argument(
        "--tracking-uri",
        default=os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db",
        metavar="URI",
        help="MLflow ($MLFLOW_TRACKING_URI, or sqlite:///mlflow.db); `none` for no tracking",
    )
    experiment_name(command)
    command.add_argument(
        "--with-models",
        action="store_true",
        help="let what the method learned and the recognizer go to MLflow, too; such weights can give away faces that "
        "they were trained on",
    )
    command.add_argument(
        "--with-faces",
        action="store_true",
        help="let pictures of real faces leave the store, and go to MLflow with this command",
    )


def experiment_name(command: argparse.ArgumentParser) -> None:
    """Which experiment of that MLflow."""
    command.add_argument(
        "--experiment-name",
        default=os.environ.get("MLFLOW_EXPERIMENT_NAME") or "facebench",
        metavar="NAME",
        help="of the experiment in MLflow ($MLFLOW_EXPERIMENT_NAME, or facebench)",
    )
