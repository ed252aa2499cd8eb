"""A record that cannot be read spoils no other, and is told, quiet or not; a name that is no UTF-8 makes none such."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from facebench.bench.cli.main import main
from facebench.bench.experiment.provenance import without_paths
from facebench.bench.plan.plan import plan
from facebench.bench.terminal.progress import Display
from facebench.reports.result import ledger
from facebench.reports.result.harmless import storable
from facebench.reports.result.record import sealed, write
from made_up import record

NAME = os.fsdecode(b"f\xe4ces")
"""A folder's name in Latin-1, as Python stands it in text."""


@pytest.fixture
def records(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "records"
    for each in (record("masking"), record("noise")):
        write(each, folder)
    (folder / "broken.json").write_text('{"layout": 2')
    (folder / "._masking.json").write_bytes(b"\0\5\x16\7")
    return folder


@pytest.mark.parametrize("form", ["md", "json", "csv", "latex"])
def test_a_board_is_of_all_others_and_says_so(form: str, records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--format", form, "--records", str(records)]) == 0
    captured = capsys.readouterr()
    assert "masking" in captured.out
    assert "noise" in captured.out
    assert "broken.json" not in captured.out
    assert "passed over" in captured.err
    assert "broken.json" in captured.err
    assert "._masking" not in captured.err


def test_methods_are_compared_without_it(records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--records", str(records), "--format", "json"]) == 0
    captured = capsys.readouterr()
    json.loads(captured.out)
    assert "broken.json" in captured.err


def test_a_mirror_is_of_all_others(records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert main(["mirror", "-q", "--store", str(records.parent), "--tracking-uri", uri]) == 0
    captured = capsys.readouterr()
    assert "2 of 2 records mirrored" in captured.out
    assert "broken.json" in captured.err


def test_where_none_can_be_read_that_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.json").write_text("{")
    for command in ("report", "compare"):
        assert main([command, "--records", str(tmp_path)]) == 2
        assert "broken.json" in capsys.readouterr().err


def test_a_gate_needs_all_records(records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken, asked = records / "broken.json", ["check", "--baseline", str(tmp_path / "b.json")]
    asked += ["--records", str(records)]
    assert main([*asked, "--update"]) == 2
    assert "broken.json" in capsys.readouterr().err
    assert not (tmp_path / "b.json").exists()
    text = broken.read_text()
    broken.unlink()
    assert main([*asked, "--update"]) == 0
    broken.write_text(text)
    assert main(asked) == 2, "what cannot be read may be what became worse"
    assert "broken.json" in capsys.readouterr().err


def test_a_name_that_is_no_utf_8_is_spelled_where_it_is_kept(tmp_path: Path) -> None:
    assert storable(NAME) == "f%e4ces"
    assert storable("人脸 é") == "人脸 é"
    told = without_paths(plan(dataset=f"/data/{NAME}", settings=["method.use=masking"]))
    assert told["dataset"] == "f%e4ces"
    odd = record("masking").model_copy(update={"dataset": NAME, "notes": (f"of {NAME}",), "config": {NAME: [NAME]}})
    kept = write(odd, tmp_path)
    assert b"\\ud" not in kept.read_bytes().lower()
    assert ledger.load(tmp_path)[0].dataset == "f%e4ces"
    assert sealed(record()) == record(), "what needs no spelling stays as it is"


def test_warnings_are_shown_when_quiet_and_stay_one_piece(capfd: pytest.CaptureFixture[str]) -> None:
    quiet = Display(quiet=True)
    quiet.note("progress")
    quiet.warn(f"warning: {NAME} \x1b[31m was not sent")
    told = capfd.readouterr().err
    assert "progress" not in told
    assert "was not sent" in told
    assert "\x1b[31m" not in told
