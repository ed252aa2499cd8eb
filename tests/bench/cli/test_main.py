"""`bench` itself: its version, told without loading what commands need."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from facebench.bench.cli.main import main

ROOT = Path(__file__).resolve().parents[3]


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"facebench {version('facebench')}, Python {sys.version.split()[0]}\n"


def test_citation_and_changes_are_of_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["version"] == version("facebench")
    assert f"\n## {version('facebench')}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_it_is_told_by_a_process_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "facebench.bench", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("facebench ")
