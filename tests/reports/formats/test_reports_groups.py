"""Groups in records and in every format of the board: hostile names stay text, older records stay as they are."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from facebench.bench.audit import consistency
from facebench.reports.board.leaderboard import board
from facebench.reports.board.subgroup_gaps import NOT_TOLD, spreads
from facebench.reports.formats import render
from facebench.reports.formats.subgroup_tables import all_groups, group_lines
from facebench.reports.formats.tables import clean
from facebench.reports.pictures.page_data import details
from facebench.reports.result import ledger
from facebench.reports.result.record import Groups, GroupScore, GroupTable, RunRecord, read, write
from facebench.reports.statistics.intervals import wilson
from jsonschema import Draft202012Validator
from made_up import record

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = [
    "=cmd()",
    "+1",
    "<script>alert(1)</script>",
    "a|b",
    "\x1b[31mred",
    "\u202egnp",
    "[a](javascript:x)",
    "@all",
    "x\ny",
]


def grouped(column: str = "tone", dark: str = "dark") -> RunRecord:
    """A record of 400 probes, 40 of them found: 30 of 100 that are dark, 10 of 280, none of 20 of a small group."""
    whole = record()
    leak = next(score for score in whole.scores if score.on == "ignorant")
    parts = ((dark, 30, 100), ("light", 10, 280), ("small", 0, 20))
    scores = tuple(
        GroupScore(
            column=column,
            group=group,
            score=leak.model_copy(
                update={
                    "value": hits / n,
                    "n": n,
                    "intervals": (wilson(hits, n),) if n >= 30 else (),
                    "detail": {"people": n // 4},
                }
            ),
        )
        for group, hits, n in parts
    )
    table = GroupTable(of="faces", file="t.csv", digest="0" * 64, columns=(column,), told=400, untold=0)
    return record(groups=Groups(tables=(table,), scores=scores, notes=(f"attack {column}: not told by group",)))


def test_a_record_with_groups_comes_back_and_fits_the_schema(tmp_path: Path) -> None:
    path = write(grouped(), tmp_path)
    assert read(path).groups == grouped().groups
    schema = json.loads((ROOT / "docs" / "schema" / "record-2.json").read_text())
    Draft202012Validator(schema).validate(json.loads(path.read_text()))


def test_records_without_groups_keep_their_bytes_and_their_digest(tmp_path: Path) -> None:
    kept = [path for path in ledger.paths(ROOT / "reports" / "records") if json.loads(path.read_text())["layout"] == 2]
    for path in [*kept, write(record(), tmp_path)]:
        assert "groups" not in json.loads(path.read_text())
        again = write(read(path), tmp_path / "again")
        assert again.read_bytes() == path.read_bytes()


def test_the_digest_covers_the_groups(tmp_path: Path) -> None:
    path = write(grouped(), tmp_path)
    path.write_text(path.read_text().replace('"dark"', '"pale"'))
    with pytest.raises(ledger.RecordError, match="its content was changed"):
        read(path)


def test_groups_that_add_up_are_sound_and_others_are_found() -> None:
    sound = grouped()
    assert consistency.findings(sound) == []
    assert sound.groups is not None
    dark, *rest = sound.groups.scores
    fewer = dark.model_copy(
        update={"score": dark.score.model_copy(update={"value": 0.2, "intervals": (wilson(20, 100),)})}
    )
    narrower = dark.model_copy(update={"score": dark.score.model_copy(update={"intervals": (wilson(300, 1000),)})})
    for scores, said in (
        (rest, "all groups of tone: expected 400 trials, got 300"),
        ([fewer, *rest], "all groups of tone: expected 40 hits, got 30"),
        ([narrower, *rest], "tone dark: expected the wilson interval"),
    ):
        changed = sound.model_copy(update={"groups": sound.groups.model_copy(update={"scores": tuple(scores)})})
        assert any(said in finding for finding in consistency.findings(changed)), said


def test_the_board_names_worst_and_best_group_and_the_gap() -> None:
    shown = render.markdown(board([grouped()]))
    (line,) = [line for line in shown.splitlines() if "| tone" in line]
    cells = [cell.strip() for cell in line.split("|")]
    assert cells[3:6] == ["tone", "leak@1 ignorant", "dark: 30.0 [21.9, 39.6], n = 100"]
    assert cells[6:10] == ["light: 3.6 [2.0, 6.4], n = 280", "26.4", "2", "apart"]
    assert "#### By group" in shown
    assert "none is inferred" in shown


def test_a_board_without_groups_does_not_speak_of_them() -> None:
    assert "roup" not in render.markdown(board([record()])).replace("privacy-utility", "")
    assert [row["groups"] for group in json.loads(render.json(board([record()]))) for row in group["rows"]] == [[]]


def test_csv_and_json_have_a_line_for_every_group() -> None:
    found = board([grouped(), record("other")])
    lines = [line for line in csv.DictReader(io.StringIO(render.csv(found))) if line["group_by"]]
    assert [(line["group_by"], line["group"], line["mean"], line["n"], line["method"]) for line in lines] == [
        ("tone", "dark", "0.3", "100", "masking"),
        ("tone", "light", repr(10 / 280), "280", "masking"),
        ("tone", "small", "0.0", "20", "masking"),
    ]
    assert [line["low"] == "" for line in lines] == [False, False, True]
    (row,) = [row for group in json.loads(render.json(found)) for row in group["rows"] if row["method"] == "masking"]
    assert [(entry["group"], entry["people"], entry["compared"]) for entry in row["groups"]] == [
        ("dark", 25, True), ("light", 70, True), ("small", 5, False),
    ]  # fmt: skip


def test_details_of_the_page_and_the_screen_say_the_same() -> None:
    rows = all_groups(grouped())
    assert rows[0] == ["tone", "dark", "leak@1 ignorant", "30.0", "21.9 to 39.6", "1.0", "100", "25", "-"]
    assert rows[2][3:8] == ["0.0", "-", "1.0", "20", "5"]
    assert rows[3] == ["tone", "gap of 2 groups", "leak@1 ignorant", "26.4", "-", "-", "-", "-", "intervals apart"]
    (shown,) = details(board([grouped()])).values()
    assert shown[0]["groups"] == rows
    assert group_lines(grouped())[0] == (
        "by tone, leak@1 ignorant: worst dark, 30.0 % (n = 100); gap 26.4, 2 groups, intervals apart"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_of_groups_and_columns_stay_text(text: str) -> None:
    found = board([grouped(text, text)])
    shown = render.markdown(found)
    assert "<script" not in shown.replace("\\<", "")
    assert "](javascript" not in shown
    assert "@all" not in shown
    for line in csv.DictReader(io.StringIO(render.csv(found))):
        assert not line["group"].startswith(("=", "+", "-", "@"))
        assert not line["group_by"].startswith(("=", "+", "-", "@"))
    everything = [
        shown,
        render.csv(found),
        *group_lines(grouped(text, text)),
        *(cell for row in all_groups(grouped(text, text)) for cell in row),
    ]
    for part in everything:
        assert "\x1b" not in part
        assert "\u202e" not in part
    assert all(clean(line) == line for line in group_lines(grouped(text, text)))


def test_not_told_is_never_the_worst() -> None:
    (line,) = [line for line in group_lines(grouped(dark=NOT_TOLD)) if line.startswith("by tone")]
    assert "no two groups" in line


def test_a_small_group_of_somebody_elses_record_is_not_compared_though_it_claims_an_interval() -> None:
    found = grouped().groups
    assert found is not None
    *others, small = found.scores
    claimed = small.model_copy(update={"score": small.score.model_copy(update={"intervals": (wilson(0, 20),)})})
    (spread,) = spreads(found.model_copy(update={"scores": (*others, claimed)}))
    assert [one.group for one in spread.compared] == ["dark", "light"]
