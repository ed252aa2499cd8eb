"""What several tests need: where real faces and recognizers are, and third parties that keep to themselves."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Before anything imports them, here and in child processes: no window, no calling home.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # one process a core: with several threads each they would stand in line
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real face sets; the test is skipped where there is none."""
    root = Path(os.environ.get("FACEBENCH_DATA") or ROOT.parent / "shared" / "data")
    if not root.is_dir():
        pytest.skip(f"no real faces at {root}; $FACEBENCH_DATA names their folder")
    return root


@pytest.fixture(scope="session")
def weights_root(data_root: Path) -> Path:
    """The folder of recognizers' weights beside the face sets; the test is skipped where there is none."""
    root = data_root.parent / "weights"
    if not root.is_dir():
        pytest.skip(f"no weights at {root}; they are looked for beside the folder of $FACEBENCH_DATA")
    return root
