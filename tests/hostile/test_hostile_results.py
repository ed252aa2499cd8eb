"""Records, baselines and attacks of others: refused by their readers, or shown by every view of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from facebench.bench.audit import consistency
from facebench.bench.audit.recompute import from_store, own_content
from facebench.bench.compare import output as compare_output
from facebench.bench.compare.compare import CompareError, compare
from facebench.bench.gate import baseline as baselines
from facebench.bench.gate import ci, gate
from facebench.bench.gate import output as gate_output
from facebench.bench.gate.make_baseline import make as make_baseline
from facebench.bench.store.store import Store
from facebench.reports.board.leaderboard import board
from facebench.reports.formats.as_csv import csv
from facebench.reports.formats.as_json import json as as_json
from facebench.reports.formats.as_latex import latex
from facebench.reports.formats.as_markdown import markdown
from facebench.reports.result import ledger, thirdparty
from facebench.reports.result.digest import content_digest
from facebench.reports.result.record import RecordError, RunRecord, StageTrace, write
from facebench.reports.tracking import entries
from made_up import attack, record
from mutate import campaign, damaged, remade

REAL = sorted((Path(__file__).resolve().parents[2] / "reports" / "records").glob("*.json"))[:4]


def views(records: list[RunRecord], store: Path, attacks: list[thirdparty.ThirdPartyAttack] | None = None) -> None:
    """All that `bench report`, `bench verify` and `bench compare` make of records without a store."""
    whole = board(records, attacks or [])
    for show in (csv, as_json, latex, markdown):
        show(whole)
    for each in records:
        for count in (entries.parameters, entries.metrics, entries.headline, entries.worst_leak):
            count(each)
        list(own_content(each))
        consistency.findings(each)
        from_store(each, Store(store))


def put(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def sealed(content: Any) -> Any:
    """As a stranger makes it who knows how the digest is made."""
    if isinstance(content, dict) and "digest" in content:
        with suppress(ValueError):
            content["digest"] = content_digest(content)
    return content


def test_records(tmp_path: Path) -> None:
    good = [json.loads(path.read_text()) for path in REAL]
    write(record(), tmp_path)
    good.append(json.loads(next(tmp_path.glob("*.json")).read_text()))

    def make(rng: random.Random) -> tuple[str, bytes]:
        content = rng.choice(good)
        if rng.random() < 0.1:
            return content["name"], damaged(json.dumps(content).encode(), rng)
        changed = remade(content, rng)
        return content["name"], json.dumps(sealed(changed)).encode()

    def read(given: tuple[str, bytes]) -> bool:
        path = tmp_path / f"{given[0]}.json"
        path.write_bytes(given[1])
        try:
            found = ledger.load_one(path)
        finally:
            path.unlink()
        views([found, record()], tmp_path / "store")
        return json.loads(given[1]) in good

    campaign("record", make, read, RecordError)


def test_attacks_of_others(tmp_path: Path) -> None:
    on = record()
    write(on, tmp_path)
    path = thirdparty.write(attack(on), on, tmp_path)
    good = json.loads(path.read_text())

    def make(rng: random.Random) -> bytes:
        if rng.random() < 0.1:
            return damaged(json.dumps(good).encode(), rng)
        return json.dumps(remade(good, rng)).encode()

    def read(given: bytes) -> bool:
        path.write_bytes(given)
        found = thirdparty.load(tmp_path, [on])
        views([on], tmp_path / "store", found)
        return json.loads(given) == good

    campaign("attack of others", make, read, RecordError)


def test_baselines(tmp_path: Path) -> None:
    records = [record(), record(seed=1), record("blur", leak=0.3)]
    made, _ = make_baseline(records, tmp_path / "store", tolerances={}, waived=[], previous=None)
    path = tmp_path / "baseline.json"
    baselines.write(made, path)
    good = json.loads(path.read_text())

    def make(rng: random.Random) -> bytes:
        if rng.random() < 0.1:
            return damaged(json.dumps(good).encode(), rng)
        return json.dumps(remade(good, rng)).encode()

    def read(given: bytes) -> bool:
        path.write_bytes(given)
        outcome = gate.check(baselines.read(path), records, tmp_path / "store")
        shows: tuple[Callable[[gate.Outcome], object], ...] = (
            gate_output.as_json, gate_output.table, gate_output.markdown, ci.junit,
        )  # fmt: skip
        for show in shows:
            show(outcome)
        list(ci.commands(outcome))
        return json.loads(given) == good

    campaign("baseline", make, read, baselines.BaselineError)


def test_records_in_a_comparison(tmp_path: Path) -> None:
    good = [json.loads(record(name, seed=seed).model_dump_json()) for name in ("masking", "blur") for seed in (0, 1)]

    def make(rng: random.Random) -> list[Any]:
        which = rng.randrange(len(good))
        return [sealed(remade(each, rng)) if n == which else each for n, each in enumerate(good)]

    def read(given: list[Any]) -> bool:
        for old in tmp_path.glob("*.json"):
            old.unlink()
        for number, content in enumerate(given):
            name = good[number]["name"]
            put(tmp_path / f"{name}.json", content)
        found = compare(ledger.load(tmp_path), tmp_path / "store")
        for show in (compare_output.csv, compare_output.json, compare_output.markdown, compare_output.table):
            show(found)
        return given == good

    campaign("records compared", make, read, (RecordError, CompareError))


@pytest.mark.parametrize("clear", ["text", {"lfw": "text"}, [0.9], {"lfw": [0.9]}, 3])
def test_a_judge_that_is_described_wrongly_is_refused(tmp_path: Path, clear: object) -> None:
    content = json.loads(record().model_dump_json())
    content["judge"]["clear"] = clear
    put(tmp_path / f"{content['name']}.json", sealed(content))
    with pytest.raises(RecordError, match=r"judge\.clear|judge"):
        ledger.load_one(tmp_path / f"{content['name']}.json")


@pytest.mark.parametrize("entry", ["attacks", "metrics", "judges"])
def test_a_configuration_whose_lists_are_none_is_refused(tmp_path: Path, entry: str) -> None:
    content = json.loads(record().model_dump_json())
    content["config"][entry] = 3
    put(tmp_path / f"{content['name']}.json", sealed(content))
    with pytest.raises(RecordError, match=f"config: .*{entry}: expected a list"):
        ledger.load_one(tmp_path / f"{content['name']}.json")


def test_numbers_and_names_beyond_all_reason_are_refused(tmp_path: Path) -> None:
    content = json.loads(record().model_dump_json())
    content["roles"]["P"]["images"] = "9" * 400
    put(tmp_path / f"{content['name']}.json", sealed(content))
    with pytest.raises(RecordError, match=r"roles\.P\.images"):
        ledger.load_one(tmp_path / f"{content['name']}.json")
    long = record(stages=(StageTrace(name="x" * 5000, key="0" * 16, seconds=1, cached=False),))
    assert "expected a name and a key" in from_store(long, Store(tmp_path)).findings[0]
