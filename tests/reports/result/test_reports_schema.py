"""The published schemas are those of the models, and real files fit them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from facebench.reports.result import ledger, thirdparty
from facebench.reports.result.record import Unreliable, write
from facebench.reports.result.schema import KINDS, schema
from jsonschema import Draft202012Validator, ValidationError
from made_up import attack, record

ROOT = Path(__file__).resolve().parents[3]
FILES = {"record": ROOT / "docs" / "schema" / "record-2.json", "attack": ROOT / "docs" / "schema" / "attack-1.json"}


def _validator(kind: str) -> Draft202012Validator:
    found = json.loads(FILES[kind].read_text())
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_committed_schema_is_the_models(kind: str) -> None:
    made = schema(kind)
    assert FILES[kind].read_text() == made, f"make it anew: python -m facebench.reports.result.schema {kind}"


def test_the_documented_command_makes_it() -> None:
    command = [sys.executable, "-m", "facebench.reports.result.schema", "attack"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == FILES["attack"].read_text()


def test_there_is_no_schema_of_another_kind() -> None:
    with pytest.raises(ValueError, match="expected record or attack, got 'page'"):
        schema("page")


def test_real_records_fit_once_they_are_written_in_this_layout(tmp_path: Path) -> None:
    for kept in [*ledger.load(ROOT / "tests" / "data" / "layout1"), *ledger.load(ROOT / "reports" / "records")]:
        _validator("record").validate(json.loads(write(kept, tmp_path).read_text()))


def test_a_marked_record_fits_and_one_with_an_entry_more_or_less_does_not(tmp_path: Path) -> None:
    marked = record().model_copy(update={"unreliable": Unreliable(reason="wrong", link="http://example.org")})
    content = json.loads(write(marked, tmp_path).read_text())
    _validator("record").validate(content)
    short = {key: value for key, value in content.items() if key != "digest"}
    for wrong in ({**content, "rank": 1}, short, {**content, "unreliable": {"reason": "x", "link": "javascript:1"}}):
        with pytest.raises(ValidationError):
            _validator("record").validate(wrong)


def test_an_attack_fits(tmp_path: Path) -> None:
    path = thirdparty.write(attack(record()), record(), tmp_path)
    _validator("attack").validate(json.loads(path.read_text()))
