"""The board over a thousand records: seconds and memory of the whole command, from Python's start to the file.

`pytest tests/perf/test_perf_report.py --benchmark-only` prints the seconds of every format.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facebench.reports import ledger

PUBLISHED = Path(__file__).resolve().parents[2] / "reports" / "records"
RECORDS, SEEDS = 1000, 5
FORMATS = ("md", "csv", "json", "html")


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published records with other scores, curves and parameters: 200 rows of five seeds each."""
    folder = tmp_path_factory.mktemp("records")
    sources = ledger.load(PUBLISHED)
    rng = np.random.default_rng(0)

    def shaken(values: Any) -> tuple[float, ...]:
        return tuple(np.clip(np.asarray(values) + rng.normal(0, 0.003, len(values)), 0, 1).tolist())

    for n in range(RECORDS):
        source, name = sources[(n // SEEDS) % len(sources)], f"record-{n}"
        spec = {**source.method_spec, "parameters": {**source.method_spec["parameters"], "variant": n // SEEDS}}
        known = [s if s.value is None else s.model_copy(update={"value": shaken([s.value])[0]}) for s in source.scores]
        curves = [curve.model_copy(update={"y": shaken(curve.y)}) for curve in source.curves]
        changes = {"name": name, "seed": n % SEEDS, "method_spec": spec}
        changes |= {"scores": tuple(known), "curves": tuple(curves)}
        (folder / f"{name}.json").write_text(source.model_copy(update=changes).model_dump_json(indent=1))
    return folder


def cost(records: Path, form: str, out: Path) -> tuple[float, float]:
    """Seconds of the processor and MiB of memory that the command took."""
    command = [sys.executable, "-m", "facebench.bench", "report", "--records", records, "--format", form, "--out", out]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


@pytest.mark.benchmark(group="bench report over 1,000 records")
@pytest.mark.parametrize("form", FORMATS)
def test_report(benchmark: Any, thousand: Path, tmp_path: Path, form: str) -> None:
    benchmark.pedantic(cost, args=(thousand, form, tmp_path / "out"), rounds=3)


def test_a_page_of_a_thousand_records_takes_seconds_and_little_memory(thousand: Path, tmp_path: Path) -> None:
    """Five seconds on an idle machine; seconds of the processor grow where others use it as well."""
    seconds, memory = cost(thousand, "html", tmp_path / "out.html")
    assert seconds < 10
    assert memory < 500
    assert (tmp_path / "out.html").stat().st_size < 5_000_000
