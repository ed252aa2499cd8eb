"""How commands and options are spelled: one way to ask for JSON, and near names where a name is unknown."""

from __future__ import annotations

import json

import pytest
from facebench.bench.cli.main import main, parser

ANSWERING = [
    ["run"],
    ["check", "--baseline", "b.json"],
    ["list"],
    ["verify"],
    ["data", "list"],
    ["data", "verify", "casia"],
]
"""Commands that answer, in tables for people or in JSON for programs."""


@pytest.mark.parametrize("command", ANSWERING, ids=lambda command: " ".join(command[:2]))
def test_json_is_asked_for_in_one_way_everywhere_and_in_the_earlier_one(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = parser().parse_args([*command, "--format", "json"])
    assert asked.format == "json"
    assert parser().parse_args([*command, "--json"]) == asked
    assert parser().parse_args(command).format == "text"
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    shown = capsys.readouterr().out
    assert "--format {text,json}" in shown
    assert "--json" not in shown


@pytest.mark.parametrize("spelling", [["--format", "json"], ["--json"]], ids=" ".join)
def test_both_spellings_print_json(spelling: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "metrics", *spelling]) == 0
    assert "accuracy" in json.loads(capsys.readouterr().out)["metrics"]
    assert main(["list", "metrics"]) == 0
    assert capsys.readouterr().out.startswith("metrics")


@pytest.mark.parametrize(("words", "near"), [
    (["rnu"], "run"),
    (["privatise", "a", "b"], "privatize"),
    (["veriffy"], "verify"),
    (["data", "convrt", "a", "b"], "convert"),
    (["list", "method"], "methods"),
    (["run", "--methd", "noise"], "--method"),
    (["run", "--dryrun"], "--dry-run"),
    (["run", "--datset=casia"], "--dataset"),
    (["privatize", "a", "b", "--shard_size", "3"], "--shard-size"),
    (["data", "list", "--from", "x", "--fromat", "json"], "--format"),
    (["report", "--format", "latx"], "latex"),
], ids=str)  # fmt: skip
def test_an_unknown_name_is_answered_with_a_near_one(
    words: list[str], near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert f"; did you mean {near}" in said


@pytest.mark.parametrize("words", [
    ["leaderboard"], ["run", "--zzz"], ["verify", "--compact"], ["report", "--verfy"], ["list", "accuracy"],
    ["list", "metrics", "methods"],
], ids=" ".join)  # fmt: skip
def test_where_nothing_is_near_nothing_is_named(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert words[-1] in said
    assert "did you mean" not in said  # `--verfy` is near a spelling that is not offered any more


def test_an_unknown_option_is_answered_by_the_command_it_was_given_to(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["compare", "--agianst", "noise"])
    said = capsys.readouterr().err
    assert said.startswith("usage: bench compare ")
    assert "did you mean --against?" in said
