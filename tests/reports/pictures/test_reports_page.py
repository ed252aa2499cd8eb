"""The page's text: its data are the other formats' own, nothing in a record is code, nothing is loaded."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facebench.bench.cli import main
from facebench.reports.board.leaderboard import board
from facebench.reports.board.plane import chances, leakage, utility
from facebench.reports.formats import render
from facebench.reports.pictures import page_data
from facebench.reports.pictures.page import html
from facebench.reports.result import ledger
from facebench.reports.result.record import write
from made_up import record
from made_up_boards import everything, hostile


def embedded(page: str, name: str):
    (text,) = re.findall(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def packed(page: str) -> dict:
    return json.loads(gzip.decompress(base64.b64decode(embedded(page, "packed"))))


def test_the_page_holds_the_other_formats_and_the_cells_of_the_table_as_they_are() -> None:
    found = board(everything())
    page = html(found)
    assert packed(page)["csv"] == render.csv(found)
    assert packed(page)["json"] == render.json(found)
    for group, table in zip(embedded(page, "board"), render.tables(found), strict=True):
        titles = [column["title"] for column in group["columns"]]
        assert [title for title in titles if title not in ("n", "recipe", "data")] == table.header
        for row, cells in zip(group["rows"], table.rows, strict=True):
            kept = [text for title, text in zip(titles, row["cells"], strict=True) if title in table.header]
            assert kept[1:] == cells[1:]
            assert len(row["keys"]) == len(titles)


def test_rows_of_other_recipes_or_data_are_groups_of_their_own() -> None:
    groups = page_data.groups(board(everything()))
    assert len(groups) == 4
    assert len({group["recipe"] + group["dataset"] for group in groups}) == 4


def test_every_choice_of_set_and_attacker_has_its_own_front() -> None:
    (group,) = (g for g in page_data.groups(board(everything())) if len(g["rows"]) > 2)
    assert group["sets"] == ["mean of all", "lfw", "cfp_fp", "agedb_30"]
    assert group["attacks"] == ["worst attacker", "ignorant", "other_image"]

    def front(set_: str, attack: str) -> set[str]:
        members = group["fronts"][group["sets"].index(set_)][group["attacks"].index(attack)]
        return {group["rows"][n]["label"] for n in members}

    assert front("mean of all", "worst attacker") == {"beta", "alpha"}
    assert front("lfw", "worst attacker") == {"alpha"}
    assert front("cfp_fp", "other_image") == {"beta"}
    assert {row["label"] for row in group["rows"] if row["front"]} == front("mean of all", "worst attacker")


def test_what_the_gan_memorised_has_no_place_on_the_plane_and_no_rank_in_the_table() -> None:
    (group,) = (g for g in page_data.groups(board(everything())) if len(g["rows"]) > 2)
    (gan,) = (row for row in group["rows"] if row["label"] == "gan")
    assert gan["leakage"] == [None] * 3
    assert "-16.3 %" in gan["apart"]
    titles = [column["title"] for column in group["columns"]]
    assert gan["keys"][titles.index("worst leakage")] is None
    assert gan["keys"][titles.index("memorised memorisation")] == -0.163


def test_places_are_those_of_the_cells_and_of_the_means() -> None:
    (group,) = (g for g in board(everything()) if len(g.rows) > 2)
    alpha = next(row for row in group.rows if row.label == "alpha")
    assert utility(alpha, group) == (
        pytest.approx((0.9 + 0.6 + 0.7) / 3),
        None,  # made-up scores of several seeds without intervals
        "mean",
    )
    assert utility(alpha, group, ("cfp_fp", "accuracy")).value == 0.6
    worst = leakage(alpha)
    assert (worst.value, worst.on) == (0.04, "ignorant")
    assert leakage(alpha, ("other_image", "leak@1")).bar is None  # nor have these
    assert chances(group, None, "utility") == [0.5]
    assert chances(group, ("ignorant", "leak@1"), "privacy") == [0.01]
    spread: Any
    (spread,) = board([record(seed=0, leak=0.001), record(seed=1, leak=0.009)])[0].rows
    assert leakage(spread).bar == (0.0, pytest.approx(spread.worst.bracket.high))  # no bar below zero


def test_significant_digits_keep_small_numbers_and_signs() -> None:
    assert page_data.significant([0.0, 1234567.0, 1.23456e-4, -0.98764, 1.0]) == [
        0.0,
        1235000.0,
        1.235e-4,
        -0.9876,
        1.0,
    ]
    assert np.isfinite(page_data.significant([1e-300, 1e300])).all()


def test_no_text_of_a_record_leaves_its_place_in_the_page() -> None:
    page = html(board(hostile()))
    clean = html(board([record()]))
    for tag in ("script", "img", "style", "!--"):
        assert len(re.findall(f"<{tag}", page)) == len(re.findall(f"<{tag}", clean)), tag
    assert "\u2028" not in page
    assert "{{" not in re.sub(r"(?s)<script.*?</script>|<style.*?</style>", "", page)


def test_the_policy_names_the_scripts_and_the_style_by_their_digests_and_lets_nothing_else_in() -> None:
    page = html(board(everything()))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    policy = policy.replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    blocks = re.findall(r"(?s)<(?:script|style)>(.*?)</(?:script|style)>", page)
    digests = [base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() for block in blocks]
    assert len(digests) == 3
    assert re.findall(r"'sha256-([^']*)'", policy) == [*digests[1:], digests[0]]
    body = re.sub(r"(?s)<script>.*?</script>", "", page)
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?!#)[\w/]""", body)
    assert " style=" not in body
    assert not re.findall(r"\son\w+=", re.sub(r"(?s)<script.*?</script>", "", page))


def test_our_scripts_never_parse_html() -> None:
    from facebench.reports.pictures import page

    for name in page.SCRIPTS:
        text = (page.ASSETS / name).read_text("utf-8")
        assert not re.findall(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|fetch\(", text
        ), name


def test_equal_records_give_the_same_bytes() -> None:
    assert html(board(everything())) == html(board(reversed(everything())))


def test_a_page_of_two_hundred_records_stays_below_two_megabytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = tuple(np.sort(rng.random(165)))
    records = []
    for n in range(200):
        curve = record().curves[0]
        curves = [curve.model_copy(update={"name": name, "x": x, "y": tuple(rng.random(165))}) for name in "abcd"]
        records.append(record(f"method_{n}", curves=tuple(curves), accuracy=rng.random(), leak=rng.random()))
    assert len(html(board(records)).encode()) < 2_000_000


def test_the_command_writes_a_page_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(record(), tmp_path / "records")
    monkeypatch.chdir(tmp_path)
    assert main.main(["report", "--format", "html", "--records", "records"]) == 0
    assert str(tmp_path / "leaderboard.html") in capsys.readouterr().out
    assert (tmp_path / "leaderboard.html").read_text("utf-8") == html(board(ledger.load(tmp_path / "records")))
    assert main.main(["report", "--format", "html", "--records", "records", "--out", "nowhere/x.html"]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["leaderboard.html", "records"]
