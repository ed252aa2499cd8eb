"""What the gate prints and writes: for people, programs, JUnit readers and CI runners, whatever the names hold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from facebench.bench.cli.main import main
from facebench.bench.gate import ci, output
from facebench.bench.gate.gate import Outcome
from facebench.bench.gate.verdict import Finding
from facebench.bench.terminal import text
from facebench.reports.result import record as results
from facebench.reports.result.record import Check
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import record

HOSTILE = (
    "::set-env name=PATH::/tmp",
    "\n::error::owned",
    "x\r\n##[command]rm",
    "%0A::warning::owned",
    "a|b|<script>alert(1)</script>",
    "[click](javascript:alert(1)) ![x](http://evil/x.png) @someone :boom:",
    "`code` **bold** \\| <!-- -->",
    "\x1b[31mred\x1b]8;;http://evil\x07",
    "]]></failure><failure>",
    "\x00\x0b\ud800\u202egnp.exe\u2028",
    "[bold]markup[/bold] [/red]",
    ":::::error::owned",
    "x" * 5000,
)


def _outcome(words: str) -> Outcome:
    numbers = {"before": 0.8, "now": 0.7, "tolerance": 0.01}
    worse = Finding(words, words, words, words, "regressed", words, **numbers)
    lost = Finding(words, words, words, words, "not-measured", words)
    fine = Finding(words, words, words, words, "ok", words, **numbers)
    return Outcome((fine, worse, lost), (words,))


@pytest.mark.parametrize("words", HOSTILE)
def test_no_line_of_the_table_is_a_command_or_steers_the_terminal(words: str) -> None:
    shown = output.table(_outcome(words))
    for line in shown.splitlines():
        assert not line.strip().startswith("::")
        assert "##[" not in line
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", shown)
    assert shown.rstrip().endswith("1 not-measured, 1 ok, 1 regressed")


@pytest.mark.parametrize("words", HOSTILE)
def test_junit_stays_well_formed_and_counts_right(words: str) -> None:
    text = ci.junit(_outcome(words))
    root = ElementTree.fromstring(text.encode())
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    assert [len(root.findall(f".//{tag}")) for tag in ("testcase", "failure", "error")] == [3, 1, 1]
    assert not any(line.strip().startswith("::") for line in text.splitlines())


@pytest.mark.parametrize("words", HOSTILE)
def test_an_annotation_is_one_command_and_says_its_text(words: str) -> None:
    commands = list(ci.commands(_outcome(words)))
    assert len(commands) == 4
    for command in commands:
        assert command.isprintable()
        level, properties, _ = re.fullmatch(r"::(\w+) (title=[^:,]*)::(.*)", command).groups()
        assert level in ("error", "warning")
        assert "%" not in properties.replace("%3A", "")


def test_the_runners_own_escapes_are_used() -> None:
    command = ci.annotation("error", "a:b,c%\n", "50 % of a:b,\r\nc")
    assert command == "::error title=a%3Ab%2Cc%25%0A::50 %25 of a:b,%0D%0Ac"


@pytest.mark.parametrize("words", HOSTILE)
def test_markdown_keeps_its_table_and_lets_no_markup_through(words: str) -> None:
    lines = output.markdown(_outcome(words)).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 5
    for line in rows:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == len(output.COLUMNS) + 1
    unescaped = re.sub(r"\\.", "", "\n".join(rows[2:]))
    assert not set("<>[]`*@:_") & set(unescaped)


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=40))
def test_tame_text_is_one_visible_line(words: str) -> None:
    line = text.tame(words)
    assert line.isprintable()
    assert "::" not in line
    assert "##[" not in line
    line.encode()


def test_words_that_are_harmless_stay_as_they_are() -> None:
    assert text.tame("leak@1 on other_image: 3 % [0, 1]") == "leak@1 on other_image: 3 % [0, 1]"


def test_a_check_writes_all_its_outputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    (tmp_path / "step.md").write_text("of another tool\n")
    baseline = ["--baseline", str(tmp_path / "b.json"), "--records", str(tmp_path / "records")]
    results.write(record(), tmp_path / "records")
    assert main(["check", *baseline, "--update"]) == 0
    results.write(record(leak=0.4), tmp_path / "records")
    capsys.readouterr()
    assert main(["check", *baseline, "--format", "json", "--junit", str(tmp_path / "j.xml")]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out)["counts"] == {"ok": 1, "regressed": 2}
    assert shown.err.startswith("::error title=facebench%3A regressed::masking, seed 0, leak@1 on ignorant: regressed")
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("failures") == "2"
    summary = (tmp_path / "step.md").read_text()
    assert summary.startswith("of another tool\n### facebench gate")
    assert main(["check", *baseline, "--summary", str(tmp_path / "own.md")]) == 1
    assert (tmp_path / "own.md").read_text().count("### facebench gate") == 1
    assert (tmp_path / "step.md").read_text() == summary
    assert not list(tmp_path.glob(".*part"))


def test_nothing_is_annotated_outside_of_a_runner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    results.write(record(), tmp_path / "records")
    baseline = ["--baseline", str(tmp_path / "b.json"), "--records", str(tmp_path / "records")]
    assert main(["check", *baseline, "--update"]) == 0
    results.write(record(accuracy=0.5), tmp_path / "records")
    assert main(["check", *baseline]) == 1
    shown = capsys.readouterr()
    assert "::" not in shown.out + shown.err
    assert "gate FAILED" in shown.out


def test_an_error_message_is_one_line_whatever_a_record_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bound = Check(name="b\n::error::owned", passed=False, says="\n::error::owned", guards="run")
    results.write(record(checks=(bound,)), tmp_path / "records")
    code = main(["check", "--update", "--baseline", str(tmp_path / "b.json"), "--records", str(tmp_path / "records")])
    assert code == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "::" not in shown
    assert "--waive" in shown
