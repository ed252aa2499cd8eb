"""Records on disk: whole or not at all, and nothing damaged is taken for a result."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from facebench.reports.result import ledger
from facebench.reports.result.record import Interval, RecordError, RunRecord, Unreliable, read, write
from facebench.reports.tracking import entries
from made_up import record
from pydantic import ValidationError


@contextmanager
def full_disk(left: int) -> Iterator[None]:
    """No file may grow beyond so many bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = write(record(), tmp_path / "new" / "folder")
    assert path.name == f"{record().name}.json"
    assert read(path) == record()
    assert json.loads(path.read_text())["scores"][0]["value"] == 0.8


def test_a_full_disk_leaves_the_older_record_and_nothing_else(tmp_path: Path) -> None:
    path = write(record(accuracy=0.7), tmp_path)
    with full_disk(100), pytest.raises(RecordError) as told:
        write(record(accuracy=0.8), tmp_path)
    for part in (str(path), "cannot be written", "File too large", "free space", "finished stages are kept"):
        assert part in str(told.value)
    assert read(path) == record(accuracy=0.7)
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RecordError, match=r"lfw-quick-masking-0\.json: cannot be written .*--store"):
        write(record(), tmp_path / "file" / "records")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_without_permission_is_told_and_stays_empty(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RecordError, match=r"cannot be written \(Permission denied\)"):
            write(record(), tmp_path)
        assert not list(tmp_path.iterdir())
    finally:
        tmp_path.chmod(0o700)


DAMAGE: dict[str, Callable[[str], str]] = {
    "cut off": lambda text: text[: len(text) // 2],
    "not JSON": lambda text: "records",
    "nested": lambda text: "[" * 100_000,
    "not text": lambda text: text.replace("masking", "\udcff\udcfe", 1),
    "layout of later": lambda text: text.replace('"layout": 2', '"layout": 3'),
    "layout as text": lambda text: text.replace('"layout": 2', '"layout": "2"'),
    "layout below any": lambda text: text.replace('"layout": 2', '"layout": 0'),
    "layout missing": lambda text: text.replace('"layout": 2,', ""),
    "one key too many": lambda text: text.replace('"layout": 2', '"layout": 2, "rank": 1'),
    "no object": lambda text: f"[{text}]",
    "key missing": lambda text: text.replace('"seed": 0,', ""),
    "number as text": lambda text: text.replace('"value": 0.8', '"value": "eighty"'),
    "NaN as value": lambda text: text.replace('"value": 0.8', '"value": NaN'),
    "infinite bound": lambda text: re.sub(r'"low": [0-9.]+', '"low": -1e999', text, count=1),
    "count below zero": lambda text: text.replace('"n": 600', '"n": -600'),
    "side unknown": lambda text: text.replace('"side": "privacy"', '"side": "secret"'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_is_refused_with_file_and_place(tmp_path: Path, damage: str) -> None:
    path = write(record(), tmp_path)
    text = path.read_text()
    damaged = DAMAGE[damage](text)
    assert damaged != text
    path.write_bytes(damaged.encode(errors="surrogateescape"))
    with pytest.raises(RecordError) as told:
        read(path)
    assert str(path) in str(told.value)
    assert "expected a record of layout 2" in str(told.value)
    with pytest.raises(RecordError):
        ledger.load(tmp_path)


def test_a_record_of_a_newer_layout_asks_for_an_update(tmp_path: Path) -> None:
    path = write(record(), tmp_path)
    path.write_text(path.read_text().replace('"layout": 2', '"layout": 3'))
    with pytest.raises(RecordError, match=r"layout 3, so a newer facebench made it.*: update facebench"):
        read(path)


EDITS = {
    "a score": ('"value": 0.8', '"value": 0.81'),
    "a count": ('"n": 600', '"n": 700'),
    "a parameter": ('"ratio": 0.25', '"ratio": 0.75'),
    "a check": ('"passed": false', '"passed": true'),
    "the seed": ('"seed": 0', '"seed": 1'),
    "the digest": ('"digest": "', '"digest": "0'),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_record_edited_by_hand_is_refused(tmp_path: Path, edit: str) -> None:
    path = write(record(parameters={"ratio": 0.25}, failed=True), tmp_path)
    text = path.read_text()
    assert EDITS[edit][0] in text
    path.write_text(text.replace(*EDITS[edit], 1))
    with pytest.raises(RecordError, match=r"changed after it was written: expected the digest '[0-9a-f]{12}', got"):
        read(path)


def test_the_digest_is_of_what_is_said_and_not_of_how_it_is_laid_out(tmp_path: Path) -> None:
    path = write(record(), tmp_path)
    content = json.loads(path.read_text())
    digest = content.pop("digest")
    spelled = {key: value for key, value in content.items() if key not in ("layout", "unreliable")}
    text = json.dumps(spelled, sort_keys=True, separators=(",", ":"))
    assert digest == hashlib.sha256(text.encode()).hexdigest() == record().digest
    path.write_text(json.dumps(dict(reversed([*content.items(), ("digest", digest)])), indent=4))
    assert read(path) == record()


def test_a_record_without_its_digest_is_refused(tmp_path: Path) -> None:
    path = write(record(), tmp_path)
    content = json.loads(path.read_text())
    del content["digest"]
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match="expected the digest ''"):
        read(path)


LAYOUT_1 = Path(__file__).resolve().parents[2] / "data" / "layout1"


def test_a_record_of_layout_1_is_brought_to_this_layout(tmp_path: Path) -> None:
    (kept,) = ledger.load(LAYOUT_1)
    (path,) = LAYOUT_1.glob("*.json")
    old = json.loads(path.read_text())
    assert (old["layout"], "digest" in old) == (1, False)
    assert (kept.layout, kept.unreliable, len(kept.digest)) == (2, None, 64)
    shown = kept.model_dump(mode="json")
    assert {key: shown[key] for key in old if key != "layout"} == {k: v for k, v in old.items() if k != "layout"}
    assert read(write(kept, tmp_path)) == kept


def test_a_mark_is_added_by_hand_to_a_record_of_either_layout_and_leaves_the_digest(tmp_path: Path) -> None:
    (old,) = LAYOUT_1.glob("*.json")
    for path in (write(record(), tmp_path), Path(shutil.copy(old, tmp_path))):
        before = read(path)
        mark = {"reason": "the judge saw BGR", "link": "https://example.org/why?a=1#b"}
        path.write_text(json.dumps({**json.loads(path.read_text()), "unreliable": mark}))
        marked = read(path)
        assert marked.unreliable.reason == mark["reason"]
        assert marked.digest == before.digest


def test_a_mark_and_failed_checks_are_the_flaws_that_the_mirror_tells() -> None:
    mark = Unreliable(reason="the judge saw BGR", link="https://example.org/why")
    marked = record(failed=True).model_copy(update={"unreliable": mark})
    assert marked.flaws == ("the judge saw BGR (https://example.org/why)", "judge on clear pairs: expected 90 %")
    assert (record().flaws, entries.tags(record())["unreliable"]) == ((), "no")
    found = entries.tags(record().model_copy(update={"unreliable": mark}))
    assert found["unreliable"] == "yes"
    assert "* unreliable: the judge saw BGR (https://example.org/why)" in found["mlflow.note.content"]


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "javascript:alert", "data:text,x",
     "ftp://example.org", "https://", "https://a b", "https://a)](b", "https://a\n", "//a.b",
     "https://a\"onclick=", "HTTPS://example.org/<b>", f"https://{'a' * 300}"],
)  # fmt: skip
def test_a_mark_links_to_the_web_or_nowhere(tmp_path: Path, link: str) -> None:
    path = write(record(), tmp_path)
    mark = {"reason": "wrong", "link": link}
    path.write_text(json.dumps({**json.loads(path.read_text()), "unreliable": mark}))
    with pytest.raises(RecordError, match=r"unreliable\.link"):
        read(path)


def test_a_mark_needs_a_reason(tmp_path: Path) -> None:
    path = write(record(), tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "unreliable": {"reason": " "}}))
    with pytest.raises(RecordError, match=r"unreliable\.reason"):
        read(path)


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")  # reading it would wait for ever
    with pytest.raises(RecordError, match=r"pipe\.json: cannot be read \(it is a folder or a device\)"):
        read(tmp_path / "pipe.json")
    (tmp_path / "loop.json").symlink_to("loop.json")
    with pytest.raises(RecordError, match=r"loop\.json: cannot be read \(Too many levels of symbolic links\)"):
        read(tmp_path / "loop.json")


def test_a_folder_of_records_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    for name, why in (("file", "Not a directory"), ("loop", "Too many levels of symbolic links")):
        with pytest.raises(RecordError, match=rf"records .*{name}: cannot be read \({why}\); name a folder"):
            ledger.load(tmp_path / name)


def test_a_missing_record_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"none\.json: cannot be read \(No such file"):
        read(tmp_path / "none.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(RecordError, match=r"folder\.json: cannot be read"):
        ledger.load(tmp_path)


def test_not_a_number_is_never_a_score_or_a_bound() -> None:
    score = record().scores[0]
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValidationError, match="finite"):
            type(score)(measure=score.measure, on="lfw", value=bad, n=1)
        with pytest.raises(ValidationError, match="finite"):
            Interval(low=bad, high=1, kind="wilson")


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        record().seed = 3  # type: ignore[misc]


def test_the_ledger_refuses_what_is_too_large_without_reading_it(tmp_path: Path) -> None:
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(33 << 20)
    with pytest.raises(RecordError, match=r"large\.json: expected at most 32 MiB, got 33 MiB; move it"):
        ledger.load(tmp_path)


def test_the_ledger_refuses_a_copy_which_would_count_twice(tmp_path: Path) -> None:
    path = write(record(), tmp_path)
    (tmp_path / "copy.json").write_bytes(path.read_bytes())
    with pytest.raises(RecordError, match=r"copy\.json: expected the record 'copy', got 'lfw-quick-masking-0'"):
        ledger.load(tmp_path)


@pytest.mark.parametrize("number", ['"ratio": 0.25', '"seconds": 2.5', '"level": 0.95'])
@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_the_ledger_refuses_numbers_that_json_has_not(tmp_path: Path, number: str, value: str) -> None:
    path = write(record(parameters={"ratio": 0.25}), tmp_path)
    path.write_text(path.read_text().replace(number, f"{number.partition(':')[0]}: {value}"))
    with pytest.raises(RecordError, match="NaN or an infinite number, expected finite numbers"):
        ledger.load(tmp_path)


def test_the_ledger_collects_problems_where_asked_and_keeps_the_rest(tmp_path: Path) -> None:
    write(record(), tmp_path)
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "worse.json").write_text("{")
    problems: list[str] = []
    assert ledger.load(tmp_path, problems=problems) == [record()]
    assert len(problems) == 1
    assert "bad.json" in problems[0]


def test_a_record_holds_roles_as_numbers_and_digests_only() -> None:
    assert set(RunRecord.model_fields["roles"].annotation.__args__[1].model_fields) == {
        "identities", "images", "digest",
    }  # fmt: skip


def test_published_records_are_whole_and_name_nobody() -> None:
    folder = Path(__file__).resolve().parents[3] / "reports" / "records"
    for published in ledger.load(folder):
        assert published.stages, published.name
        if published.method != "noise":  # its faces match the same few originals: see docs/results.md
            assert all(check.passed for check in published.checks), published.name
        assert "/" not in json.dumps(published.config), f"{published.name} tells where files were"
