"""Attacks of others on listed records: what they must fit, and what they do to a row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from facebench.reports.board.leaderboard import Row, board
from facebench.reports.formats import render
from facebench.reports.result import ledger, thirdparty
from facebench.reports.result.record import RecordError, RunRecord, read, write
from made_up import attack, record

ROOT = Path(__file__).resolve().parents[3]


def _row(records: list[RunRecord], *attacks: thirdparty.ThirdPartyAttack) -> Row:
    (group,) = board(records, attacks)
    return next(row for row in group.rows if row.method == "masking")


def test_a_third_partys_attack_is_the_worst_leakage_where_it_finds_more() -> None:
    row = _row([record(leak=0.1)], attack(record(leak=0.1), leak=0.5))
    assert (row.worst.on, row.worst.mean, row.worst.by) == ("inversion", 0.5, "example-lab")
    assert "third-party attack" in row.marks
    assert row.attackers == ("ignorant", "other_image", "inversion")


def test_a_third_partys_attack_that_finds_less_changes_no_headline() -> None:
    row = _row([record(leak=0.4)], attack(record(leak=0.4), leak=0.25))
    assert (row.worst.on, row.worst.by) == ("ignorant", "")
    assert row.cells["inversion", "leak@1"].link == "https://example.org/inversion"


def test_a_third_partys_attack_takes_a_row_off_the_front() -> None:
    records = [record("masking", accuracy=0.8, leak=0.1), record("blur", accuracy=0.8, leak=0.2)]
    assert {row.method for row in board(records)[0].rows if row.front} == {"masking"}
    found = board(records, [attack(records[0], leak=0.3)])
    assert {row.method for row in found[0].rows if row.front} == {"blur"}


@pytest.mark.parametrize("knows", [True, False])
def test_a_row_is_ignorant_only_until_somebody_who_knows_the_method_attacks(knows: bool) -> None:
    row = _row([record()], attack(record(), knows_method=knows))
    assert ("ignorant-only" in row.marks) is not knows


def test_of_several_seeds_the_attacked_ones_count() -> None:
    seeds = [record(seed=seed, leak=0.1) for seed in (0, 1)]
    row = _row(seeds, attack(seeds[0], leak=0.5), attack(seeds[1], leak=0.75, by="another-lab"))
    cell = row.cells["inversion", "leak@1"]
    assert (cell.values, cell.seeds, cell.by) == ((0.5, 0.75), (0, 1), "example-lab, another-lab")
    row = _row(seeds, attack(seeds[1], leak=0.5))
    assert row.cells["inversion", "leak@1"].seeds == (1,)
    assert row.cells["inversion", "leak@1"].interval is not None  # one value, so its interval says something


def test_every_format_says_who_found_it_and_where() -> None:
    found = board([record()], [attack(record())])
    text = render.markdown(found)
    assert "50.0 (inversion, third party)" in text
    who = "third-party attack `inversion` by example-lab (https://example.org/inversion)"
    line = f"{who}: leak@1 50.0 [45.1, 54.9] (1 seed), n = 400"
    assert line in text
    assert line in render.markdown(found, compact=True)
    assert "inversion" not in text.splitlines()[2]  # no column: nobody else was attacked that way
    for other in (render.csv(found), render.json(found), render.latex(found)):
        assert "example-lab" in other
        assert "https://example.org/inversion" in other


def _given(**more: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update(more)


def _against(**more: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["against"].update(more)


def _score(**more: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["scores"][0].update(more)


BAD: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "another record": (_against(record="nobody"), "against.record: no record is named 'nobody'"),
    "another digest": (_against(digest="0" * 64), "against.digest: expected '[0-9a-f]{64}'.*got '0000"),
    "no digest": (_against(digest=""), "against.digest"),
    "another recipe": (_against(recipe_hash="zz"), "against.recipe_hash: expected 'aaaa'.*got 'zz'"),
    "other data": (_against(data_hash="zz"), "against.data_hash: expected 'bbbb'"),
    "an attack the record made": (_given(attack="ignorant"), "the record has an attack 'ignorant' of its own"),
    "a name that is no name": (_given(attack="../x"), "attack: String should match"),
    "no link": (_given(link="www.example.org"), "link: String should match"),
    "nobody": (_given(by=" "), "by: String should have"),
    "no way to repeat it": (_given(rerun=""), "rerun"),
    "no scores": (_given(scores=[]), "scores"),
    "an entry more": (_given(rank=1), "rank: Extra inputs"),
    "a newer layout": (_given(layout=2), "layout: Input should be 1"),
    "fewer probes": (_score(n=399), "scores.0.n: expected 400 probes.*got 399"),
    "another chance": (_score(chance=0.02), "scores.0.chance: expected 0.01"),
    "no chance": (_score(chance=None), "scores.0.chance: expected 0.01"),
    "no value": (_score(value=None), "scores.0.value: expected a share"),
    "no share": (_score(value=1.5), "scores.0.value: expected a share"),
    "NaN": (_score(value=float("nan")), "scores.0.value"),
    "no interval": (_score(intervals=[]), "scores.0.intervals: expected first a 95% interval"),
    "a wide interval": (_score(intervals=[{"low": 0, "high": 1, "level": 0.99, "kind": "x"}]), "95% interval"),
    "another interval": (_score(intervals=[{"low": 0.6, "high": 1, "kind": "x"}]), "that holds the value 0.5"),
    "another name": (_score(on="ignorant"), "scores.0.on: expected the attack's name 'inversion'"),
    "another measure": (lambda c: c["scores"][0]["measure"].update(says="else"), r"measure: expected one .*\(leak@1\)"),
    "a utility": (lambda c: c["scores"][0]["measure"].update(name="accuracy", side="utility"), "measure: expected one"),
    "a measure twice": (lambda c: c["scores"].append(c["scores"][0]), "a measure comes twice"),
}


@pytest.mark.parametrize("bad", BAD)
def test_an_attack_that_does_not_fit_its_record_is_refused(tmp_path: Path, bad: str) -> None:
    write(record(), tmp_path)
    path = thirdparty.write(attack(record()), record(), tmp_path)
    records = ledger.load(tmp_path)
    assert thirdparty.load(tmp_path, records) == [attack(record())]
    content = json.loads(path.read_text())
    change, says = BAD[bad]
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=rf"attack .*{re.escape(path.name)}.*{says}"):
        thirdparty.load(tmp_path, records)
    problems: list[str] = []
    assert thirdparty.load(tmp_path, records, problems=problems) == []
    assert len(problems) == 1


def test_an_attack_is_not_written_where_it_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="digest: expected"):
        thirdparty.write(attack(record()), record(accuracy=0.7), tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_attack_is_not_told_twice(tmp_path: Path) -> None:
    write(record(), tmp_path)
    path = thirdparty.write(attack(record()), record(), tmp_path)
    path.with_name("copy.json").write_bytes(path.read_bytes())
    with pytest.raises(RecordError, match=r"copy\.json is the same attack on the same record"):
        thirdparty.load(tmp_path, ledger.load(tmp_path))


def test_attacks_are_no_records(tmp_path: Path) -> None:
    write(record(), tmp_path)
    thirdparty.write(attack(record()), record(), tmp_path)
    assert ledger.load(tmp_path) == [record()]
    assert thirdparty.load(tmp_path / "nowhere", []) == []


def test_the_documented_way_to_write_an_attack_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "submitting.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    listed = record()
    own = attack(listed).scores
    mine = record(name="mine", scores=(*listed.scores, *own))
    published = write(listed, tmp_path / "reports" / "records")
    write(mine, tmp_path / "runs" / "records")
    exec(code.replace("RECORD.json", published.name).replace("MINE.json", "mine.json"), {})
    (found,) = thirdparty.load(published.parent, [read(published)])
    assert found.scores == own
