"""Variables of launchers and job systems: empty ones count as none, odd ones are refused in a sentence."""

from __future__ import annotations

import pytest
import torch
from facebench.bench.cli.main import UNUSABLE, main, parser
from facebench.bench.experiment import processes
from facebench.facemae.runtime import launcher
from facebench.facemae.train import _accelerator


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in launcher.VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("empty", ["", " "])
def test_empty_variables_are_as_good_as_none(monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    for name in launcher.VARIABLES:
        monkeypatch.setenv(name, empty)
    assert processes.launched() == 1
    assert processes.leads()
    assert _accelerator(torch.device("cpu")).num_processes == 1
    assert launcher.number("MASTER_PORT", 29500, least=1) == 29500


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"WORLD_SIZE": "two", "RANK": "0"}, "$WORLD_SIZE: expected a whole number from 1, got 'two'"),
        ({"WORLD_SIZE": "0", "RANK": "0"}, "$WORLD_SIZE: expected a whole number from 1, got '0'"),
        ({"WORLD_SIZE": "1.0"}, "$WORLD_SIZE: expected a whole number from 1, got '1.0'"),
        ({"WORLD_SIZE": "2"}, "$RANK does not say which"),
        ({"WORLD_SIZE": "2", "RANK": "-1"}, "$RANK: expected a whole number from 0, got '-1'"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "$RANK: expected 0 to 1"),
    ],
)
def test_odd_variables_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variables: dict[str, str], told: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["run", "--dry-run", "--tracking-uri", "none"]) == UNUSABLE
    assert told in capsys.readouterr().err


def test_a_launcher_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert processes.launched() == 2
    assert not processes.leads()


def test_empty_variables_of_our_own_options_give_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("FACEBENCH_DATA", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    expected = vars(parser().parse_args(["run"]))
    for name in names:
        monkeypatch.setenv(name, "")
    assert vars(parser().parse_args(["run"])) == expected
