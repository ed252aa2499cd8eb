"""Hostile text stays text in every format, and each format says what the others say."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from facebench.reports.board.leaderboard import Board, board
from facebench.reports.formats import render
from facebench.reports.formats.as_latex import escaped
from facebench.reports.formats.tables import clean
from facebench.reports.result import ledger
from facebench.reports.result.record import Score, Unreliable
from hypothesis import example, given
from hypothesis import strategies as st
from made_up import LEAK, record

PUBLISHED = Path(__file__).resolve().parents[3] / "reports" / "records"
HOSTILE = [
    r"\input{/etc/passwd}", r"\write18{touch pwned}", r"} \end{document}", r"a & b \\ c", "100% $x$ #1 ~ _ ^", "^^5c",
    "[0.5ex] x", "* x", "--- ,, '' `` ?` !`", "<script>alert(1)</script>", "a|b|c", "a\nb\r\nc\td", "`x`", "![i](http://e)",
    "[a](javascript:x)", "=cmd()", "\u202egnp.exe", "\x00\x1b[31m", "\u4e2d\u6587 \u00e9", "@all", "\\", "a\\", "\\|",
]  # fmt: skip


def _hostile(text: str) -> Board:
    """A board that has the text wherever a record can bring one."""
    found = record(text, dataset=text, recipe=text, recipe_hash=text, data_hash=text, notes=(text,),
                   parameters={text: text}, judge={"file": text}, failed=True)  # fmt: skip
    measure = LEAK.model_copy(update={"name": text, "says": text})
    score = Score(measure=measure, on=text, value=None, n=3, note=text)
    mark = Unreliable(reason=f".{text}.", link="https://example.org/a_b?c=1&d=2#e%20")
    return board([found.model_copy(update={"scores": (*found.scores, score), "unreliable": mark}), record("b")])


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("compact", [False, True])
def test_in_markdown_it_stays_in_its_cell(text: str, compact: bool) -> None:
    shown = render.markdown(_hostile(text), compact=compact)
    tables = re.findall(r"(?:^\|.*\|$\n?)+", shown, re.MULTILINE)
    assert tables
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table
    assert not re.search(r"(?<!\\)<", shown)
    assert "](" not in shown
    assert not re.search(r"(?<!\w)@\w", shown)  # nobody is called
    visible = shown.replace("\n", "")
    assert clean(visible).count("\N{REPLACEMENT CHARACTER}") == visible.count("\N{REPLACEMENT CHARACTER}")
    starts = ("### ", "| ", "- ", "lfw: n =", "In brackets", "\\", "Errors of")
    blocks = [block for block in shown.split("\n\n") if block]
    assert all(line.startswith(starts) or "n = " in line or "nothing measured" in line
               for block in blocks for line in block.strip().split("\n")), shown  # fmt: skip


def test_in_markdown_a_paragraph_does_not_begin_as_a_heading_or_a_list() -> None:
    first = record().scores[0].model_copy(update={"on": "# big"})
    assert "\n\n\\# big: n = 600" in render.markdown(board([record(scores=(first,))]))


FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@pytest.mark.parametrize("beginning", [*FORMULA, "\t=", "\r=", " =", "\n@", "\x0b+"])
def test_in_csv_no_cell_begins_as_a_formula(beginning: str) -> None:
    text = f'{beginning}HYPERLINK("http://e","x")'
    shown = render.csv(_hostile(text))
    rows = list(csv.reader(io.StringIO(shown)))
    assert len({len(row) for row in rows}) == 1
    (label,) = {row[rows[0].index("dataset")] for row in rows[1:]} - {"lfw"}
    assert label.startswith("'")
    lists = {rows[0].index("seeds"), rows[0].index("values")}
    numbers = re.compile(r"-?[0-9.e-]+")
    cells = [cell for row in rows for n, cell in enumerate(row) if n not in lists and not numbers.fullmatch(cell)]
    assert not [cell for cell in cells if cell.lstrip().startswith(FORMULA)]
    assert len(shown.splitlines()) == len(rows)  # no line is broken, whoever reads it


@pytest.mark.parametrize("text", HOSTILE)
def test_csv_and_json_say_the_same_of_every_cell(text: str) -> None:
    found = _hostile(text)
    rows = list(csv.DictReader(io.StringIO(render.csv(found))))
    groups = json.loads(render.json(found))
    cells = [(row, cell) for group in groups for row in group["rows"] for cell in row["cells"]]
    assert [float(line["mean"]) for line in rows] == [cell["mean"] for _, cell in cells]
    assert {row["label"] for row, _ in cells} == {text, "b"}


COMMANDS = {"textbackslash", "textasciicircum", "textasciitilde", "textless", "textgreater", "textbar", "symbol"}


@given(st.text())
@example("---,,''``")
def test_in_latex_no_character_is_obeyed(text: str) -> None:
    shown = escaped(text)
    assert set(re.findall(r"\\([A-Za-z]+)", shown)) <= COMMANDS
    bare = re.sub(r"\\symbol\{\d+\}|\\[A-Za-z]+\{\}|\\[{}$&#%_]|\{\}", "", shown)  # what is left shows as it is
    assert not set(bare) & set('\\{}$&#%_^~<>|"`'), shown
    assert all(" " <= c <= "~" or "\u00c0" <= c <= "\u00ff" for c in shown)
    assert not re.search(r"--|,,|''", shown)


def test_in_latex_a_row_does_not_begin_as_an_argument_of_the_line_before() -> None:
    shown = render.latex(board([record("[9ex] x"), record("* y")]))
    assert "{}[9ex] x * & " in shown
    assert "{}* y" in shown
    assert all(line.startswith("{}") for line in shown.splitlines() if line.endswith(r" \\"))


def _compiled(shown: str, folder: Path) -> str:
    """What pdflatex says of it; `-halt-on-error` stops at the first error."""
    body = f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{shown}\\end{{document}}\n"
    (folder / "board.tex").write_text(body, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "-no-shell-escape", "board.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    return done.stdout.decode(errors="replace")


needs_latex = pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")


@needs_latex
def test_the_published_board_compiles(tmp_path: Path) -> None:
    found = board(ledger.load(PUBLISHED))
    _compiled(render.latex(found) + render.latex(found, compact=True), tmp_path)


@needs_latex
def test_hostile_names_compile_and_run_nothing(tmp_path: Path) -> None:
    said = _compiled("\n".join(render.latex(_hostile(text)) for text in HOSTILE), tmp_path)
    assert "passwd" not in said
    assert {path.suffix for path in tmp_path.iterdir()} <= {".tex", ".aux", ".log"}


def test_the_compact_board_has_utility_worst_leakage_and_seeds_and_tells_marks_below() -> None:
    shown = render.markdown(board([record("a"), record("b", seed=1, failed=True)]), compact=True)
    head = [cell.strip() for cell in shown.splitlines()[2].strip("|").split("|")]
    assert head == ["method", "accuracy lfw", "worst leakage", "seeds"]
    assert "80.0 [76.6, 83.0]" in shown
    assert "10.0 [7.4, 13.3] (1 seed) (ignorant)" in shown
    assert "- ignorant-only: all\n" in shown
    assert "- unreliable: `b`\n" in shown
    assert "- `b` is unreliable: judge on clear pairs" in shown


def test_a_mark_is_shown_in_every_format_with_its_link_and_takes_the_row_off_the_front() -> None:
    mark = Unreliable(reason="the judge saw BGR", link="https://example.org/why")
    plain, marked = record("a"), record("b", accuracy=0.9).model_copy(update={"unreliable": mark})
    (group,) = found = board([plain, marked])
    assert {row.method: (row.front, "unreliable" in row.marks) for row in group.rows} == {
        "a": (True, False), "b": (False, True),
    }  # fmt: skip
    said = "the judge saw BGR (https://example.org/why)"
    for shown in (render.markdown(found), render.markdown(found, compact=True), render.csv(found),
                  render.json(found), render.latex(found)):  # fmt: skip
        assert said in shown


def test_chances_are_told_from_the_lowest_to_the_highest() -> None:
    scores = [(record().scores[1].model_copy(update={"chance": chance}),) for chance in (0.1, 0.02)]
    text = render.markdown(board([record("a", scores=scores[0]), record("b", scores=scores[1])]))
    assert "chance 2.0 to 10.0" in text
