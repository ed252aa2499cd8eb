"""The options of all commands that talk to MLflow. They keep MLflow's own variables as defaults."""

from __future__ import annotations

import argparse
import os


def tracking(command: argparse.ArgumentParser) -> None:
    """Where to mirror to, and whether models and pictures of real faces go along."""
    command.add_argument(
        "--tracking-uri",
        default=os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db"),
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
    """Which experiment there."""
    command.add_argument(
        "--experiment-name",
        default=os.environ.get("MLFLOW_EXPERIMENT_NAME", "facebench"),
        metavar="NAME",
        help="of the experiment in MLflow ($MLFLOW_EXPERIMENT_NAME, or facebench)",
    )
