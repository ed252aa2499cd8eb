"""Leakage and accuracy by group, from the command line to the record, the board and back."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from facebench.bench.cli.main import main
from facebench.datasets.recordio import RecordIO
from facebench.datasets.synthetic import Synthetic, SyntheticPairs
from facebench.reports.board.subgroup_gaps import NOT_TOLD
from facebench.reports.result import record as results

PEOPLE, IMAGES, PAIRS = 60, 4, 60
TINY = f"""
synthetic: {{people: {PEOPLE}, images: {IMAGES}, pairs: {PAIRS}}}
recognizer: {{architecture: small, dim: 32, steps: 4, batch: 16}}
judge: {{architecture: small, dim: 32, steps: 4, batch: 16}}
attacks: [ignorant, other_image]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store in which masking was run once, without groups."""
    folder = tmp_path_factory.mktemp("groups")
    (folder / "tiny.yaml").write_text(TINY)
    assert _run(folder) in (0, 1)
    return folder


@pytest.fixture(scope="module")
def told(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, and then with the groups that the drawn faces know of; not to be changed."""
    folder = Path(shutil.copytree(finished, tmp_path_factory.mktemp("told") / "copy"))
    assert _run(folder, "--groups", "synthetic") in (0, 1)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy to go on with."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def _run(folder: Path, *more: str) -> int:
    recipe, store = str(folder / "tiny.yaml"), str(folder / "runs")
    return main(
        ["run", "--method", "masking", "--recipe", recipe, "--store", store, "--tracking-uri", "none", "-q", *more]
    )


def _record(folder: Path) -> results.RunRecord:
    (path,) = (folder / "runs" / "records").glob("*.json")
    return results.read(path)


def _groups(folder: Path) -> results.Groups:
    found = _record(folder).groups
    assert found is not None
    return found


def _table(path: Path, header: list[str], rows: list[list[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def _number(value: float | None) -> float:
    assert value is not None
    return value


def test_without_a_table_a_record_does_not_speak_of_groups(folder: Path) -> None:
    assert _record(folder).groups is None
    (path,) = (folder / "runs" / "records").glob("*.json")
    content = json.loads(path.read_text())
    assert "groups" not in content
    assert "groups" not in content["config"]


def test_a_table_makes_no_stage_anew_and_changes_no_hash(folder: Path) -> None:
    before, stages = _record(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("stage.json")}
    assert _run(folder, "--groups", "synthetic") in (0, 1)
    after = _record(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("stage.json")} == stages
    assert (after.name, after.group, after.scores) == (before.name, before.group, before.scores)
    assert [(stage.name, stage.key) for stage in after.stages] == [(stage.name, stage.key) for stage in before.stages]
    assert after.groups is not None
    assert after.digest != before.digest  # the tables are an input of this record


def test_the_groups_of_every_column_are_all_trials_and_their_hits_the_scores_own(told: Path) -> None:
    record = _record(told)
    found = _groups(told)
    wholes = [s for s in record.scores if s.measure.name in ("leak@1", "accuracy")]
    assert len(wholes) == 5
    for whole in wholes:
        for column in ("skin_tone", "age_band", "pose"):
            parts = [
                one.score for one in found.scores
                if (one.column, one.score.measure.name, one.score.on) == (column, whole.measure.name, whole.on)
            ]  # fmt: skip
            assert len(parts) > (column == "skin_tone")  # a young and an old face: all pairs are mixed
            assert sum(part.n for part in parts) == whole.n
            assert sum(part.n * _number(part.value) for part in parts) == pytest.approx(whole.n * _number(whole.value))
            if whole.measure.name == "leak@1":
                assert sum(part.n * _number(part.chance) for part in parts) == pytest.approx(
                    whole.n * _number(whole.chance)
                )
                assert sum(_number(part.detail["people"]) for part in parts) >= _number(whole.detail["people"])


def test_probes_are_counted_in_the_group_of_their_original(told: Path) -> None:
    """Counted here a second way: by the manifest, and the drawn faces' own word."""
    import pandas as pd

    (path,) = told.rglob("stages/release/*/manifest.parquet")
    tone = Synthetic(people=PEOPLE, images=IMAGES).open().groups()["skin_tone"]
    expected = Counter(tone[pd.read_parquet(path)["source_index"]].tolist())
    for on in ("ignorant", "other_image"):
        counted = {s.group: s.score.n for s in _groups(told).scores if s.column == "skin_tone" and s.score.on == on}
        assert counted == expected


def test_a_file_about_images_says_what_the_drawn_faces_say(folder: Path, told: Path) -> None:
    own = _groups(told)
    faces = Synthetic(people=PEOPLE, images=IMAGES).open()
    drawn = faces.groups()
    rows: list[list[object]] = [[n, *values] for n, values in enumerate(zip(*drawn.values(), strict=True))]
    rng = np.random.default_rng(0)
    table = _table(folder / "faces.csv", ["image", *drawn], [rows[n] for n in rng.permutation(len(rows))])
    of_pairs = SyntheticPairs(kind="lfw", pairs=PAIRS).groups()
    lines: list[list[object]] = [[n, *values] for n, values in enumerate(zip(*of_pairs.values(), strict=True))]
    pairs = _table(folder / "lfw.csv", ["pair", *of_pairs], lines)
    assert _run(folder, "--groups", str(table), "--set", f"groups.pairs={{lfw_like: {pairs}}}") in (0, 1)
    read = _groups(folder)
    assert [t.of for t in read.tables] == ["faces", "lfw_like"]
    assert read.scores == tuple(s for s in own.scores if s.score.on in ("ignorant", "other_image", "lfw_like"))
    assert len(read.tables[0].digest) == 64
    assert read.tables[0].digest != own.tables[0].digest


def test_a_table_about_people_in_parquet_and_people_it_does_not_tell_of(folder: Path) -> None:
    import pandas as pd

    faces = Synthetic(people=PEOPLE, images=IMAGES).open()
    tone = faces.groups()["skin_tone"][::IMAGES]
    table = pd.DataFrame({"identity": faces.names, "skin_tone": tone, "half": np.arange(PEOPLE) % 2})
    table[table["half"] == 0].to_parquet(folder / "people.parquet")
    _run(folder, "--groups", str(folder / "people.parquet"), "--set", "groups.columns=[skin_tone]")
    (about,) = _groups(folder).tables
    assert (about.told, about.untold, about.columns) == (PEOPLE // 2 * IMAGES, PEOPLE // 2 * IMAGES, ("skin_tone",))
    counted = {s.group: s.score.n for s in _groups(folder).scores if s.score.on == "ignorant"}
    assert set(counted) <= {"dark", "light", "medium", NOT_TOLD}
    assert counted[NOT_TOLD] > 0
    assert sum(counted.values()) == _record(folder).roles["P"].images
    assert "s0000" not in _record(folder).model_dump_json()


def test_a_table_of_a_folder_may_name_images_by_their_path(tmp_path: Path) -> None:
    from facebench.bench.subgroups.assignment import Tables, groupings
    from facebench.datasets.folder import Folder

    faces = Synthetic(people=3, images=2).open()
    for n in range(len(faces)):
        path = tmp_path / "people" / f"p{faces.labels[n]}" / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(faces.encoded(n))
    table = _table(tmp_path / "t.csv", ["image", "light"], [["p1/2.png", "day"], ["p0/1.png", "night"], [5, "day"]])
    told = groupings(Tables(table=table), Folder(root=tmp_path / "people").open(), {}).faces
    assert told is not None
    (light,) = told.columns
    assert [light.groups[code] if code >= 0 else "" for code in light.code] == ["", "night", "day", "", "", "day"]


def test_a_packs_people_are_named_by_their_label_however_it_is_padded(told: Path, tmp_path: Path) -> None:
    from facebench.bench.subgroups.assignment import Tables, groupings

    (pack,) = {path.parent for path in told.rglob("stages/release/*/train.rec")}
    faces = RecordIO(root=pack).open()
    table = _table(tmp_path / "t.csv", ["identity", "a"], [["7", "x"], ["03", "y"]])
    read = groupings(Tables(table=table), faces, {}).faces
    assert read is not None
    assert {label: read.columns[0].groups[code] for label, code in zip(faces.labels, read.columns[0].code, strict=True)
            if code >= 0} == {7: "x", 3: "y"}  # fmt: skip


def test_the_run_and_the_board_show_them_and_verifying_finds_them_sound(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    _run(folder, "--groups", "synthetic")
    shown = capsys.readouterr().out
    assert "by skin_tone, leak@1 " in shown
    assert "by skin_tone, accuracy " in shown
    store = ["--store", str(folder / "runs")]
    assert main(["report", *store]) == 0
    assert "#### By group" in capsys.readouterr().out
    assert main(["verify", *store]) == 0
    assert "groups not re-computed" in capsys.readouterr().out
    _run(folder, "--groups", "synthetic")
    assert "all stages cached" in capsys.readouterr().out  # the same groups are the same record


def test_groups_that_do_not_add_up_are_found_by_verifying(
    told: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(told, tmp_path / "copy"))
    record = _record(folder)
    groups = _groups(folder)
    left_out = results.Groups(tables=groups.tables, scores=groups.scores[1:])
    results.write(record.model_copy(update={"groups": left_out}), folder / "runs" / "records")
    capsys.readouterr()
    assert main(["verify", "--store", str(folder / "runs")]) == 1
    first = groups.scores[0]
    assert f"all groups of {first.column}: expected" in capsys.readouterr().out


def test_a_method_without_sources_has_no_leakage_by_group_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facebench.methods.masking import Masking

    # what a set is made of decides; all other stages are those of the fixture
    monkeypatch.setattr(Masking, "sourced", False)
    _run(folder, "--groups", "synthetic")
    found = _groups(folder)
    assert {one.score.measure.name for one in found.scores} == {"accuracy"}
    assert found.notes == ("leakage by group does not apply: no private face was made from an original",)


Bad = Callable[[Path], list[str]]


def _file(content: str, *more: str) -> Bad:
    def given(folder: Path) -> list[str]:
        (folder / "t.csv").write_text(content)
        return ["--groups", str(folder / "t.csv"), *more]

    return given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (_file("image,a\n0,x\n240,y\n"), "t.csv, line 3: expected an image's number from 0 to 239, got 240"),
        (
            lambda folder: ["--groups", str(folder / "none.csv")],
            "none.csv: expected a CSV or Parquet file, got nothing",
        ),
        (lambda folder: ["--set", "groups.pairs={lfw: synthetic}"], "groups.pairs: 'lfw': no such verification set"),
        (lambda folder: ["--set", "groups.table=synthetic", "groups.columns=[height]"], "got none of these"),
        (
            _file("image,a\n0,x\n", "--set", "groups.columns=[b]"),
            "expected columns of groups beside image, got none of",
        ),
        (lambda folder: ["--set", "groups.colums=[a]"], "groups.colums"),
    ],
)
def test_bad_tables_are_refused_before_anything_runs(
    folder: Path, capsys: pytest.CaptureFixture[str], given: Bad, said: str
) -> None:
    before, stages = _record(folder), sorted((folder / "runs" / "stages").rglob("*"))
    capsys.readouterr()
    assert _run(folder, *given(folder), "--seed", "9") == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert said in shown
    assert "Traceback" not in shown
    assert _record(folder) == before
    assert sorted((folder / "runs" / "stages").rglob("*")) == stages


def test_a_pair_that_the_set_does_not_have_is_told_by_its_number_and_the_record_stays(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _record(folder)
    table = _table(folder / "lfw.csv", ["pair", "a"], [[0, "x"], [PAIRS, "y"]])
    capsys.readouterr()
    assert _run(folder, "--set", f"groups.pairs={{lfw_like: {table}}}") == 2
    assert f"pair {PAIRS}: lfw_like has {PAIRS} pairs, expected numbers from 0 to {PAIRS - 1}" in " ".join(
        capsys.readouterr().err.split()
    )
    assert _record(folder) == before
