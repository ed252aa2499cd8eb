"""Whatever stands in a record, a baseline, an attack, a table, a recipe or a name: a terminal does not obey it."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from facebench.bench.cli import summary
from facebench.bench.cli.main import main
from facebench.bench.experiment.run import Outcome
from facebench.bench.terminal import printing
from facebench.bench.terminal.progress import Display
from facebench.reports.result.harmless import harmless, one_line
from facebench.reports.result.record import Groups, GroupScore, GroupTable, RunRecord, Unreliable, sealed
from facebench.reports.result.thirdparty import ThirdPartyAttack, against
from made_up import attack, record
from pydantic import ValidationError

BIDI, ZERO, C1 = "\u202e", "\u200b", "\x9b2J"
PAYLOAD = f"=\x1b[5;7m\x1b]8;;e:e\x07\x1b]52;c;eA==\x07\r\b{C1}{BIDI}{ZERO}\u2066\x7f\u2028@x\nFORGED"
"""Colour, link, clipboard, bell, return, backspace, a C1 control, directions, no width, and a line of its own."""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def dangerous(text: str) -> set[str]:
    """The characters that a terminal obeys or hides, as escapes."""
    bad = {c for c in text if (unicodedata.category(c)[0] == "C" and c not in "\n\t") or c in "\u2028\u2029"}
    return {f"{ord(c):x}" for c in bad}


def forged(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("FORGED")]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all texts of a document, and of all mappings."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from leaves(inner, (*path, n))
    elif isinstance(value, str):
        yield path


def planted(model: type[Any], document: dict[str, Any], apart: frozenset[str] = frozenset()) -> Any:
    """A document with the payload behind every text, and in a key of every mapping, wherever the model allows it."""
    count = 0
    places = [path for path in leaves(json.loads(json.dumps(document))) if not path or path[0] not in apart]
    for path in places:
        for payload in (PAYLOAD, PAYLOAD.replace("\n", "").replace("\r", "")):
            tried = json.loads(json.dumps(document))
            place: Any = tried
            for step in path[:-1]:
                place = place[step]
            inner = place[path[-1]] if path else tried
            if isinstance(inner, dict):
                inner[f"k{payload}"] = next(iter(inner.values()), payload)
            else:
                place[path[-1]] = inner + payload
            try:
                model.model_validate(tried)
            except ValidationError:
                continue
            document, count = tried, count + 1
            break
    assert count >= 4  # it is not that nothing could be planted
    return model.model_validate(document)


APART = frozenset({"digest", "layout", "recipe_hash", "data_hash", "dataset", "recipe"})


def hostile(method: str, seed: int, *, marked: bool = True) -> RunRecord:
    one = record(
        method, seed=seed, failed=True, parameters={"a": "x", "b": {"c": ["y"]}},
        notes=("note",), not_run={"linkage": "does not apply"}, quality={"loss": 0.1}, skipped={"P": 1},
        machine={"system": "s", "packages": {"torch": "2"}}, versions={"ignorant": 1}, overlap="disjoint",
        unreliable=Unreliable(reason="flaw") if marked else None,
    )  # fmt: skip
    table = GroupTable(of="faces", file="g.csv", digest="d", columns=("age",), told=400, untold=0)
    scores = tuple(GroupScore(column="age", group=g, score=one.scores[1]) for g in ("old", "young"))
    one = one.model_copy(update={"groups": Groups(tables=(table,), scores=scores, notes=("note",))})
    document = one.model_dump(mode="json")
    # what puts records side by side is planted alike in all
    for key in ("recipe_hash", "data_hash", "dataset", "recipe"):
        document[key] += PAYLOAD
    return sealed(planted(RunRecord, document, APART))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of two methods with two seeds, and an attack on one of them, all of them hostile."""
    out = tmp_path_factory.mktemp("hostile") / "records"
    (out / "attacks").mkdir(parents=True)
    for method in ("masking", "pixelate"):
        for seed in (0, 1):
            one = hostile(method, seed)
            (out / f"{one.name}.json").write_text(one.model_dump_json())
    made = attack(record())
    keep = frozenset({"against", "attack", "link", "layout", "scores"})
    made = planted(ThirdPartyAttack, made.model_dump(mode="json") | {"by": "lab", "says": "s"}, keep)
    measure = next(s.measure for s in one.scores if s.measure.name.startswith("leak@1"))
    scores = tuple(score.model_copy(update={"measure": measure}) for score in made.scores)
    made = made.model_copy(update={"against": against(one), "scores": scores})
    (out / "attacks" / "a.json").write_text(made.model_dump_json())
    return out


def clean(capsys: pytest.CaptureFixture[str], *, colours: bool = False, wrapped: bool = False) -> str:
    """What was written to both streams, which must be harmless; in wrapped text any word may begin a line."""
    shown = "".join(capsys.readouterr())
    if colours:
        assert "\x1b[5;7m" not in shown
        shown = COLOUR.sub("", shown)
    assert not dangerous(shown)
    assert wrapped or not forged(shown)
    return shown


REPORTS = [["report", "--format", name] for name in ("md", "csv", "json", "latex", "html")] + [
    ["report", "--compact"], ["report", "--format", "latex", "--compact"], ["verify"], ["verify", "--format", "json"],
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "to_file"),
    [(options, to_file) for options in REPORTS for to_file in (False, True) if not (to_file and "verify" in options)],
    ids=repr,
)
def test_no_report_carries_commands(
    folder: Path, options: list[str], to_file: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "board"
    code = main([*options, "--records", str(folder), *(["--out", str(out)] if to_file else [])])
    shown = clean(capsys)
    assert code == (1 if "verify" in options else 0), shown
    if to_file:
        shown = out.read_text(encoding="utf-8")
        assert not dangerous(shown)
        assert not forged(shown)
    if "html" not in options:
        assert "masking" in shown
    if "json" in options:
        assert PAYLOAD in "".join(_texts(json.loads(shown)))  # nothing is lost


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def test_no_cell_of_a_csv_is_a_formula_in_any_country(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["report", "--format", "csv"], ["compare", "--format", "csv"]):
        assert main([*command, "--records", str(folder)]) == 0
        for line in clean(capsys).splitlines()[1:]:
            for cell in re.split(r"[,;|\t]", line):
                assert not re.match(r'\s*"?\s*[=@+]', cell), line


@pytest.mark.parametrize("options", [[], ["--format", "md"], ["--format", "csv"], ["--format", "json"],
                                     ["--against", "nobody\x1b[5;7m"], ["x" + PAYLOAD, "y"]],
                         ids=["screen", "md", "csv", "json", "against", "names"])  # fmt: skip
@pytest.mark.parametrize("colours", [False, True], ids=["plain", "terminal"])
def test_no_comparison_carries_commands(
    folder: Path, options: list[str], colours: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: colours, raising=False)
    code = main(["compare", "--records", str(folder), *options])
    shown = clean(capsys, colours=colours, wrapped=not options)
    assert code == (2 if options and options[0] != "--format" else 0), shown
    assert shown.strip()


@pytest.mark.parametrize("colours", [False, True], ids=["plain", "terminal"])
def test_no_verdict_of_the_gate_carries_commands(
    tmp_path: Path, colours: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    for method in ("masking", "pixelate"):
        one = hostile(method, 0, marked=False)
        gated = (a.model_copy(update={"measure": b.measure}) for a, b in zip(one.scores, record().scores, strict=True))
        one = sealed(one.model_copy(update={"scores": tuple(gated)}))  # measures of no known name want tolerances
        (folder / f"{one.name}.json").write_text(one.model_dump_json())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: colours, raising=False)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    baseline = tmp_path / "baseline.json"
    common = ["check", "--records", str(folder), "--baseline", str(baseline)]
    assert main([*common, "--update"]) == 2  # sanity bounds failed
    clean(capsys, colours=colours)
    bound = one.checks[0].name
    assert main([*common, "--update", "--waive", bound]) == 0, capsys.readouterr()
    clean(capsys, colours=colours)
    for more in (
        [],
        ["--format", "json"],
        ["--junit", str(tmp_path / "junit.xml"), "--summary", str(tmp_path / "more.md")],
    ):
        assert main([*common, *more]) in (0, 1, 2)
        assert "masking" in clean(capsys, colours=colours, wrapped=True)
    for written in ("summary.md", "more.md", "junit.xml", "baseline.json"):
        text = (tmp_path / written).read_text(encoding="utf-8")
        assert not dangerous(text), written
        assert not forged(text), written
    edited = json.loads(baseline.read_text())
    edited[f"key{PAYLOAD}"] = PAYLOAD
    baseline.write_text(json.dumps(edited))
    assert main(common) == 2
    assert "FORGED" in clean(capsys, colours=colours)


def test_no_summary_of_a_run_carries_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for colours in (False, True):
        monkeypatch.setattr(sys.stdout, "isatty", lambda colours=colours: colours, raising=False)
        outcome = Outcome(hostile("masking", 0), tmp_path / PAYLOAD, None, new=True)
        shown = summary.summary(outcome, f"file:{PAYLOAD}")
        assert isinstance(shown, printing.Rendered)
        print(printing.printable(shown))
        assert ("\x1b" in shown) == colours
        assert "masking" in clean(capsys, colours=colours, wrapped=True)


def _broken(one: dict[str, Any], how: str) -> Any:
    if how == "key":
        return {**one, f"key{PAYLOAD}": 1}
    if how == "inner key":
        return {**one, "roles": {f"P{PAYLOAD}": {"images": "x"}}}
    if how == "value":
        return {**one, "seed": PAYLOAD}
    if how == "layout":
        return {**one, "layout": PAYLOAD}
    if how == "digest":
        return {**one, "digest": PAYLOAD}
    return [PAYLOAD]


@pytest.mark.parametrize("how", ["key", "inner key", "value", "layout", "digest", "list"])
@pytest.mark.parametrize(
    "command", [["report"], ["verify"], ["compare"], ["check", "--baseline", "b.json"]], ids=" ".join
)
def test_no_refusal_of_a_record_carries_commands(
    how: str, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    records = tmp_path / f"records{PAYLOAD}"
    records.mkdir()
    (tmp_path / "b.json").write_text("{}")
    one = record().model_dump(mode="json")
    (records / f"{PAYLOAD}.json").write_text(json.dumps(_broken(one, how)))
    assert main([*command, "--records", str(records)]) in (1, 2)
    assert clean(capsys).strip()


@pytest.mark.parametrize("how", ["key", "value"])
def test_no_refusal_of_an_attack_carries_commands(how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = record()
    (tmp_path / "attacks").mkdir()
    (tmp_path / f"{one.name}.json").write_text(one.model_dump_json())
    made = attack(one).model_dump(mode="json")
    made = {**made, f"key{PAYLOAD}": 1} if how == "key" else {**made, "attack": PAYLOAD}
    (tmp_path / "attacks" / f"{PAYLOAD}.json").write_text(json.dumps(made))
    for command in ("report", "verify"):
        assert main([command, "--records", str(tmp_path)]) in (1, 2)
        assert clean(capsys).strip()


@pytest.mark.parametrize("content", [
    f'"key{PAYLOAD}": 1', f'recognizer: {{"a{PAYLOAD}": 1}}', f"method: !{C1}x y", f"dataset: '{C1}", "a: [\x1b[5;7m",
    json.dumps({"method": PAYLOAD}), json.dumps({"attacks": [PAYLOAD]}), json.dumps({"metrics": [PAYLOAD]}),
    json.dumps({"dataset": PAYLOAD}), json.dumps({"recipe": PAYLOAD}), json.dumps({"methods": {"noise": {PAYLOAD: 1}}}),
    json.dumps({"groups": {"table": PAYLOAD}}), json.dumps({"method": {"use": "noise", PAYLOAD: PAYLOAD}}),
    json.dumps({"people_of": {PAYLOAD: PAYLOAD}}), json.dumps({"attack": {"embedder": PAYLOAD}}),
], ids=lambda content: ascii(content[:12]))  # fmt: skip
def test_no_refusal_of_a_recipe_carries_commands(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"recipe{PAYLOAD.replace('@', '')}.yaml"
    path.write_text(content, encoding="utf-8")
    named = [] if "method:" in content or '"method"' in content else ["--method", "noise"]
    store = str(tmp_path / "runs")
    main(["run", "--recipe", str(path), "--store", store, "--dry-run", "--tracking-uri", "none", *named])
    assert clean(capsys).strip()


@pytest.mark.parametrize(
    "content",
    [f"age{PAYLOAD},file\nold,x\n", f"file,age\nx{PAYLOAD},old\n", f'file,"a\n{C1}"\n1,2\n'],
    ids=["header", "cell", "quoted"],
)
def test_no_refusal_of_a_table_of_groups_carries_commands(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"groups{PAYLOAD}.csv"
    path.write_text(content, encoding="utf-8")
    assert main(["run", "--method", "noise", "--groups", str(path), "--store", str(tmp_path / "runs"), "--dry-run",
                 "--tracking-uri", "none"]) == 2  # fmt: skip
    assert clean(capsys).strip()


@pytest.mark.parametrize("command", [
    ["data", "verify", PAYLOAD], ["data", "list", "--data", PAYLOAD], ["run", "--set", f"{PAYLOAD}=1"],
    ["report", "--records", PAYLOAD], ["mirror", "--store", PAYLOAD, "--tracking-uri", PAYLOAD],
    ["run", "--method", PAYLOAD], ["run", "--force", PAYLOAD], ["report", "--out", PAYLOAD + "/x"], ["list"],
    ["data", "convert", PAYLOAD, PAYLOAD, "--to", "folder"],
    ["run", "--tracking-uri", f"http://{PAYLOAD}", "--dry-run"],
], ids=lambda command: command[0])  # fmt: skip
def test_no_answer_to_a_hostile_name_carries_commands(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    main(command)
    assert clean(capsys).strip()


def test_the_parser_complains_harmlessly(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        [f"{PAYLOAD}"],
        ["report", PAYLOAD],
        ["report", f"--formal{PAYLOAD}"],
        ["list", PAYLOAD],
        ["run", "--seed", PAYLOAD],
    ):
        with pytest.raises(SystemExit):
            main(arguments)
        assert "FORGED" in clean(capsys)


def test_log_lines_and_warnings_are_harmless(capfd: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("facebench.hostile")
    log.propagate = False  # pytest's own handlers are at the root
    with printing.guarded():
        log.warning("of a library: %s", PAYLOAD)
        print(warnings.formatwarning(PAYLOAD, UserWarning, f"f{PAYLOAD}", 1, ""), file=sys.stderr)
    shown = "".join(capfd.readouterr())
    assert shown.count("\\u001b[5;7m") == 3
    assert not dangerous(shown)
    assert not forged(shown)
    log.warning("afterwards \x1b[5;7m")
    assert "\x1b" in "".join(capfd.readouterr())


@pytest.mark.parametrize("colours", [False, True])
def test_progress_is_harmless(colours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    display, out = Display(), io.StringIO()
    display._console = Console(file=out, force_terminal=colours, width=200, highlight=False, emoji=False)
    with display.stage(f"verify {PAYLOAD} [red]", "faces") as progress:
        progress(1, 2)
    display.note(f"warning: {PAYLOAD} [bold]")
    shown = out.getvalue()
    assert "\x1b[5;7m" not in shown
    assert not {"\x07", "\x9b", BIDI, ZERO, "\b"} & set(shown)
    assert "]52;" not in shown.replace("\\u001b]52;", "")
    assert "[bold]" in shown
    if not colours:
        assert not dangerous(shown)
        assert not forged(shown)


def test_harmless_text_spells_out_and_keeps_the_rest() -> None:
    for text in ("plain\n\ttext", "Zoë Åsa 李 明 Ωмега ﷽", "😀 née", "a\u00a0b"):
        assert harmless(text) == text
    assert harmless("\x1b[0m\x85\u00ad\u202e\ufeff\U000e0041\ud800") == (
        "\\u001b[0m\\u0085\\u00ad\\u202e\\ufeff\\udb40\\udc41\\ud800"
    )
    assert one_line("a\nb\tc\r") == "a\\nb\\tc\\u000d"
    document = json.dumps({PAYLOAD: "\U000e0041"}, ensure_ascii=False)
    assert json.loads(harmless(document)) == {PAYLOAD: "\U000e0041"}
