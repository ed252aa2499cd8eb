"""A set of another tool that missed faces is measured: its failures are counted in the record, and by group."""

from __future__ import annotations

from pathlib import Path

import pytest
from facebench.bench.cli.main import main
from facebench.reports.board import leaderboard
from facebench.reports.result import ledger
from peoples_files import dataset

FEW = ["recognizer.steps=2", "recognizer.batch=8", "judge.steps=2", "judge.batch=8"]


def test_misses_of_a_tool_are_in_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = dataset(tmp_path / "d")
    files = sorted(root.glob("p*/*.png"))
    with (tmp_path / "m.csv").open("w") as file:
        file.write("private,source\n")
        for index, path in enumerate(files):
            name = path.relative_to(root)
            file.write(f"{'' if index % 4 == 1 else name},{name}\n")
    tones = [f"{path.relative_to(root)},{'dark' if index % 2 else 'light'}" for index, path in enumerate(files)]
    (tmp_path / "g.csv").write_text("\n".join(["image,tone", *tones]) + "\n")
    code = main([
        "run", "--dataset", str(root), "--method", "external", "--attacks", "ignorant", "-q", "--tracking-uri", "none",
        "--store", str(tmp_path / "runs"), "--groups", str(tmp_path / "g.csv"),
        "--set", f"method.path={root}", f"method.manifest={tmp_path / 'm.csv'}", *FEW,
    ])  # fmt: skip
    assert code in (0, 1), capsys.readouterr().err
    (record,) = ledger.load(tmp_path / "runs" / "records")
    assert record.released
    total = record.roles["P"].images
    assert record.released.missed > 0
    assert record.released.images + record.released.missed == total
    (note,) = [note for note in record.notes if note.startswith("method failed: ")]
    assert f"no private face of {record.released.missed} of {total} originals" in note
    leak = record.score("leak@1", "ignorant")
    assert leak
    assert leak.n == total
    assert leak.detail["failure_rate"] == pytest.approx(record.released.missed / total)
    assert leak.value is not None
    assert leak.detail["leak_excl_failures"] == pytest.approx(leak.value * total / record.released.images)
    assert record.groups
    counted = [score.score.n for score in record.groups.scores if score.score.measure.name == "leak@1"]
    assert sum(counted) == total
    ((row,),) = (group.rows for group in leaderboard.board([record]))
    assert "method failed" in row.marks
