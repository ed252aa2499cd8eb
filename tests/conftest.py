"""What several tests need: where real faces and recognizers are, and third parties that keep to themselves."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import facebench  # noqa: F401  # before third parties, which it keeps from calling home, also in child processes
import pytest

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("MPLBACKEND", "Agg")  # no window, here and in child processes
if "PYTEST_XDIST_WORKER" in os.environ:  # one process a core: with several threads each they would stand in line
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Expected digits are those that any processor gives; benchmarks measure what the processor can."""
    if not config.getoption("benchmark_enable", default=False):
        os.environ.setdefault("FACEBENCH_PRECISION", "float32")


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


class Server(NamedTuple):
    """An MLflow server of its own on this machine."""

    uri: str
    database: Path
    files: Path
    """Where it keeps artifacts."""


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests, since starting takes seconds; each test has an experiment of its own."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    home = tmp_path_factory.mktemp("mlflow server")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--artifacts-destination", str(home / "files")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # else seven more processes
    watched = ["sh", "-c", '"$@" <&- & read -r _; kill -9 0', "sh", *command]  # it dies with us, however we die
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            watched, cwd=home, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_for(port, process, home / "log")
            yield Server(f"http://127.0.0.1:{port}", home / "mlflow.db", home / "files")
        finally:
            os.killpg(process.pid, 9)
            process.communicate()
            shutil.rmtree(home, ignore_errors=True)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 300  # seconds suffice on a machine that does nothing else
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())
