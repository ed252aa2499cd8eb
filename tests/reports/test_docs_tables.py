"""Tables of the documents are what the published records give, and not what somebody typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_table_is_made_from_the_records() -> None:
    script = ROOT / "docs" / "make_tables"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}; run {script}"


def test_a_number_that_was_typed_is_found(tmp_path: Path) -> None:
    source = (ROOT / "docs" / "make_tables").read_text(encoding="utf-8")
    (tmp_path / "docs").mkdir()
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    before, table, after = text.partition("<!-- table: lfw-compact -->")
    assert table
    (tmp_path / "README.md").write_text(before + table + after.replace("1", "2", 1), encoding="utf-8")
    script = tmp_path / "docs" / "make_tables"
    script.write_text(
        source.replace('ROOT / "reports" / "records"', repr(ROOT / "reports" / "records").replace("PosixPath", "Path")),
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (1, ["README.md"])
